"""The exchange and time, as services and proofs need them."""

from decimal import Decimal
from typing import Literal, Protocol

from qtops.contracts.market import Kline
from qtops.contracts.venue import (
    Filters,
    OrderRequest,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)


class Clock(Protocol):
    """Time, in UTC milliseconds, and monotonic milliseconds for durations."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> float: ...


class Venue(Protocol):
    """The exchange. Every method raises VenueError with what is known about the outcome."""

    @property
    def recv_window_ms(self) -> int: ...

    def timestamp_ms(self) -> int:
        """Our best estimate of the exchange's clock now; what the next request would carry."""
        ...

    async def account_mode(self) -> Literal["one_way", "hedge"]:
        """How the account keeps positions; only one-way is supported."""
        ...

    async def sync_clock(self) -> int:
        """Measure the exchange's clock; returns exchange minus local, in milliseconds."""
        ...

    async def filters(self) -> dict[str, Filters]:
        """Trading rules of every symbol."""
        ...

    async def positions(
        self, symbol: str | None = None, *, urgent: bool = False
    ) -> list[VenuePosition]:
        """Non-empty positions (all symbols in one call when `symbol` is None).

        An `urgent` question, like one for a single symbol, may use the last share of the budget.
        """
        ...

    async def mark_prices(self) -> dict[str, Decimal]: ...

    async def klines(self, symbol: str, start_ms: int, limit: int) -> list[Kline]:
        """Up to `limit` minutes from `start_ms` on, oldest first, the running one included."""
        ...

    async def balance(self) -> VenueBalance: ...

    async def place_order(self, order: OrderRequest, timestamp_ms: int) -> VenueOrder:
        """Send one order signed with `timestamp_ms`; after that plus recv_window it cannot land."""
        ...

    async def find_order(self, symbol: str, client_order_id: str) -> VenueOrder | None:
        """The order by our id, None when the exchange does not know it."""
        ...

    async def recent_orders(self, symbol: str, limit: int) -> list[VenueOrder]: ...

    async def trades(self, symbol: str, order_id: str) -> list[VenueTrade]: ...

    async def trades_since(self, symbol: str, start_ms: int) -> list[VenueTrade]:
        """Up to 1000 fills of the symbol from the exchange's `start_ms` on, oldest first."""
        ...

    async def aclose(self) -> None: ...
