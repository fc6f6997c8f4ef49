"""Beginning, finishing and taking back a rollback: looked at, asked for, written down, done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtops.cli.context import AppContext
from qtops.cli.ledger_options import open_ledger
from qtops.cli.operator import said, who_asks
from qtops.cli.rollback_session import (
    arm,
    carried_out,
    open_journals,
    planned,
    recorded,
    refuse_open,
    refuse_throwaway,
    taken_back,
    target,
)
from qtops.cli.rollback_text import emit_preview, lines_of
from qtops.cli.spans import parse_span
from qtops.errors import QtopsError, RefusedError

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal, Journals
    from qtops.rollback.steps import AnyStep


@dataclass(frozen=True, slots=True)
class Wish:
    """How a rollback is asked for. `confirm_ms` is 0 without --confirm-within."""

    kind: str
    by: str
    reason: str
    confirm_ms: int
    ledger_root: str


def new_wish(
    env: AppContext,
    kind: str,
    reason: str,
    by: str | None,
    within: str,
    root: Path | None,
    *,
    no_ledger: bool,
) -> Wish:
    """What is wrong with the request is said here, before anything is looked at."""
    refuse_throwaway(env)
    confirm_ms = parse_span(within, "--confirm-within") if within else 0
    ledger_root = "" if no_ledger else str(open_ledger(env, root).root)
    return Wish(kind, who_asks(env, by), said(reason, "--reason"), confirm_ms, ledger_root)


def begin(env: AppContext, wish: Wish, *, dry_run: bool, yes: bool) -> "Journal | None":
    """The finished journal; None after a dry run."""
    import asyncio

    journals = open_journals(env)
    refuse_open(journals)
    steps = asyncio.run(planned(env, wish.kind))
    if dry_run:
        emit_preview(env, wish.kind, lines_of(steps))
        return None
    ask(env, lines_of(steps), yes=yes)
    with journals.locked():
        refuse_open(journals)
        again = asyncio.run(planned(env, wish.kind))
        if lines_of(again) != lines_of(steps):
            message = "something changed while you were asked, nothing was done"
            raise RefusedError(message, hint=f"qtops rollback {wish.kind} --dry-run")
        journal = _new_journal(env, wish, again, journals)
        journals.write(journal)
        _arm(env, journal, journals)
        carry_out(env, journal, journals)
    return journal


def _new_journal(
    env: AppContext, wish: Wish, steps: "list[AnyStep]", journals: "Journals"
) -> "Journal":
    from qtops.contracts.codec import fmt_instant
    from qtops.rollback.journal import Journal, Stage
    from qtops.rollback.plan import with_backups

    now_ms = env.now_ms()
    stem = "".join(c for c in fmt_instant(now_ms) if c.isalnum()).removesuffix("Z")
    name = journals.new_id(stem)
    return Journal(
        rollback_id=name,
        kind=wish.kind,
        by=wish.by,
        reason=wish.reason,
        started_ms=now_ms,
        redis=target(env),
        steps=with_backups(steps, name),
        stages=[Stage.PENDING for _ in steps],
        confirm_by_ms=now_ms + wish.confirm_ms if wish.confirm_ms else 0,
        ledger_root=wish.ledger_root,
    )


def _arm(env: AppContext, journal: "Journal", journals: "Journals") -> None:
    """Before anything is changed; when it cannot be, this rollback is over."""
    from qtops.rollback.journal import State

    if not journal.confirm_by_ms:
        return
    try:
        arm(env, journal, journals)
    except QtopsError:
        journal.state, journal.confirm_by_ms = State.UNDONE, 0
        journal.fault = "not begun: nobody would have taken it back"
        journals.write(journal)
        raise


def carry_out(env: AppContext, journal: "Journal", journals: "Journals") -> None:
    """Every step that is not done, and the ledger's entry. Call it under the lock."""
    import asyncio

    name = journal.rollback_id
    try:
        asyncio.run(carried_out(env, journal, journals))
    except KeyboardInterrupt:
        env.warn(f"unfinished: qtops rollback resume {name}, or qtops rollback undo {name}")
        raise
    journal.ledger_id = recorded(env, journal, journal.by) or ""
    journals.write(journal)


def take_back(env: AppContext, journal: "Journal", journals: "Journals", by: str) -> None:
    """Everything that was done, and the ledger's entry. Call it under the lock."""
    import asyncio

    from qtops.rollback.journal import State

    if journal.state is State.UNDONE:
        return
    asyncio.run(taken_back(env, journal, journals, by))
    if journal.ledger_id:
        recorded(env, journal, by, is_undo=True)


def ask(env: AppContext, lines: Sequence[str], *, yes: bool) -> None:
    """RefusedError unless the operator agrees to these changes."""
    if not yes:
        for line in lines:
            env.notice(line)
    env.confirm(f"On {env.settings().entry('QTOPS_REDIS_URL').shown}. Go on?", yes=yes)
