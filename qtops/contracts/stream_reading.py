"""Streams and groups as a server reports them at one moment: values, without judgement.

A count the server does not know is None, never zero.
"""

from dataclasses import dataclass
from typing import NamedTuple

from qtops.errors import DecodeError


class EntryId(NamedTuple):
    """A stream id; ids compare as the server compares them."""

    ms: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}"

    @classmethod
    def parse(cls, raw: bytes | str) -> "EntryId":
        """Raises DecodeError for what is no id."""
        text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else raw
        ms, _, sequence = text.partition("-")
        if not (ms.isdecimal() and sequence.isdecimal()):
            raise DecodeError("bad_entry_id", "id", f"{text[:40]!r} is no stream id")
        return cls(int(ms), int(sequence))


START = EntryId(0, 0)


@dataclass(frozen=True, slots=True)
class Count:
    """So many; at least so many when counting stopped at its limit."""

    number: int
    is_least: bool = False


@dataclass(frozen=True, slots=True)
class ConsumerReading:
    """One consumer. `idle_ms` is since it last asked for entries."""

    name: str
    pending: int
    idle_ms: int


@dataclass(frozen=True, slots=True)
class PendingReading:
    """The oldest entry delivered and not acknowledged. `idle_ms` is since its last delivery."""

    entry_id: EntryId
    consumer: str
    idle_ms: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class GroupReading:
    """One consumer group. `unread` are entries still held after `last_delivered`."""

    name: str
    last_delivered: EntryId
    pending: int
    entries_read: int | None
    lag: int | None
    unread: Count
    ghosts: Count = Count(0)
    oldest: PendingReading | None = None
    consumers: tuple[ConsumerReading, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamReading:
    """One stream. `first_id` is None when it holds nothing; `last_id` was its newest ever.

    `last_deleted` is the greatest id ever deleted one by one, None if the server does not say;
    `kind` is the key's type: anything but `stream` has no figures.
    """

    name: str
    length: int = 0
    first_id: EntryId | None = None
    last_id: EntryId = START
    entries_added: int | None = None
    last_deleted: EntryId | None = START
    groups: tuple[GroupReading, ...] = ()
    kind: str = "stream"

    @property
    def has_deletions(self) -> bool:
        """Whether entries may have gone from its middle (XDEL), not only by trimming its head."""
        return self.last_deleted != START


@dataclass(frozen=True, slots=True)
class StreamSample:
    """Every stream at about one moment of the server's clock. `partial` names cut figures."""

    now_ms: int
    streams: tuple[StreamReading, ...]
    partial: tuple[str, ...] = ()
