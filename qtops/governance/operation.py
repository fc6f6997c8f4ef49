"""One operation: what was declared, what was done, refused and undone, and what that amounts to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from qtops.errors import DecodeError

Argv = tuple[str, ...]
FORMAT: Final = "qtops.operation/v1"


class Verdict(StrEnum):
    """What became of a step. STARTED in a file that nobody holds: nobody saw its end."""

    STARTED = "STARTED"
    PASS = "PASS"  # noqa: S105  not a password
    FAIL = "FAIL"


class State(StrEnum):
    """Where an operation stands; only an OPEN one takes another step."""

    OPEN = "open"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that was run. `exit_code` is None when it did not end by itself.

    The digest and the size are of the whole output, the tail is its masked end.
    """

    command: Argv
    started_at_ms: int
    ended_at_ms: int
    exit_code: int | None
    result: str
    output_tail: str
    output_sha256: str
    output_bytes: int

    @property
    def passed(self) -> bool:
        """It ended by itself and said 0."""
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Without `command` it was done by hand and `result` is what somebody said."""

    number: int
    title: str
    by: str
    started_at_ms: int
    command: Argv = ()
    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    verdict: Verdict = Verdict.STARTED
    result: str = ""
    ended_at_ms: int | None = None
    run: Ran | None = None
    verification: Ran | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that was not run because it lies outside the declared scope."""

    at_ms: int
    by: str
    title: str
    command: Argv
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """The whole record. `declaration` has the fields of a declaration by name.

    `rollback` is what undoes it, run in `directory`; `attempts` are the times that was tried.
    `exception` says why it went on although the policy wants another approver.
    """

    operation_id: str
    declaration: Mapping[str, Any]
    opened_at_ms: int
    by: str
    directory: str
    rollback: tuple[Argv, ...] = ()
    exception: str = ""
    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    attempts: tuple[tuple[Ran, ...], ...] = ()

    @property
    def state(self) -> State:
        """Derived from what was done, never stored beside it."""
        if self.attempts:
            last = self.attempts[-1]
            is_whole = len(last) == len(self.rollback) and all(ran.passed for ran in last)
            return State.ROLLED_BACK if is_whole else State.ROLLBACK_FAILED
        verdicts = {step.verdict for step in self.steps}
        if Verdict.STARTED in verdicts:
            return State.INTERRUPTED
        return State.FAILED if Verdict.FAIL in verdicts else State.OPEN


def outcome_of(operation: Operation, partial: str = "") -> tuple[str, str]:
    """The ledger's outcome and why it is not SUCCESS; `partial` is the operator's own reason.

    An operation that was undone before it was recorded is PARTIAL: ROLLBACK undoes an *entry*.
    """
    whys = [f"step {s.number} {_WORDS[s.verdict]}" for s in operation.steps if s.verdict in _WORDS]
    if not operation.steps:
        whys.append("no step was taken")
    if tried := _ROLLBACKS.get(operation.state):
        whys.append(tried)
    elif whys and operation.steps:
        whys.append("not rolled back")
    if partial:
        whys.append(partial)
    return ("PARTIAL", "; ".join(whys)) if whys else ("SUCCESS", "")


_WORDS: Final = {
    Verdict.FAIL: "failed",
    Verdict.STARTED: "was interrupted, its result is UNKNOWN",
}
_ROLLBACKS: Final = {
    State.ROLLED_BACK: "rolled back by the declared commands",
    State.ROLLBACK_FAILED: "the rollback FAILED",
}


def record_of(operation: Operation) -> dict[str, Any]:
    """As JSON types, with what a reader of open obligations looks for."""
    what = operation.declaration["operation"]
    return {"format": FORMAT, "what": what, "state": operation.state} | asdict(operation)


def operation_from(record: Mapping[str, Any]) -> Operation:
    """The operation of a record; DecodeError when it is none."""
    try:
        return _operation(dict(record))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"no operation record: {type(error).__name__} {error}"
        raise DecodeError("bad_operation", "operation", message) from error


def _operation(record: dict[str, Any]) -> Operation:
    if record.pop("format") != FORMAT:
        raise ValueError("another format")
    for derived in ("what", "state"):
        record.pop(derived)
    return Operation(
        **record
        | {
            "rollback": tuple(map(tuple, record["rollback"])),
            "steps": tuple(_step(one) for one in record["steps"]),
            "refusals": tuple(Refusal(**_tupled(one)) for one in record["refusals"]),
            "attempts": tuple(tuple(Ran(**_tupled(r)) for r in one) for one in record["attempts"]),
        }
    )


def _step(record: Mapping[str, Any]) -> Step:
    own = _tupled(record) | {"verdict": Verdict(record["verdict"])}
    for name in ("run", "verification"):
        own[name] = Ran(**_tupled(record[name])) if record[name] is not None else None
    return Step(**own)


def _tupled(record: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists only."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
