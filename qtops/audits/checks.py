"""Runs checks side by side, each with its own time limit, and lays waivers over the results."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from qtops.contracts.check import CheckReport, CheckResult, Severity, Verdict, Waiver
from qtops.errors import ConfigError, QtopsError, UsageError
from qtops.ports.venue import Clock

AT_ONCE: Final = 8
LONGEST_WAIVER_DAYS: Final = 90
_WAIVER_FIELDS: Final = frozenset({"check", "subject", "owner", "reason", "expires"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` reads the world and judges; it returns one result a subject.

    `severity` is what it costs not to know.
    """

    name: str
    look: Callable[[], Awaitable[Sequence[CheckResult]]]
    severity: Severity = Severity.P2
    limit_s: float = 10.0

    def result(self, verdict: Verdict, title: str, actual: str = "") -> CheckResult:
        """A result about the check as a whole."""
        return CheckResult(self.name, "-", verdict, self.severity, title, actual=actual)


def select(checks: Sequence[Check], only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Those that `only` names (all when empty) and `skip` does not; globs over `component.name`.

    Raises:
        UsageError: a pattern fits no check, or nothing is left to run.

    """
    for pattern in (*only, *skip):
        if not any(_fits(check.name, pattern) for check in checks):
            known = ", ".join(check.name for check in checks)
            raise UsageError(f"no check fits {pattern!r}; there are {known}")
    wanted = [check for check in checks if not only or _fits_any(check.name, only)]
    chosen = [check for check in wanted if not _fits_any(check.name, skip)]
    if not chosen:
        raise UsageError("--only and --skip leave no check to run")
    return chosen


def _fits_any(name: str, patterns: Sequence[str]) -> bool:
    return any(_fits(name, pattern) for pattern in patterns)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


async def run_checks(
    checks: Sequence[Check], clock: Clock, waivers: Sequence[Waiver] = ()
) -> CheckReport:
    """Run them, at most eight at once. A check that fails to look yields UNKNOWN, never an error.

    A check that looked at nothing at all has proven nothing, and fails.
    """
    at_ms = clock.now_ms()
    gate = asyncio.Semaphore(AT_ONCE)
    took: dict[str, int] = {}

    async def one(check: Check) -> Sequence[CheckResult]:
        async with gate:
            started = clock.monotonic_ms()
            results = await _look(check)
            took[check.name] = int(clock.monotonic_ms() - started)
            return results

    answers = await asyncio.gather(*(one(check) for check in checks))
    results = [result for answer in answers for result in answer]
    today = datetime.fromtimestamp(at_ms / 1000, UTC).date()
    return CheckReport(tuple(waive(results, waivers, today)), at_ms, took)


async def _look(check: Check) -> Sequence[CheckResult]:
    try:
        async with asyncio.timeout(check.limit_s):
            results = await check.look()
    except TimeoutError:
        title = f"{check.name} did not finish in {check.limit_s:g} s"
        return (check.result(Verdict.UNKNOWN, title),)
    except (QtopsError, OSError) as error:
        return (check.result(Verdict.UNKNOWN, f"{check.name} could not look: {error}"),)
    except Exception as error:  # noqa: BLE001  a bug in one check must not hide the others
        title = f"{check.name} broke: {type(error).__name__}: {error}"
        return (check.result(Verdict.UNKNOWN, title),)
    if not results:
        return (check.result(Verdict.FAIL, f"{check.name} looked at nothing", "no subject"),)
    return results


# --- waivers --------------------------------------------------------------------------------------


def parse_waivers(text: str, source: str) -> list[Waiver]:
    """`[[waiver]]` tables: check, subject (glob, default all), owner, reason, expires (a date).

    Raises:
        ConfigError: naming the table and what it lacks; a waiver without an end is none.

    """
    try:
        tables = tomllib.loads(text).get("waiver", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}", hint="it is TOML: [[waiver]] tables") from None
    if not isinstance(tables, list):
        raise ConfigError(f"{source}: waiver is no list of tables", hint="write [[waiver]]")
    return [_waiver(table, f"{source}, waiver {n}") for n, table in enumerate(tables, start=1)]


def _waiver(table: Any, where: str) -> Waiver:
    fields: dict[str, Any] = {"subject": "*", **table}
    if unknown := sorted(fields.keys() - _WAIVER_FIELDS):
        raise ConfigError(f"{where}: unknown field {unknown[0]}", hint=_fields_hint())
    for name in sorted(_WAIVER_FIELDS):
        if not fields.get(name):
            raise ConfigError(f"{where}: {name} is missing", hint=_fields_hint())
    expires = fields.pop("expires")
    try:
        day = expires if isinstance(expires, date) else date.fromisoformat(str(expires))
    except ValueError:
        raise ConfigError(f"{where}: expires is no date", hint="like 2026-12-31") from None
    return Waiver(**{name: str(value) for name, value in fields.items()}, expires=day)


def _fields_hint() -> str:
    return f"fields: {', '.join(sorted(_WAIVER_FIELDS))}"


def waive(
    results: Iterable[CheckResult], waivers: Sequence[Waiver], today: date
) -> list[CheckResult]:
    """Mark what is waived; say which waivers have run out, run too long, or fit nothing."""
    held = list(results)
    marked = [_marked(result, waivers, today) for result in held]
    return marked + [remark for waiver in waivers if (remark := _remark(waiver, held, today))]


def _marked(result: CheckResult, waivers: Sequence[Waiver], today: date) -> CheckResult:
    if result.verdict is Verdict.PASS:
        return result
    for waiver in waivers:
        if waiver.expires >= today and _covers(waiver, result):
            return replace(result, waiver=waiver)
    return result


def _covers(waiver: Waiver, result: CheckResult) -> bool:
    return fnmatchcase(result.check, waiver.check) and fnmatchcase(result.subject, waiver.subject)


def _remark(waiver: Waiver, results: Sequence[CheckResult], today: date) -> CheckResult | None:
    if not any(fnmatchcase(result.check, waiver.check) for result in results):
        return None  # the check did not run this time
    covers = any(_covers(waiver, r) and r.verdict is not Verdict.PASS for r in results)
    left = (waiver.expires - today).days
    if left < 0 and covers:
        what = f"ran out on {waiver.expires}"
    elif left > LONGEST_WAIVER_DAYS:
        what = f"runs for {left} days, longer than {LONGEST_WAIVER_DAYS}"
    elif not covers:
        what = "fits nothing that is wrong"
    else:
        return None
    return CheckResult(
        check="waivers.valid",
        subject=f"{waiver.check} {waiver.subject}",
        verdict=Verdict.WARN,
        severity=Severity.P2 if left < 0 else Severity.P3,
        title=f"waiver of {waiver.check} by {waiver.owner} {what}",
        expected=f"at most {LONGEST_WAIVER_DAYS} days, and still needed",
        actual=f"expires {waiver.expires}",
        evidence=(waiver.reason,),
        fix="edit the waivers file (QTOPS_WAIVERS)",
    )
