"""A rollback as an operator and a program read it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal
    from qtops.rollback.steps import AnyStep

SCHEMA = "qtops.rollback/v1"
Text = Callable[[Printer, "Journal"], None]


def lines_of(steps: "Sequence[AnyStep]") -> list[str]:
    """The exact changes."""
    from qtops.rollback.plan import changes

    return changes(steps)


def row_of(journal: "Journal") -> dict[str, Any]:
    """One rollback as a document has it."""
    from qtops.contracts.codec import fmt_instant

    by_ms = journal.confirm_by_ms
    return {
        "rollback_id": journal.rollback_id,
        "kind": journal.kind,
        "state": journal.state.value,
        "by": journal.by,
        "reason": journal.reason,
        "started_at": fmt_instant(journal.started_ms),
        "confirm_by": fmt_instant(by_ms) if by_ms else None,
        "ledger_id": journal.ledger_id or None,
        "fault": journal.fault or None,
        "steps": [
            {"kind": step.kind, "stage": stage.value, "changes": step.lines()}
            for step, stage in zip(journal.steps, journal.stages, strict=True)
        ],
    }


def emit_preview(env: AppContext, kind: str, lines: Sequence[str]) -> None:
    """What --dry-run shows."""

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", "nothing was changed")
        for line in lines:
            out.line(line)

    payload = {"dry_run": True, "kind": kind, "changes": list(lines)}
    emit(env, CommandResult(SCHEMA, "dry_run", ExitCode.OK, payload, text))


def emit_journal(
    env: AppContext,
    journal: "Journal",
    status: str,
    text: Text,
    more: dict[str, Any] | None = None,
) -> None:
    """The one result of a command that changed something, or did not have to."""
    code = ExitCode.UNHEALTHY if status == "executed" else ExitCode.OK
    payload = {"dry_run": False} | row_of(journal) | (more or {})
    emit(env, CommandResult(SCHEMA, status, code, payload, lambda out: text(out, journal)))


def print_done(out: Printer, journal: "Journal") -> None:
    """A rollback that stands."""
    detail = f"{len(journal.steps)} steps, each read back"
    out.verdict(Mark.OK, "rolled back", detail, journal.rollback_id)
    print_changes(out, journal)


def print_changes(out: Printer, journal: "Journal") -> None:
    """What was changed, and the commands that come next."""
    for line in lines_of(journal.steps):
        out.line(line)
    if journal.ledger_id:
        out.line(f"ledger entry {journal.ledger_id}")
    if journal.is_unconfirmed:
        from qtops.contracts.codec import fmt_instant

        text = f"taken back at {fmt_instant(journal.confirm_by_ms)} unless confirmed"
        out.finding(Mark.WARN, text, f"qtops rollback confirm {journal.rollback_id}")
    out.line("the way back:")
    out.hint(f"qtops rollback undo {journal.rollback_id}")


def print_settled(word: str) -> Text:
    """Only the verdict."""

    def text(out: Printer, journal: "Journal") -> None:
        out.verdict(Mark.OK, word, journal.kind, journal.rollback_id)

    return text
