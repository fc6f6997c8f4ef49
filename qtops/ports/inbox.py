"""How stream entries reach a service, and how a service shows that it lives."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from qtops.contracts.account_event import AccountEvent
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Stream
from qtops.contracts.result import Result

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One stream entry, as a consumer group handed it out for the `count`-th time."""

    stream: Stream
    entry_id: str
    raw: Mapping[bytes, bytes]
    count: int = 1

    @property
    def entry_ms(self) -> int:
        """When Redis accepted the entry (its server's UTC ms)."""
        return int(self.entry_id.partition("-")[0])


class Inbox(Protocol):
    """One stream, as one service's consumer group hands it out."""

    stream: Stream
    trimmed_unread: int

    async def own_pending(self, count: int) -> list[Delivery]:
        """What an earlier life of this consumer left unacknowledged."""
        ...

    async def ensure_groups(self) -> None: ...

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        """New entries; waits up to `block_ms` for the first."""
        ...

    async def claim_stale(self, min_idle_ms: int, count: int) -> list[Delivery]:
        """Entries that a dead consumer left pending; trimmed ones are counted and dropped."""
        ...

    async def acknowledge(self, delivery: Delivery) -> None: ...

    async def dead_letter(
        self, delivery: Delivery, letter: DeadLetter, result: Result | None
    ) -> None:
        """Move the entry to the dlq and acknowledge it, once; `result` ends a plan without end."""
        ...


class Feed(Protocol[T_co]):
    """One stream as it grows, from `start` on; entries that cannot be read are passed over."""

    async def start(self) -> None: ...

    def records(self) -> AsyncIterator[T_co]: ...


DecisionFeed = Feed[DecisionRecord]
AccountFeed = Feed[AccountEvent]


class Heartbeats(Protocol):
    """Proof of life and progress, with a TTL."""

    async def beat(self, fields: Mapping[str, str]) -> None: ...

    async def stop(self) -> None: ...
