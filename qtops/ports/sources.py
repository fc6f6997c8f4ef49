"""What audits and proofs read; pages come as they are read, so that the reader may stop."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qtops.contracts.facts import Known, Missing
from qtops.contracts.registry import Names, Service, Stream
from qtops.contracts.universe import Allowlist

StreamEntry = tuple[bytes, Mapping[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class PermitEntry:
    """One key under a permit prefix. A negative `ttl_ms` means that it does not expire.

    `value` is bytes for a string and a mapping for a hash; None when it is of another `kind`, or
    was not asked for.
    """

    key: bytes
    ttl_ms: int = -1
    kind: str = ""
    value: bytes | Mapping[bytes, bytes] | None = None


class PermitSource(Protocol):
    """What an audit of permits reads. Pages come as they are read, so that the reader may stop."""

    @property
    def names(self) -> Names: ...

    async def now_ms(self) -> int: ...

    async def beats(self, services: Sequence[Service]) -> Sequence[int | None]:
        """Each heartbeat's remaining ms; None when there is none, negative without expiry."""
        ...

    def permits(
        self, wanted: Callable[[bytes], bool]
    ) -> AsyncGenerator[Sequence[PermitEntry], None]:
        """Every key under the permit prefix, once; the values of those that are `wanted`."""
        ...

    async def permits_at(self, keys: Sequence[bytes]) -> Sequence[PermitEntry]:
        """These keys alone; absent ones are left out."""
        ...

    def since(self, stream: Stream, start_ms: int) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """The stream's entries from `start_ms` on, newest first."""
        ...

    async def claim(self, plan_id: bytes) -> Mapping[bytes, bytes]:
        """The executor's claim on the plan as stored; empty when there is none."""
        ...


class ResultSource(Protocol):
    """`apply.result`, backwards and onwards."""

    async def now_ms(self) -> int: ...

    def newest(self, count: int) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """Up to `count` entries, newest first."""
        ...

    def after(
        self, entry_id: bytes, timeout_s: float
    ) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """Entries that are added after `entry_id`, oldest first; ends at the timeout."""
        ...


class AllowlistSource(Protocol):
    """The symbols that may be traded now."""

    async def allowlist(self) -> Known[Allowlist] | Missing:
        """By tier: the active universe, the last good one while fresh enough, the environment."""
        ...
