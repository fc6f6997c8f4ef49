"""What the `ops` commands share: which operation it is, and how it reads."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext
from qtops.cli.printer import Mark, Printer
from qtops.cli.spans import parse_span, span
from qtops.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from qtops.governance.journal import Journal
    from qtops.governance.operation import Operation, Ran, Step
    from qtops.governance.steps import Bench

By = Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")]
Limit = Annotated[str, typer.Option("--timeout", help="Time limit of each command.")]
LIMIT = "10m"
MARKS = {
    "open": Mark.OK,
    "running": Mark.OK,
    "rolled_back": Mark.WARN,
    "interrupted": Mark.FAIL,
    "failed": Mark.FAIL,
    "rollback_failed": Mark.FAIL,
}


def chosen(journal: "Journal", operation_id: str) -> str:
    """The named operation, or the only open one."""
    if operation_id:
        return checked_id(operation_id)
    names = journal.open_ids()
    if not names:
        raise UsageError("no operation is open", hint="qtops ops begin --help")
    if len(names) > 1:
        raise UsageError(f"{len(names)} operations are open, name one of {', '.join(names)}")
    return names[0]


def checked_id(operation_id: str) -> str:
    """An id in its format: it becomes a file name. UsageError for anything else."""
    from qtops.ledger.entry import day_of

    try:
        day_of(operation_id)
    except DecodeError as error:
        raise UsageError(error.message, hint="qtops ops status") from error
    return operation_id


def argv_of(text: str, option: str) -> tuple[str, ...]:
    """A command as words; no shell ever sees it."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{option}: {str(error).lower()}") from error


def bench_of(env: AppContext, journal: "Journal", lock: int, limit: str) -> "Bench":
    """The real clock, the real disk and real processes."""
    from qtops.governance.commands import Runner
    from qtops.governance.steps import Bench

    env.settings()  # what the settings call secret is known only once they are read
    limit_s = parse_span(limit, "--timeout") / 1000
    runner = Runner(env.now_ms, env.redact, limit_s, lock)
    return Bench(env.now_ms, env.redact, journal.save, runner)


def shown_state(journal: "Journal", operation: "Operation") -> str:
    """The state, or `running` while somebody or something still holds the operation."""
    return "running" if journal.is_busy(operation.operation_id) else operation.state.value


def payload_of(operation: "Operation") -> dict[str, Any]:
    """The operation as every `ops` command's document has it."""
    from qtops.governance.operation import record_of
    from qtops.governance.steps import next_commands

    return {"operation": record_of(operation), "next": next_commands(operation)}


def print_step(out: Printer, step: "Step") -> None:
    """One line, and what it rests on when it did not pass."""
    mark = {"PASS": Mark.OK, "FAIL": Mark.FAIL}.get(step.verdict, Mark.UNKNOWN)
    result = step.result or "no result on record"
    out.finding(mark, f"step {step.number} {step.verdict}  {step.title}: {result}")
    out.line(f"  {shlex.join(step.command) or 'by hand'}")
    if step.verification:
        checked = step.verification
        out.line(f"  verified by {shlex.join(checked.command)}: {checked.result}")
    for ran in (step.run, step.verification):
        if ran and not ran.passed:
            print_tail(out, ran)


def print_attempts(out: Printer, operation: "Operation") -> None:
    """Every command of every rollback."""
    for number, attempt in enumerate(operation.attempts, 1):
        if not attempt:
            out.finding(Mark.FAIL, f"rollback {number}: interrupted before its first command ended")
        for ran in attempt:
            took = span(ran.ended_at_ms - ran.started_at_ms)
            mark = Mark.OK if ran.passed else Mark.FAIL
            out.finding(mark, f"rollback {number}: {shlex.join(ran.command)}: {ran.result}, {took}")
            if not ran.passed:
                print_tail(out, ran)


def print_tail(out: Printer, ran: "Ran", lines: int = 10) -> None:
    """The last lines of what a command said."""
    for line in ran.output_tail.splitlines()[-lines:]:
        out.line(f"    {line}")


def print_next(out: Printer, operation: "Operation") -> None:
    """What leads on, each a command to paste."""
    from qtops.governance.steps import next_commands

    for command in next_commands(operation):
        out.hint(command)
