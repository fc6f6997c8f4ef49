"""`qtops rollback`: back to the safe state, read back step by step, and back from there."""

from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.ledger_options import Root
from qtops.cli.operator import who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.printer import Mark, Printer
from qtops.cli.rollback_begin import ask, begin, carry_out, new_wish, take_back
from qtops.cli.rollback_list import emit_list
from qtops.cli.rollback_session import arm, open_journals, refuse_elsewhere, refuse_throwaway
from qtops.cli.rollback_text import (
    emit_journal,
    emit_preview,
    lines_of,
    print_changes,
    print_done,
    print_settled,
)
from qtops.cli.rollback_watch import executed_plans, expire_when_due
from qtops.cli.spans import parse_span, span
from qtops.errors import RefusedError

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal

app = command_group()

LONGEST_WATCH_MS = 600_000

Reason = Annotated[str, typer.Option(help="Why, for the record.")]
By = Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")]
Within = Annotated[
    str, typer.Option("--confirm-within", metavar="SPAN", help="Take it back unless confirmed.")
]
NoLedger = Annotated[bool, typer.Option("--no-ledger", help="Record nothing in the ledger.")]
RollbackId = Annotated[str, typer.Argument(metavar="ID", help="As in qtops rollback list.")]


@app.command("soft")
def soft(
    *,
    reason: Reason = "",
    by: By = None,
    confirm_within: Within = "",
    root: Root = None,
    no_ledger: NoLedger = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Only the bridge's plans: source allowlist back, manual lane closed, executor restarted.

    Each step is read back; one that fails undoes the earlier ones.

    Example: qtops rollback soft --reason "wrong fills" --confirm-within 10m

    Exit codes: 0 done; 1 a step failed; 4 not confirmed, or an earlier one is open; 64 usage.
    """
    env = current()
    wish = new_wish(env, "soft", reason, by, confirm_within, root, no_ledger=no_ledger)
    journal = begin(env, wish, dry_run=dry_run, yes=yes)
    if journal is not None:
        emit_journal(env, journal, "rolled_back", print_done)


@app.command("dry-run")
def dry_run_(
    *,
    watch: Annotated[
        str, typer.Option(metavar="SPAN", help="How long no order may be executed.")
    ] = "10s",
    reason: Reason = "",
    by: By = None,
    confirm_within: Within = "",
    root: Root = None,
    no_ledger: NoLedger = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """No order leaves: mode DRY_RUN, APPLY_MODE=dry_run, and results watched afterwards.

    APPLY_MODE is for an apply layer beside the executor (QTOPS_APPLY_ENV_FILE, QTOPS_APPLY_UNIT).

    Example: qtops rollback dry-run --reason "release" --watch 30s

    Exit codes: 0 done, nothing executed; 1 a step failed; 2 done, but something was executed
    afterwards; 4 not confirmed, or an earlier one is open; 64 usage.
    """
    import asyncio

    env = current()
    watch_ms = min(parse_span(watch, "--watch"), LONGEST_WATCH_MS)
    wish = new_wish(env, "dry-run", reason, by, confirm_within, root, no_ledger=no_ledger)
    journal = begin(env, wish, dry_run=dry_run, yes=yes)
    if journal is None:
        return
    executed = asyncio.run(executed_plans(env, watch_ms, journal.started_ms))

    def text(out: Printer, done: "Journal") -> None:
        if executed:
            detail = f"{len(executed)} executed after the change, see below"
            out.verdict(Mark.FAIL, "orders still leave", detail, done.rollback_id)
        else:
            detail = f"nothing executed in {span(watch_ms)}"
            out.verdict(Mark.OK, "dry run in force", detail, done.rollback_id)
        for plan in executed:
            text = f"plan {plan} was executed; its order may have been on its way before"
            out.finding(Mark.FAIL, text, "qtops kill on")
        print_changes(out, done)

    more = {"watched_ms": watch_ms, "executed": executed}
    status = "executed" if executed else "rolled_back"
    emit_journal(env, journal, status, text, more)


@app.command("list")
def list_() -> None:
    """What was rolled back, when, by whom, and where each stands.

    Example: qtops rollback list

    Exit codes: 0 none is open; 2 one is unfinished or not confirmed; 1 error.
    """
    emit_list(current())


@app.command("undo")
def undo(
    rollback_id: RollbackId, *, by: By = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Take a rollback back, a finished or a broken one; what was changed since is left.

    Example: qtops rollback undo RB-20260127T013422123 --yes

    Exit codes: 0 undone, or already undone; 1 something is not as it was; 4 not confirmed;
    64 usage.
    """
    from qtops.rollback.engine import changes_back
    from qtops.rollback.journal import State

    env = current()
    refuse_throwaway(env)
    who, journals = who_asks(env, by), open_journals(env)
    journal = journals.read(rollback_id)
    refuse_elsewhere(env, journal)
    if journal.state is State.UNDONE:
        emit_journal(env, journal, "already_undone", print_settled("already undone"))
    elif dry_run:
        emit_preview(env, journal.kind, changes_back(journal))
    else:
        ask(env, changes_back(journal), yes=yes)
        with journals.locked():
            journal = journals.read(rollback_id)
            take_back(env, journal, journals, who)
        emit_journal(env, journal, "undone", print_settled("undone"))


@app.command("resume")
def resume(rollback_id: RollbackId, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Finish a rollback whose process was ended midway.

    Example: qtops rollback resume RB-20260127T013422123 --yes

    Exit codes: 0 done; 1 a step failed, the earlier ones are undone; 4 not confirmed, or there is
    nothing to finish; 64 usage.
    """
    env = current()
    refuse_throwaway(env)
    journals = open_journals(env)
    journal = journals.read(rollback_id)
    refuse_elsewhere(env, journal)
    _refuse_finished(env, journal)
    lines = lines_of(journal.steps)
    if dry_run:
        emit_preview(env, journal.kind, lines)
        return
    ask(env, lines, yes=yes)
    with journals.locked():
        journal = journals.read(rollback_id)
        _refuse_finished(env, journal)
        if journal.confirm_by_ms:
            arm(env, journal, journals)
        carry_out(env, journal, journals)
    emit_journal(env, journal, "rolled_back", print_done)


@app.command("confirm")
def confirm(rollback_id: RollbackId, *, dry_run: DryRun = False) -> None:
    """The rollback stays: it is not taken back at its deadline.

    Example: qtops rollback confirm RB-20260127T013422123

    Exit codes: 0 it stays; 1 error; 4 it does not stand (any more), or the deadline is over;
    64 usage.
    """
    from contextlib import nullcontext

    from qtops.rollback.journal import State

    env = current()
    journals = open_journals(env)
    with nullcontext() if dry_run else journals.locked():
        journal = journals.read(rollback_id)
        undo_it = f"qtops rollback undo {rollback_id}"
        if journal.state is not State.DONE:
            message = f"{rollback_id} is {journal.state.value}, there is nothing to confirm"
            raise RefusedError(message, hint="qtops rollback list")
        if journal.is_unconfirmed and env.now_ms() >= journal.confirm_by_ms:
            raise RefusedError(f"the deadline of {rollback_id} is over", hint=undo_it)
        if not dry_run:
            journal.confirm_by_ms = 0
            journals.write(journal)
    word = "would stay" if dry_run else "stays"
    emit_journal(env, journal, word.replace(" ", "_"), print_settled(word))


@app.command("expire", hidden=True)
def expire(rollback_id: RollbackId) -> None:
    """Wait for the deadline of a rollback and take it back unless it is confirmed.

    Example: qtops rollback expire RB-20260127T013422123

    Exit codes: 0 taken back, or not necessary; 1 it could not be taken back.
    """
    env = current()
    journals = open_journals(env)

    def on_due(journal: "Journal") -> None:
        take_back(env, journal, journals, "nobody confirmed it")

    journal = expire_when_due(env, journals, rollback_id, on_due)
    emit_journal(env, journal, journal.state.value, print_settled(journal.state.value))


def _refuse_finished(env: AppContext, journal: "Journal") -> None:
    from qtops.rollback.journal import State

    name = journal.rollback_id
    if journal.state is not State.APPLYING:
        message = f"{name} is {journal.state.value}, there is nothing to resume"
        raise RefusedError(message, hint="qtops rollback list")
    if 0 < journal.confirm_by_ms <= env.now_ms():
        raise RefusedError(f"the deadline of {name} is over", hint=f"qtops rollback undo {name}")
