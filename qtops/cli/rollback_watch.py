"""What is waited for: results after a dry run, and the deadline of an unconfirmed rollback."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from qtops.cli.context import AppContext
from qtops.errors import DecodeError, QtopsError

if TYPE_CHECKING:
    from qtops.rollback.journal import Journal, Journals

_POLL_S: Final = 0.5
_PAUSE_S: Final = 10.0
_TRIES: Final = 60
_LOCK_WAIT_S: Final = 3600.0


async def executed_plans(env: AppContext, watch_ms: int, since_ms: int) -> list[str]:
    """Plans whose result says executed, from `since_ms` of our clock until `watch_ms` from now.

    An unreadable result counts as one. What arrived before the watch began is seen as well.
    """
    from qtops.wiring.operator import result_source

    plans: list[str] = []
    async with result_source(env.settings()) as source:
        elapsed_ms = max(0, env.now_ms() - since_ms)
        start_ms = max(0, await source.now_ms() - elapsed_ms - 1)  # ids are Redis' clock
        async for page in source.after(f"{start_ms}-0".encode(), watch_ms / 1000):
            plans += [plan for _, fields in page if (plan := _executed(fields))]
    return plans


def _executed(fields: Mapping[bytes, bytes]) -> str | None:
    from qtops.contracts.codec import decode_fields
    from qtops.contracts.result import Result

    try:
        result = Result.from_fields(decode_fields(fields))
    except DecodeError:
        return "(unreadable)"
    return result.plan_id if result.executed else None


def expire_when_due(
    env: AppContext, journals: "Journals", rollback_id: str, take_back: Callable[["Journal"], None]
) -> "Journal":
    """Returns when it is confirmed, undone by somebody, or taken back here.

    What fails is tried again every `_PAUSE_S` for `_TRIES` times; then its error is raised.
    """
    journals.arm(rollback_id)
    while _is_pending(journal := journals.read(rollback_id)):
        if (left_ms := journal.confirm_by_ms - env.now_ms()) <= 0:
            break
        time.sleep(min(_POLL_S, left_ms / 1000))
    for tries_left in reversed(range(_TRIES)):
        try:
            with journals.locked(_LOCK_WAIT_S):
                journal = journals.read(rollback_id)
                if _is_pending(journal):
                    take_back(journal)
                return journal
        except (QtopsError, OSError) as error:
            if not tries_left:
                raise
            env.warn(f"{rollback_id} is not taken back yet: {error}")
        time.sleep(_PAUSE_S)
    return journal


def _is_pending(journal: "Journal") -> bool:
    return journal.state.value != "undone" and journal.confirm_by_ms > 0
