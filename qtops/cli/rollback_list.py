"""`qtops rollback list`: every rollback of this machine and where it stands."""

from typing import TYPE_CHECKING

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.cli.rollback_session import open_journals
from qtops.cli.rollback_text import row_of
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal


def emit_list(env: AppContext) -> None:
    """Newest first; what is open comes with its commands."""
    now_ms = env.now_ms()
    found = open_journals(env).every()[::-1]
    rows = [row_of(journal) | {"standing": standing(journal, now_ms)} for journal in found]
    unsettled = [one for one in found if one.is_unfinished or one.is_unconfirmed]

    def text(out: Printer) -> None:
        mark = Mark.FAIL if unsettled else Mark.OK
        out.verdict(
            mark, f"{len(rows)} rollback{'' if len(rows) == 1 else 's'}", f"{len(unsettled)} open"
        )
        names = ("rollback_id", "kind", "standing", "by", "reason")
        columns = [Column("id"), Column("kind"), Column("state"), Column("by"), Column("reason")]
        out.table(columns, [[row[name] for name in names] for row in rows])
        for journal in unsettled:
            name = journal.rollback_id
            word = "resume" if journal.is_unfinished else "confirm"
            out.finding(Mark.FAIL, f"{name} is {standing(journal, now_ms)}")
            if word == "confirm" or journal.state.value == "applying":
                out.hint(f"qtops rollback {word} {name}")
            out.hint(f"qtops rollback undo {name}")

    code = ExitCode.UNHEALTHY if unsettled else ExitCode.OK
    payload = {"rollbacks": rows, "open": [one.rollback_id for one in unsettled]}
    status = "open" if unsettled else "ok"
    emit(env, CommandResult("qtops.rollback.list/v1", status, code, payload, text))


def standing(journal: "Journal", now_ms: int) -> str:
    """Where a rollback stands, for people."""
    if journal.is_unconfirmed:
        return "overdue, not confirmed" if now_ms >= journal.confirm_by_ms else "not confirmed"
    if journal.is_unfinished:
        return f"unfinished ({journal.state.value})"
    return journal.state.value
