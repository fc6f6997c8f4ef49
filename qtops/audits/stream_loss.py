"""What a consumer group lost unread: entries trimmed or deleted before they were delivered to it.

With R entries read of A ever added, A - R came after the group's position. What of them the stream
does not hold any more is lost. Lag (A - R, where the server knows it) beyond the stream's length
is therefore loss, not backlog; lag within the length proves nothing by itself.
"""

from dataclasses import dataclass

from qtops.contracts.stream_reading import START, GroupReading, StreamReading


@dataclass(frozen=True, slots=True)
class Loss:
    """At least `least` entries; `unknown` says why it may be more, empty when it is exact."""

    least: int
    unknown: str = ""


def loss_of(stream: StreamReading, group: GroupReading) -> Loss:
    """What one look at the server proves."""
    added, read = stream.entries_added, group.entries_read
    least = max(0, (group.lag or 0) - stream.length)
    if added is None:
        return Loss(least, "this server does not count entries added")
    if read is not None:
        held = stream.length if group.unread.is_least else group.unread.number
        why = "not everything unread was counted" if group.unread.is_least else ""
        return Loss(max(least, added - read - held), why)
    if group.last_delivered == START:
        removed = added - stream.length
        why = f"it has read nothing yet; {removed:,} entries went before" if removed > 0 else ""
        return Loss(least, why)
    return Loss(
        least,
        "its position was set, replayed or failed over, and the server lost count of its reads",
    )


def lost_between(
    then: StreamReading, before: GroupReading, now: StreamReading, group: GroupReading
) -> int:
    """What went while the group stood still: proof that needs no count of its reads."""
    is_countable = not (before.unread.is_least or group.unread.is_least)
    stands_still = before.last_delivered == group.last_delivered
    if not (is_countable and stands_still) or is_another(then, now):
        return 0
    arrived = (now.entries_added or 0) - (then.entries_added or 0)
    return max(0, before.unread.number + arrived - group.unread.number)


def is_another(then: StreamReading, now: StreamReading) -> bool:
    """Whether the stream was deleted and made anew between two looks."""
    return now.last_id < then.last_id or (now.entries_added or 0) < (then.entries_added or 0)


def is_losing(stream: StreamReading, group: GroupReading) -> bool:
    """Whether the stream begins past the group's position: what is cut next is lost as well."""
    return stream.first_id is not None and group.last_delivered < stream.first_id
