"""An operation's record: what it amounts to, that it comes back whole and is never lost."""

import json
from dataclasses import replace

import pytest

from qtops.errors import DecodeError, HostError
from qtops.governance.journal import Journal
from qtops.governance.obligations import obligation_path, open_obligations
from qtops.governance.operation import (
    Operation,
    Ran,
    Refusal,
    State,
    Step,
    Verdict,
    operation_from,
    outcome_of,
    record_of,
)
from qtops.governance.report import report

DECLARATION = {
    "operation": "P2.7 | deploy",
    "objective": "fewer denials",
    "risk_class": "FILESYSTEM_WRITE",
    "blast_radius": "p27",
    "rollback_strategy": "copy back",
    "changes_summary": "0.7 to 0.8",
    "allowed_paths": ["/srv/q"],
    "allowed_services": [],
    "requested_by": "SELF",
    "approved_by": "SELF",
    "notes": "",
}


def ran(exit_code=0, tail="said\n"):
    return Ran(("cp", "a b", "c"), 1, 2, exit_code, f"exit {exit_code}", tail, "ab" * 32, len(tail))


def step(verdict, number=1, **more):
    return Step(number, "change", "op@host", 1, ("true",), verdict=verdict, **more)


def operation(**changes):
    plain = Operation("OPS-2026-01-27-001", DECLARATION, 5, "op@host", "/srv", (("cp", "a", "b"),))
    return replace(plain, **changes)


PASSED = step(Verdict.PASS, run=ran(), verification=ran(), result="exit 0", ended_at_ms=3)
FAILED = step(Verdict.FAIL, 2, run=ran(1), result="exit 1", ended_at_ms=3)
STARTED = step(Verdict.STARTED, 2)


@pytest.mark.parametrize(
    ("changes", "state", "outcome", "why"),
    [
        ({}, State.OPEN, "PARTIAL", "no step was taken"),
        ({"steps": (PASSED,)}, State.OPEN, "SUCCESS", ""),
        (
            {"steps": (PASSED, FAILED)},
            State.FAILED,
            "PARTIAL",
            "step 2 failed; not rolled back",
        ),
        (
            {"steps": (PASSED, STARTED)},
            State.INTERRUPTED,
            "PARTIAL",
            "step 2 was interrupted, its result is UNKNOWN; not rolled back",
        ),
        (
            {"steps": (PASSED, FAILED), "attempts": ((ran(),),)},
            State.ROLLED_BACK,
            "PARTIAL",
            "step 2 failed; rolled back by the declared commands",
        ),
        (
            {"steps": (PASSED,), "attempts": ((ran(),),)},
            State.ROLLED_BACK,
            "PARTIAL",
            "rolled back by the declared commands",
        ),
        (
            {"steps": (FAILED,), "attempts": ((ran(1),),)},
            State.ROLLBACK_FAILED,
            "PARTIAL",
            "step 2 failed; the rollback FAILED",
        ),
        (
            {"steps": (FAILED,), "attempts": ((),)},
            State.ROLLBACK_FAILED,
            "PARTIAL",
            "step 2 failed; the rollback FAILED",
        ),
        (
            {"steps": (FAILED,), "attempts": ((ran(None),), (ran(),))},
            State.ROLLED_BACK,
            "PARTIAL",
            "step 2 failed; rolled back by the declared commands",
        ),
    ],
)
def test_state_and_outcome_follow_from_what_was_done(changes, state, outcome, why):
    assert operation(**changes).state is state
    assert outcome_of(operation(**changes)) == (outcome, why)


def test_the_operator_may_say_that_a_success_is_none():
    assert outcome_of(operation(steps=(PASSED,)), "latency rose") == ("PARTIAL", "latency rose")


def test_a_rollback_with_commands_left_is_not_whole():
    two = operation(rollback=(("a",), ("b",)), steps=(FAILED,), attempts=((ran(),),))
    assert two.state is State.ROLLBACK_FAILED


def test_a_record_comes_back_as_it_was():
    whole = operation(
        exception="at night",
        steps=(PASSED, FAILED),
        refusals=(Refusal(4, "op@host", "outside", ("rm", "/x"), ("path /x is outside",)),),
        attempts=((), (ran(),)),
    )
    assert operation_from(json.loads(json.dumps(record_of(whole)))) == whole


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r.pop("steps"),
        lambda r: r.update(more=1),
        lambda r: r.update(format="qtops.operation/v9"),
        lambda r: r["steps"][0].pop("number"),
        lambda r: r["steps"][0].update(verdict="MAYBE"),
        lambda r: r.update(rollback=7),
    ],
    ids=["no-steps", "unknown-field", "format", "no-number", "verdict", "rollback"],
)
def test_a_damaged_record_is_refused(damage):
    record = json.loads(json.dumps(record_of(operation(steps=(PASSED,)))))
    damage(record)
    with pytest.raises(DecodeError):
        operation_from(record)


def test_open_operations_are_obligations_oldest_first_and_unreadable_ones_too(tmp_path):
    journal = Journal(tmp_path)
    journal.save(operation())
    journal.save(operation(operation_id="OPS-2026-01-27-002", opened_at_ms=4))
    obligation_path(tmp_path, "OPS-2026-01-27-003").write_text('{"format": "torn')
    found = open_obligations(tmp_path)
    assert [one.operation_id[-3:] for one in found] == ["003", "002", "001"]
    assert found[0].what.startswith("unreadable file ")
    assert (found[2].what, found[2].by) == ("P2.7 | deploy", "op@host")
    assert found[2].command == "qtops ops end OPS-2026-01-27-001"


def test_a_place_without_operations_has_no_obligations(tmp_path):
    assert open_obligations(tmp_path) == []


def test_what_has_ended_is_remembered_but_cannot_be_loaded(tmp_path):
    journal = Journal(tmp_path)
    journal.save(operation())
    with journal.held("OPS-2026-01-27-001"):
        journal.file_away(operation())
    assert journal.recall("OPS-2026-01-27-001") == operation()
    assert list((tmp_path / "ledger/open").iterdir()) == []
    with pytest.raises(HostError, match="has ended"):
        journal.load("OPS-2026-01-27-001")


def test_the_lock_is_for_one_hand(tmp_path):
    journal = Journal(tmp_path)
    journal.save(operation())
    with journal.held("OPS-2026-01-27-001"):
        assert journal.is_busy("OPS-2026-01-27-001")
        with (
            pytest.raises(HostError, match="still running"),
            journal.held("OPS-2026-01-27-001"),
        ):
            pass
    assert not journal.is_busy("OPS-2026-01-27-001")


def test_the_report_says_everything_and_no_cell_breaks_the_table():
    whole = operation(
        exception="at night",
        steps=(PASSED, FAILED, replace(STARTED, command=(), paths=("/srv/q/x",))),
        refusals=(Refusal(4, "op@host", "a|b\nc", ("rm", "/x"), ("path /x is outside",)),),
        attempts=((ran(1, "no\x1b[31m\n"),),),
    )
    text = report(whole)
    assert text == report(whole)
    assert "# OPS-2026-01-27-001: P2.7 \\| deploy" in text
    assert "Outcome **PARTIAL**: step 2 failed" in text
    assert "Exception to the approval policy: at night." in text
    assert "| 1 | 1970-01-01T00:00:00.001Z | change | true | exit 0 | PASS | cp 'a b' c:" in text
    assert "| (by hand), touching /srv/q/x | UNKNOWN | STARTED | none |" in text
    assert "| a\\|b c | rm /x | path /x is outside |" in text
    assert "    no\\x1b[31m" in text
