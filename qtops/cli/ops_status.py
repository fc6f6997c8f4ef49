"""`qtops ops status`: which operations are open, and what one has done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root, open_ledger
from qtops.cli.ops_journal import (
    MARKS,
    checked_id,
    payload_of,
    print_attempts,
    print_next,
    print_step,
    shown_state,
)
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.spans import span
from qtops.errors import ExitCode, QtopsError

if TYPE_CHECKING:
    from qtops.governance.journal import Journal
    from qtops.governance.obligations import Obligation
    from qtops.governance.operation import Operation

SCHEMA = "qtops.ops.status/v1"
_AT_WORK = frozenset({"open", "running", "rolled_back"})


def register(app: typer.Typer) -> None:
    """Put the command into the group."""
    app.command("status")(status)


def status(
    operation_id: Annotated[str, typer.Argument(metavar="[ID]")] = "", *, root: Root = None
) -> None:
    """Which operations are open; with an id, its steps, refusals and rollback.

    Example: qtops ops status OPS-2026-01-27-011

    Exit codes: 0 nothing waits for a decision; 2 something does; 1 error; 64 usage.
    """
    from qtops.governance.journal import Journal

    env = current()
    place = open_ledger(env, root).root
    if operation_id:
        journal = Journal(place)
        _emit_one(env, journal, journal.recall(checked_id(operation_id)))
    else:
        _emit_all(env, place)


def _emit_one(env: AppContext, journal: "Journal", operation: "Operation") -> None:
    name = operation.operation_id
    is_open = journal.is_open(name)
    state = shown_state(journal, operation) if is_open else "ended"
    needs_decision = is_open and state not in _AT_WORK

    def text(out: Printer) -> None:
        out.verdict(
            MARKS.get(state, Mark.OK), state, f"{name}  {operation.declaration['operation']}"
        )
        for step in operation.steps:
            print_step(out, step)
        print_attempts(out, operation)
        for refusal in operation.refusals:
            out.finding(Mark.WARN, f"refused  {refusal.title}: {'; '.join(refusal.reasons)}")
        if is_open and state != "running":
            print_next(out, operation)

    code = ExitCode.UNHEALTHY if needs_decision else ExitCode.OK
    emit(env, CommandResult(SCHEMA, state, code, payload_of(operation), text))


def _emit_all(env: AppContext, root: Path) -> None:
    from qtops.governance.journal import Journal
    from qtops.governance.obligations import open_obligations

    journal = Journal(root)
    found = open_obligations(root)
    states = {one.operation_id: _state(journal, one.operation_id) for one in found}
    waiting = [name for name, state in states.items() if state not in _AT_WORK]
    now_ms = env.now_ms()

    def text(out: Printer) -> None:
        out.verdict(Mark.FAIL if waiting else Mark.OK, f"{len(found)} open", _waiting(waiting))
        columns = [Column("id"), Column("state"), Column("open for"), Column("by")]
        rows = [_row(one, states[one.operation_id], now_ms) for one in found]
        out.table([*columns, Column("operation", shrink=True)], rows)
        for name in waiting:
            out.hint(f"qtops ops status {name}")

    payload = {"open": [{"state": states[o.operation_id], "obligation": o} for o in found]}
    code = ExitCode.UNHEALTHY if waiting else ExitCode.OK
    verdict = "degraded" if waiting else "ok"
    emit(env, CommandResult(SCHEMA, verdict, code, payload, text))


def _waiting(names: list[str]) -> str:
    return f"{len(names)} for a decision" if names else ""


def _state(journal: "Journal", operation_id: str) -> str:
    try:
        return shown_state(journal, journal.load(operation_id))
    except QtopsError:
        return "unreadable"


def _row(one: "Obligation", state: str, now_ms: int) -> list[Cell]:
    age = span(now_ms - one.opened_at_ms) if one.opened_at_ms else "UNKNOWN"
    return [one.operation_id, Tinted(state, MARKS.get(state, Mark.FAIL)), age, one.by, one.what]
