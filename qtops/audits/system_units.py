"""Are our units at work? By progress and by what they would start from; active alone is no proof.

Pure.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from qtops.audits.log_causes import Cause, cause_of, fails_open, last_error
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.codec import fmt_instant
from qtops.contracts.facts import Missing
from qtops.contracts.registry import Service
from qtops.contracts.system_reading import UnitReading, UnitState

STATE: Final = "units.state"
PROGRESS: Final = "units.progress"
CODE: Final = "units.code"
LOG: Final = "units.log"
MANY_RESTARTS: Final = 3
_AT_REST: Final = frozenset({"disabled", "static", "indirect", "masked", "generated", "transient"})
_NOT_LOADABLE: Final = frozenset({"not-found", "bad-setting", "error"})
_OTHERS: Final = {Service.BOTS, Service.OPERATOR, Service.AUDITS, Service.EVERY}
BEATING: Final = frozenset(service.value for service in Service if service not in _OTHERS)


def judge_units(units: Sequence[UnitReading]) -> list[CheckResult]:
    """Every unit's state; progress, code and log of those that run."""
    if not units:
        text = "no quantum-* or qtops-* unit is here"
        return [CheckResult(STATE, "units", Verdict.UNKNOWN, Severity.P2, text)]
    results = [result for unit in units for result in _judge(unit)]
    return [*results, *_mute(units)]


def is_down(unit: UnitReading) -> bool:
    """Whether it should run and does not, as far as systemd knows."""
    state = unit.state
    return state.active == "failed" or (state.active, state.sub) == ("activating", "auto-restart")


def _judge(unit: UnitReading) -> Iterator[CheckResult]:
    yield _state(unit)
    yield from _code(unit)
    if unit.state.active == "active":
        yield from _progress(unit)
        yield from _fail_open(unit)


def _result(
    check: str, unit: UnitState, verdict: Verdict, severity: Severity, title: str
) -> CheckResult:
    return CheckResult(check, unit.name, verdict, severity, title)


def _state(unit: UnitReading) -> CheckResult:
    state = unit.state
    if is_down(unit):
        return _failed(unit)
    if state.load in _NOT_LOADABLE:
        return CheckResult(
            STATE,
            state.name,
            Verdict.FAIL,
            Severity.P2,
            f"{state.load}; something asks for a unit that cannot be loaded",
            expected="a unit file that loads",
            actual=state.load,
            fix=f"systemctl list-dependencies --reverse {state.name}",
        )
    if state.active == "active" and (state.restarts or 0) >= MANY_RESTARTS:
        return CheckResult(
            STATE,
            state.name,
            Verdict.WARN,
            Severity.P2,
            f"active, after {state.restarts} restarts by systemd",
            expected="no restart",
            actual=f"NRestarts {state.restarts}",
            evidence=_lines(last_error(_log(unit))),
            meaning="it dies and is started again: is-active shows the moment between",
            fix=f"journalctl -u {state.name} -n 100",
        )
    is_owed = state.file_state == "enabled" and state.kind not in {"oneshot", ""}
    if state.active == "inactive" and (is_owed or _is_unloaded_and_enabled(state)):
        return CheckResult(
            STATE,
            state.name,
            Verdict.WARN,
            Severity.P2,
            "enabled, and not running",
            expected="active",
            actual=f"{state.active} ({state.load})",
            fix=f"systemctl start {state.name}",
        )
    shown = state.active if state.active != "inactive" else _rest(state)
    # Where no heartbeat shows progress, being active earns little.
    severity = Severity.P1 if _beats_by_contract(state) else Severity.P3
    runs_from = f"{state.user or 'root'} from {state.directory or '/'}"
    return CheckResult(STATE, state.name, Verdict.PASS, severity, shown, actual=runs_from)


def _is_unloaded_and_enabled(state: UnitState) -> bool:
    return state.load == "not-loaded" and state.file_state == "enabled"


def _rest(state: UnitState) -> str:
    """Why not running is fine."""
    if state.load == "masked":
        return "masked"
    return f"inactive, {state.file_state if state.file_state in _AT_REST else state.kind}"


def _failed(unit: UnitReading) -> CheckResult:
    state, cause = unit.state, _cause(unit)
    severity = cause.severity if cause else Severity.P1
    why = f": {cause.what}" if cause else ""
    restarts = f", {state.restarts} restarts" if state.restarts else ""
    fix = cause.fix if cause else "journalctl -u {unit} -n 50"
    if state.kind == "oneshot" and severity is Severity.P1:
        severity = Severity.P2
    what = "has failed" if state.active == "failed" else "crashes and is restarted, over and over"
    return CheckResult(
        STATE,
        state.name,
        Verdict.FAIL,
        severity,
        f"{what}{why}",
        expected="active",
        actual=f"{state.active} ({state.result}, exit status {state.exit_status}{restarts})",
        evidence=_lines(cause.line if cause else last_error(_log(unit)), unit.code.entry),
        meaning="" if cause else "its log names no cause that is known here",
        fix=fix.format(
            unit=state.name, file=unit.code.entry or "FILE", directory=state.directory or "."
        ),
    )


