"""Checks run side by side; what cannot look, hangs or breaks says so and hides nothing."""

import asyncio
from datetime import date

import pytest

from qtops.audits.checks import AT_ONCE, Check, parse_waivers, run_checks, select, waive
from qtops.contracts.check import CheckResult, Severity, Verdict, Waiver
from qtops.errors import ConfigError, RedisError, UsageError

TODAY = date(2026, 12, 1)


class Clock:
    def now_ms(self):
        return 1_796_083_200_000  # 2026-12-01

    def monotonic_ms(self):
        return 0.0


def passing(name="env.permissions", subject="a.env"):
    return CheckResult(name, subject, Verdict.PASS, Severity.P2, "fine")


def failing(name="env.permissions", subject="a.env"):
    return CheckResult(name, subject, Verdict.FAIL, Severity.P1, "world-readable")


def check(name, *results, raises=None, limit_s=5.0):
    async def look():
        if raises is not None:
            raise raises
        return results

    return Check(name, look, limit_s=limit_s)


async def results_of(*checks, waivers=()):
    return (await run_checks(checks, Clock(), waivers)).results


@pytest.mark.parametrize(
    "error",
    [RedisError("no answer"), OSError("no such file"), ZeroDivisionError("a bug")],
)
async def test_a_check_that_cannot_look_is_unknown_and_the_others_go_on(error):
    broken, fine = await results_of(check("host.disk", raises=error), check("env.x", passing()))
    assert (broken.check, broken.verdict) == ("host.disk", Verdict.UNKNOWN)
    assert str(error) in broken.title
    assert fine.verdict is Verdict.PASS


async def test_a_check_that_hangs_is_unknown():
    async def forever():
        await asyncio.Event().wait()
        return []

    (hung,) = await results_of(Check("host.clock", forever, limit_s=0.01))
    assert hung.verdict is Verdict.UNKNOWN
    assert "did not finish" in hung.title


async def test_a_check_that_looked_at_nothing_fails():
    (empty,) = await results_of(check("env.permissions"))
    assert empty.verdict is Verdict.FAIL
    assert "looked at nothing" in empty.title


async def test_so_many_run_at_once_and_no_more():
    running, most = 0, 0

    async def look():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return [passing()]

    await results_of(*(Check(f"a.{n}", look) for n in range(3 * AT_ONCE)))
    assert most == AT_ONCE


def test_only_and_skip_choose_by_component_name_and_glob():
    checks = [check(name) for name in ("env.permissions", "env.keys", "host.disk")]
    names = [c.name for c in select(checks, ["env"], ["*.keys"])]
    assert names == ["env.permissions"]
    assert len(select(checks, [], [])) == 3


@pytest.mark.parametrize(("only", "skip"), [(["envy"], []), ([], ["x.*"]), (["env"], ["env"])])
def test_a_choice_that_fits_nothing_is_refused(only, skip):
    with pytest.raises(UsageError):
        select([check("env.permissions"), check("host.disk")], only, skip)


# --- waivers --------------------------------------------------------------------------------------


def waiver(check="env.*", subject="*", expires="2026-12-31"):
    return Waiver(check, subject, "ann", "known", date.fromisoformat(expires))


def test_a_waiver_marks_the_fault_and_leaves_it_a_fault():
    (marked,) = waive([failing()], [waiver()], TODAY)
    assert marked.verdict is Verdict.FAIL
    assert marked.waiver == waiver()
    assert not marked.is_fault


def test_a_waiver_holds_through_its_last_day_and_then_says_that_it_ran_out():
    last = date(2026, 12, 31)
    (held,) = waive([failing()], [waiver()], last)
    assert held.waiver is not None
    open_again, remark = waive([failing()], [waiver()], date(2027, 1, 1))
    assert open_again.is_fault
    assert "ran out" in remark.title
    assert remark.is_fault


@pytest.mark.parametrize(
    ("result", "held", "words"),
    [
        (passing(), waiver(), "fits nothing"),
        (failing(subject="b.env"), waiver(subject="a.env"), "fits nothing"),
        (failing(), waiver(expires="2027-12-31"), "longer than"),
    ],
)
def test_a_waiver_that_is_not_needed_or_too_long_is_remarked(result, held, words):
    *_, remark = waive([result], [held], TODAY)
    assert words in remark.title
    assert not remark.is_fault


def test_a_waiver_of_a_check_that_did_not_run_is_left_in_peace():
    assert waive([passing("host.disk")], [waiver()], TODAY) == [passing("host.disk")]


GOOD = 'check = "env.*"\nowner = "ann"\nreason = "known"\nexpires = 2026-12-31\n'


def test_waivers_are_read_from_toml():
    assert parse_waivers(f"[[waiver]]\n{GOOD}", "w.toml") == [waiver()]
    assert parse_waivers("", "w.toml") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[waiver", "w.toml"),
        ('waiver = "x"', "no list"),
        ("[[waiver]]\n" + GOOD.replace("expires = 2026-12-31\n", ""), "expires is missing"),
        ("[[waiver]]\n" + GOOD.replace('owner = "ann"\n', ""), "owner is missing"),
        (f'[[waiver]]\n{GOOD}until = "x"', "unknown field until"),
        ("[[waiver]]\n" + GOOD.replace("2026-12-31", '"soon"'), "no date"),
    ],
)
def test_a_waiver_that_says_too_little_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        parse_waivers(text, "w.toml")
