"""Rates of a stream and a group, from two looks; when the backlog is gone at these rates."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qtops.audits.stream_loss import is_another, loss_of
from qtops.contracts.stream_reading import GroupReading, StreamReading

SOUND_BACKLOG_S: Final = 10.0  # so many seconds of arrivals are in flight, not a backlog


class Trend(StrEnum):
    """What becomes of the backlog."""

    DRAINED = "drained"
    DRAINING = "draining"
    STANDING = "standing"
    GROWING = "growing"


@dataclass(frozen=True, slots=True)
class Flow:
    """Entries a second into the stream and out to the group; `drain_s` only while draining."""

    in_per_s: float
    out_per_s: float
    trend: Trend
    drain_s: float | None = None


def flow_of(
    then: StreamReading,
    before: GroupReading,
    now: StreamReading,
    group: GroupReading,
    elapsed_s: float,
) -> Flow | None:
    """None when the looks cannot be compared."""
    if elapsed_s <= 0 or now.entries_added is None or then.entries_added is None:
        return None
    taken = _taken(then, before, now, group)
    if is_another(then, now) or taken is None or taken < 0:
        return None
    arriving, leaving = (now.entries_added - then.entries_added) / elapsed_s, taken / elapsed_s
    unread = group.unread.number
    if unread <= arriving * SOUND_BACKLOG_S and (leaving > 0 or unread == 0):
        return Flow(arriving, leaving, Trend.DRAINED)
    if leaving > arriving:
        return Flow(arriving, leaving, Trend.DRAINING, unread / (leaving - arriving))
    trend = Trend.GROWING if arriving > leaving else Trend.STANDING
    return Flow(arriving, leaving, trend)


def _taken(
    then: StreamReading, before: GroupReading, now: StreamReading, group: GroupReading
) -> int | None:
    """Entries delivered between the looks. A server that forgets a loss counts it as read."""
    if before.last_delivered == group.last_delivered:
        return 0
    if before.entries_read is None or group.entries_read is None:
        return None
    forgotten = max(0, loss_of(then, before).least - loss_of(now, group).least)
    return group.entries_read - before.entries_read - forgotten