def _cause(unit: UnitReading) -> Cause | None:
    """The conflict that lies in the file now weighs more than any line of the log."""
    if unit.code.conflict_line is not None:
        line = f"{unit.code.entry}:{unit.code.conflict_line}"
        return _conflict(line)
    return cause_of(_log(unit))


def _conflict(line: str) -> Cause:
    return Cause(
        "merge-conflict markers in its code",
        f"conflict marker at {line}",
        Severity.P0,
        "git -C {directory} diff --name-only --diff-filter=U",
    )


def _code(unit: UnitReading) -> Iterator[CheckResult]:
    state, code = unit.state, unit.code
    if state.active != "active":
        return
    if code.conflict_line is not None:
        yield CheckResult(
            CODE,
            state.name,
            Verdict.FAIL,
            Severity.P1,
            f"would not start again: merge-conflict markers in {code.entry}",
            expected="code that parses",
            actual=f"marker at line {code.conflict_line}",
            meaning="the running process holds older code; its next restart fails",
            fix=f"git -C {state.directory or '.'} diff --name-only --diff-filter=U",
        )
    if state.needs_reload:
        yield CheckResult(
            CODE,
            state.name,
            Verdict.WARN,
            Severity.P2,
            "its unit file was changed and systemd has not read it",
            expected="daemon-reload after each change",
            fix=f"systemctl daemon-reload; systemctl restart {state.name}",
        )
    if code.unread:
        text = f"not readable: {', '.join(code.unread)}"
        yield _result(CODE, state, Verdict.UNKNOWN, Severity.P3, text)
    elif code.changed_ms is not None and state.started_ms is not None:
        yield _age(state, code.changed_ms, code.changed)


def _age(state: UnitState, changed_ms: int, changed: str) -> CheckResult:
    started = fmt_instant(state.started_ms or 0)
    if changed_ms <= (state.started_ms or 0) + 1000:
        return _result(CODE, state, Verdict.PASS, Severity.P2, "runs what is on disk")
    return CheckResult(
        CODE,
        state.name,
        Verdict.WARN,
        Severity.P2,
        "runs older code or settings than are on disk",
        expected=f"started after {fmt_instant(changed_ms)}",
        actual=f"started {started}",
        evidence=(changed,),
        meaning="what was deployed or configured since is not in force",
        fix=f"systemctl restart {state.name}",
    )


def _progress(unit: UnitReading) -> Iterator[CheckResult]:
    state, beat = unit.state, unit.beat_ms
    if not _beats_by_contract(state):
        return
    if isinstance(beat, Missing):
        text = f"its heartbeat cannot be read: {beat.why}"
        yield _result(PROGRESS, state, Verdict.UNKNOWN, Severity.P1, text)
    elif beat is None or beat < 0:
        said = "has no heartbeat" if beat is None else "has a heartbeat that never expires"
        yield CheckResult(
            PROGRESS,
            state.name,
            Verdict.FAIL,
            Severity.P1,
            f"active and {said}",
            expected="a heartbeat younger than 15 s",
            actual="none" if beat is None else "one without TTL",
            meaning="a process that runs and does nothing, or one that is not ours",
            fix=f"journalctl -u {state.name} -n 50",
        )
    else:
        yield _result(PROGRESS, state, Verdict.PASS, Severity.P1, "beats")


def _beats_by_contract(state: UnitState) -> bool:
    """It is one of ours; the original's services of the same names write no heartbeat."""
    is_ours = state.name.startswith("qtops-") or any(w.endswith("/qtops") for w in state.command)
    return is_ours and state.service in BEATING


def _mute(units: Sequence[UnitReading]) -> Iterator[CheckResult]:
    """Active units that write no heartbeat that is known here: one remark for all."""
    running = [unit.state for unit in units if unit.state.active == "active"]
    mute = [state.name for state in running if not _beats_by_contract(state)]
    if mute:
        yield CheckResult(
            PROGRESS,
            "units without heartbeat",
            Verdict.UNKNOWN,
            Severity.P3,
            f"{len(mute)} active units write none known here: active is all that is seen",
            evidence=(", ".join(mute),),
            meaning="whether they work shows in their streams only (paths, streams)",
        )


def _fail_open(unit: UnitReading) -> Iterator[CheckResult]:
    said = fails_open(_log(unit))
    if said:
        yield CheckResult(
            LOG,
            unit.state.name,
            Verdict.FAIL,
            Severity.P1,
            "says that it fails open: everything passes unchecked",
            expected="missing input blocks",
            actual=f"{len(said)} of its last lines",
            evidence=_lines(said[-1]),
            meaning="its input is missing and it lets pass what it should hold back",
            fix=f"journalctl -u {unit.state.name} -n 50",
        )


def _log(unit: UnitReading) -> Sequence[str]:
    return () if isinstance(unit.log, Missing) else unit.log


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
