"""Carrying a rollback out and taking it back, every step written down before it happens.

Whatever ends the process between two lines leaves a journal from which both can go on.
"""

from typing import NoReturn

from qtops.errors import HostError, QtopsError
from qtops.rollback.journal import Journal, Journals, Stage, State
from qtops.rollback.steps import Hands, Restart


async def carry_out(journal: Journal, journals: Journals, hands: Hands) -> None:
    """Apply and read back what is not done yet.

    A step that fails undoes the earlier ones, and itself; HostError says what came of that.
    """
    for index, step in enumerate(journal.steps):
        if journal.stages[index] is Stage.DONE:
            continue
        _mark(journal, journals, index, Stage.STARTED)
        try:
            await step.apply(hands)
            await step.check(hands)
        except (QtopsError, OSError) as error:
            journal.fault = f"{step.kind}: {error}"
            await _give_up(journal, journals, hands)
        _mark(journal, journals, index, Stage.DONE)
    journal.state = State.DONE
    journals.write(journal)


async def take_back(journal: Journal, journals: Journals, hands: Hands) -> list[str]:
    """Undo what was started, last first, services at the end; what could not be undone is said.

    With such a fault the journal stays unfinished, and the next call tries the rest again; a
    service is restarted only once all that it may read is as before.
    """
    journal.state = State.UNDOING
    journals.write(journal)
    faults: list[str] = []
    for index in _to_undo(journal):
        step = journal.steps[index]
        if faults and isinstance(step, Restart):
            continue
        try:
            await step.undo(hands)
        except (QtopsError, OSError) as error:
            faults.append(f"{step.kind}: {error}")
        else:
            _mark(journal, journals, index, Stage.UNDONE)
    if not faults:
        journal.state, journal.confirm_by_ms = State.UNDONE, 0
        journals.write(journal)
    return faults


def changes_back(journal: Journal) -> list[str]:
    """What `take_back` would change, for people."""
    return [line for index in _to_undo(journal) for line in journal.steps[index].back_lines()]


def _to_undo(journal: Journal) -> list[int]:
    """What was started, last first, and services behind everything that they read."""
    indexes = [i for i, stage in enumerate(journal.stages) if stage in {Stage.STARTED, Stage.DONE}]
    return sorted(indexes, key=lambda i: (isinstance(journal.steps[i], Restart), -i))


async def _give_up(journal: Journal, journals: Journals, hands: Hands) -> NoReturn:
    failed = journal.fault
    if faults := await take_back(journal, journals, hands):
        message = f"{failed}; and not undone: {'; '.join(faults)}"
        raise HostError(message, hint=f"qtops rollback undo {journal.rollback_id}")
    raise HostError(f"{failed}; the earlier steps were undone", hint="qtops rollback list")


def _mark(journal: Journal, journals: Journals, index: int, stage: Stage) -> None:
    journal.stages[index] = stage
    journals.write(journal)
