"""Where market state is kept."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from qtops.contracts.market import Kline


class MarketStore(Protocol):
    """What the market state service reads and writes."""

    async def now_ms(self) -> int: ...

    async def held(self) -> frozenset[str] | None:
        """Symbols with a position, by the last snapshot; None when that cannot be read."""
        ...

    async def rings(self, symbols: frozenset[str]) -> dict[str, list[Kline]]:
        """What an earlier life left for each symbol; empty unless it is whole."""
        ...

    async def marks(self, prices: Mapping[str, Decimal], observed_at_ms: int) -> None: ...

    async def closes(
        self,
        rings: Mapping[str, Sequence[Kline]],
        sigma: Mapping[str, Decimal],
        observed_at_ms: int,
    ) -> None:
        """Rings, each whole, and the volatility of all symbols, at once."""
        ...
