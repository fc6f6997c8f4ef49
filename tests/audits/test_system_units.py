"""Units judged by what they do and would do, and causes read from logs."""

from dataclasses import replace

import pytest

from qtops.audits.log_causes import cause_of, fails_open, last_error
from qtops.audits.system_units import judge_units
from qtops.contracts.check import Severity, Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.system_reading import CodeReading, UnitReading, UnitState

FAIL, WARN, PASS, UNKNOWN = Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.UNKNOWN
STARTED_MS = 1_000_000
RUNNING = UnitState(
    "qtops-executor.service",
    "loaded",
    "active",
    "running",
    kind="notify",
    file_state="enabled",
    result="success",
    restarts=0,
    started_ms=STARTED_MS,
    command=("/opt/qtops/bin/qtops", "run", "executor"),
)
CODE = CodeReading("/srv/main.py", STARTED_MS - 1, "/srv/main.py")
UNIT = UnitReading(RUNNING, CODE, beat_ms=9_000)


def unit(code=CODE, log=(), beat_ms=9_000, **state):
    return UnitReading(replace(RUNNING, **state), code, log, beat_ms)


def judged(one, check):
    return [(r.verdict, r.severity) for r in judge_units([one]) if r.check == check]


CONFLICT = replace(CODE, conflict_line=1)
STATES = {
    "active and beating": (unit(), PASS, Severity.P1),
    "failed": (unit(active="failed", sub="failed"), FAIL, Severity.P1),
    "a crash loop": (unit(active="activating", sub="auto-restart"), FAIL, Severity.P1),
    "starting": (unit(active="activating", sub="start"), PASS, Severity.P1),
    "failed on a conflict in its file": (unit(CONFLICT, active="failed"), FAIL, Severity.P0),
    "failed on a conflict in its log": (
        unit(log=("    <<<<<<< HEAD", "SyntaxError: invalid syntax"), active="failed"),
        FAIL,
        Severity.P0,
    ),
    "failed, its log cannot be read": (unit(log=Missing("no"), active="failed"), FAIL, Severity.P1),
    "a failed oneshot": (unit(active="failed", kind="oneshot"), FAIL, Severity.P2),
    "restarted often": (unit(restarts=3), WARN, Severity.P2),
    "restarted once": (unit(restarts=1), PASS, Severity.P1),
    "not found": (unit(load="not-found", active="inactive"), FAIL, Severity.P2),
    "masked": (unit(load="masked", active="inactive", file_state="masked"), PASS, Severity.P1),
    "enabled and not running": (unit(active="inactive"), WARN, Severity.P2),
    "enabled and not loaded": (unit(load="not-loaded", active="inactive", kind=""), WARN, "P2"),
    "disabled": (unit(active="inactive", file_state="disabled"), PASS, Severity.P1),
    "static, at rest": (unit(active="inactive", file_state="static"), PASS, Severity.P1),
    "a oneshot at rest": (unit(active="inactive", kind="oneshot"), PASS, Severity.P1),
    "active, of the original": (
        unit(name="quantum-executor.service", command=("/usr/bin/python3", "main.py")),
        PASS,
        Severity.P3,
    ),
}


@pytest.mark.parametrize(("one", "verdict", "severity"), STATES.values(), ids=STATES)
def test_the_state_of_a_unit(one, verdict, severity):
    assert judged(one, "units.state") == [(verdict, severity)]


PROGRESS = {
    "beats": (unit(), [(PASS, Severity.P1)]),
    "does not beat": (unit(beat_ms=None), [(FAIL, Severity.P1)]),
    "beats for ever": (unit(beat_ms=-1), [(FAIL, Severity.P1)]),
    "Redis is away": (unit(beat_ms=Missing("away")), [(UNKNOWN, Severity.P1)]),
    "owes no beat": (unit(name="qtops-health.service"), [(UNKNOWN, Severity.P3)]),
    "not running": (unit(active="failed"), []),
}


@pytest.mark.parametrize(("one", "expected"), PROGRESS.values(), ids=PROGRESS)
def test_active_is_no_progress(one, expected):
    assert judged(one, "units.progress") == expected


LATER = replace(CODE, changed_ms=STARTED_MS + 2_000)
CODES = {
    "as on disk": (unit(), [(PASS, Severity.P2)]),
    "changed since": (unit(LATER), [(WARN, Severity.P2)]),
    "conflict under a running process": (
        unit(CONFLICT),
        [(FAIL, Severity.P1), (PASS, Severity.P2)],
    ),
    "unreadable": (
        unit(replace(CODE, unread=("/x (Permission denied)",))),
        [(UNKNOWN, Severity.P3)],
    ),
    "unit file changed": (unit(needs_reload=True), [(WARN, Severity.P2), (PASS, Severity.P2)]),
    "no file known": (unit(CodeReading()), []),
    "down": (unit(LATER, active="failed"), []),
}


@pytest.mark.parametrize(("one", "expected"), CODES.values(), ids=CODES)
def test_what_runs_against_what_is_on_disk(one, expected):
    assert judged(one, "units.code") == expected


def test_no_unit_at_all_is_unknown():
    [result] = judge_units([])
    assert (result.verdict, result.title) == (UNKNOWN, "no quantum-* or qtops-* unit is here")


def test_a_service_that_fails_open_is_a_fault_while_it_runs():
    log = ("x", "BTCUSDT: FAIL-OPEN (missing_inputs)")
    assert judged(unit(log=log), "units.log") == [(FAIL, Severity.P1)]
    assert judged(unit(log=("opened a failing file",)), "units.log") == []


CAUSES = {
    "<<<<<<< Updated upstream": "merge-conflict markers in its code",
    "SyntaxError: invalid syntax": "its code does not parse",
    "ModuleNotFoundError: No module named 'redis'": "a Python module is missing",
    "OSError: [Errno 98] Address already in use": "its port is taken",
    "redis.exceptions.AuthenticationError: WRONGPASS invalid": "it is not let in: credentials",
    "PermissionError: [Errno 13] Permission denied": "it may not read or write a file",
    "OSError: [Errno 28] No space left on device": "the disk is full",
    "MemoryError": "it ran out of memory",
    "ConnectionRefusedError: [Errno 111]": "what it connects to is away",
}


@pytest.mark.parametrize("line", CAUSES)
def test_the_cause_is_named_with_its_line(line):
    cause = cause_of(["Traceback (most recent call last):", f"  {line}", "exited"])
    assert (cause.what, cause.line) == (CAUSES[line], line)


def test_an_old_error_and_an_unknown_one_are_no_cause():
    assert cause_of(["SyntaxError: invalid syntax", *["fine"] * 30]) is None
    assert cause_of(["ValueError: x"]) is None
    assert cause_of([]) is None


def test_the_last_error_is_the_last_line_that_looks_like_one():
    assert last_error(["KeyError: a", "ValueError: b", "stopped"]) == "ValueError: b"
    assert last_error(["stopped"]) == "stopped"
    assert last_error([]) == ""
    assert fails_open(["fail open", "fail_open", "failopen", "fails closed"]) == [
        "fail open",
        "fail_open",
        "failopen",
    ]
