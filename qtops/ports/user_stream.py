"""The exchange's news about the account, and where they are written down."""

from typing import NoReturn, Protocol

from qtops.contracts.account_event import AccountEvent


class StreamListener(Protocol):
    """Who is told what comes over the user data stream."""

    async def connected(self, at_ms: int, gap_from_ms: int) -> None:
        """News flow from `at_ms` on; those since `gap_from_ms` (0: unknown) may be missing."""
        ...

    async def received(self, event: AccountEvent) -> None: ...

    def disconnected(self, why: str) -> None: ...

    def unreadable(self, why: str) -> None: ...


class UserStream(Protocol):
    """The user data stream of one account."""

    async def follow(self, listener: StreamListener) -> NoReturn:
        """Tell `listener` everything, for ever; a connection that ends is made again."""
        ...


class EventLog(Protocol):
    """`exchange.events`, as its one writer sees it."""

    async def newest(self, count: int) -> list[AccountEvent]:
        """The last entries, newest first; what cannot be read is left out."""
        ...

    async def append(self, event: AccountEvent) -> None: ...
