"""Market state: mark prices, minute closes and the volatility that follows from them.

Marks of all symbols come in one call. Of the minutes only those that are missing are asked for, a
request a symbol and minute; a ring that lies in Redis is taken up where it ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.market import (
    INTERVAL_MS,
    RING_CLOSES,
    Kline,
    last_finished_ms,
    merged,
    missing_since_ms,
)
from qtops.contracts.volatility import VolatilityPlan, daily_volatility
from qtops.errors import VenueError
from qtops.ports import MarketStore, Venue
from qtops.services.polling import Poller, Reading

# By how much the exchange's clock may be misjudged before a running minute is taken for a close.
GRACE_MS = 1_000
# A symbol whose newest close is older than this has no volatility: what it was is not what it is.
_CLOSE_LIFE_MS = 10 * INTERVAL_MS
_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """Which symbols matter besides the held ones, and how often each is looked at, in seconds."""

    symbols: frozenset[str]
    volatility: VolatilityPlan
    marks_s: float = 2.0
    klines_s: float = 5.0


class MarketPublisher:
    """Publishes what is known of the market; what cannot be read grows old, or goes missing."""

    def __init__(self, venue: Venue, store: MarketStore, poller: Poller, plan: MarketPlan) -> None:
        self._venue = venue
        self._store = store
        self._poller = poller
        self._plan = plan
        self._rings: dict[str, list[Kline]] = {}
        self._symbols = plan.symbols
        self._requests = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Publish until `stop`. Ready means that marks are there, and closes were asked for.

        Closes are not waited for: one symbol that the exchange does not know must not hold up all.
        """
        readings = (
            Reading("klines", self._klines, self._plan.klines_s, awaited=False),
            Reading("marks", self._marks, self._plan.marks_s),
        )
        await self._poller.run(readings, stop, ready)

    async def _marks(self) -> None:
        asked_ms = await self._store.now_ms()
        prices = await self._venue.mark_prices()
        wanted = self._symbols
        await self._store.marks({s: p for s, p in prices.items() if s in wanted}, asked_ms)

    async def _klines(self) -> None:
        """Ask for what is missing. The first failure is raised after the others were written."""
        await self._choose_symbols()
        asked_ms = await self._store.now_ms()
        finished_ms = last_finished_ms(self._venue.timestamp_ms(), GRACE_MS)
        wanted = {
            symbol: since_ms
            for symbol in sorted(self._symbols)
            if (since_ms := missing_since_ms(self._rings[symbol], finished_ms)) is not None
        }
        if not wanted:
            return
        asked = [self._fetch(symbol, since, finished_ms) for symbol, since in wanted.items()]
        answers = dict(zip(wanted, await asyncio.gather(*asked), strict=True))
        fresh = {s: answer for s, answer in answers.items() if not isinstance(answer, VenueError)}
        failed = [answer for answer in answers.values() if isinstance(answer, VenueError)]
        if fresh:
            self._rings |= fresh
            sigma = await self._volatility(finished_ms)
            await self._store.closes(fresh, sigma, asked_ms)
        if failed:
            raise failed[0]

    async def _choose_symbols(self) -> None:
        """The plan's and the held ones; while the portfolio cannot be read, those held last."""
        held = await self._store.held()
        if held is not None:
            self._symbols = self._plan.symbols | held
        new = self._symbols - self._rings.keys()
        if new:
            self._rings |= await self._store.rings(new)

    async def _fetch(
        self, symbol: str, since_ms: int, finished_ms: int
    ) -> list[Kline] | VenueError:
        minutes = (finished_ms - since_ms) // INTERVAL_MS + 1
        try:
            async with self._requests:
                tail = await self._venue.klines(symbol, since_ms, min(minutes, RING_CLOSES))
        except VenueError as error:
            return error
        return merged(self._rings[symbol], tail, finished_ms)

    async def _volatility(self, finished_ms: int) -> dict[str, Decimal]:
        """Of every symbol that has enough closes, the newest of them fresh."""
        sigma: dict[str, Decimal] = {}
        for symbol in sorted(self._symbols):
            ring = self._rings[symbol]
            if not ring or finished_ms - ring[-1].open_time_ms > _CLOSE_LIFE_MS:
                continue
            value = daily_volatility(ring, self._plan.volatility)
            if value is not None:
                sigma[symbol] = value
            await asyncio.sleep(0)  # a few ms of arithmetic each; the heartbeat goes between
        return sigma
