"""What somebody still owes an end to: open operations, and rollbacks that are not settled."""

from pathlib import Path

from qtops.errors import HostError
from qtops.governance.obligations import Obligation, open_obligations
from qtops.rollback.journal import Journal, Journals


def every_obligation(root: Path, state: Path) -> list[Obligation]:
    """Oldest first. `root` holds `ledger/`, `state` the journals of rollbacks; reads only."""
    found = [*open_obligations(root), *rollback_obligations(state)]
    return sorted(found, key=lambda one: (one.opened_at_ms, one.operation_id))


def rollback_obligations(state: Path) -> list[Obligation]:
    """A rollback that was cut off or waits to be confirmed; journals nobody can read are one."""
    journals = Journals(state)
    try:
        return [_obligation(one, is_at_work=journals.is_locked()) for one in journals.owed()]
    except HostError as error:
        return [Obligation("rollback", error.message, 0, "UNKNOWN", "qtops rollback list")]


def _obligation(journal: Journal, *, is_at_work: bool) -> Obligation:
    name = journal.rollback_id
    if journal.is_unconfirmed:
        what, verb = "is not confirmed", "confirm"
    else:
        what, verb = "is under way" if is_at_work else "was cut off", "undo"
    return Obligation(
        operation_id=name,
        what=f"rollback {journal.kind} {what}",
        opened_at_ms=journal.started_ms,
        by=journal.by,
        command=f"qtops rollback {verb} {name}",
    )
