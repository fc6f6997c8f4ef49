"""Snapshot publisher: what the exchange shows, as facts for the gates.

Positions of all symbols come in one call, so the age of a snapshot does not grow with the number
of symbols. Every fact is stamped with the time before it was asked for.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import structlog

from qtops.contracts.account_event import EventKind
from qtops.contracts.facts import Portfolio, Position
from qtops.contracts.values import ZERO
from qtops.errors import RedisError, VenueError
from qtops.ports import AccountFeed, Clock, SnapshotStore, Venue
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics import SnapshotMetrics
from qtops.services.tasks import cancel_and_wait

Reading = Callable[[], Coroutine[Any, Any, None]]

NEWS_GAP_S = 0.5
KLINE_INTERVAL = "15m"
KLINES_PER_DAY = 96


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """Which symbols matter, and how often each reading is taken, in seconds."""

    symbols: frozenset[str]
    positions_s: float = 1.0
    marks_s: float = 2.0
    volatility_s: float = 300.0
    filters_s: float = 3600.0


def daily_volatility(closes: Sequence[Decimal]) -> Decimal | None:
    """Sample standard deviation of log returns, scaled from 15 minutes to a day by sqrt(96).

    None with fewer than three closes: a number from nothing would look like calm.
    """
    returns = [(b / a).ln() for a, b in pairwise(closes)]
    if len(returns) < 2:  # noqa: PLR2004  a deviation needs two
        return None
    mean = sum(returns, ZERO) / len(returns)
    variance = sum(((r - mean) ** 2 for r in returns), ZERO) / (len(returns) - 1)
    return (variance * KLINES_PER_DAY).sqrt()


class SnapshotPublisher:
    """Polls the exchange and publishes; an error is logged, and the fact grows old instead."""

    def __init__(
        self,
        venue: Venue,
        store: SnapshotStore,
        pulse: Pulse,
        clock: Clock,
        plan: SnapshotPlan,
        metrics: SnapshotMetrics,
    ) -> None:
        self._venue = venue
        self._store = store
        self._pulse = pulse
        self._clock = clock
        self._plan = plan
        self._metrics = metrics
        self._held: frozenset[str] = frozenset()
        self._feed: AccountFeed | None = None
        self._news = asyncio.Event()
        self._reading_positions = asyncio.Lock()
        self._published = 0
        self._errors = 0
        self._log = structlog.get_logger("qtops.snapshots")

    def follow(self, feed: AccountFeed) -> None:
        """Let the exchange's news bring the next reading of positions forward."""
        self._feed = feed

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Publish until `stop`. Ready means that every kind of fact was published once."""
        await self._once(self._sync)
        plan = self._plan
        work: list[tuple[Reading, float]] = [
            (self._positions, plan.positions_s),
            (self._marks, plan.marks_s),
            (self._filters, plan.filters_s),
            (self._volatility, plan.volatility_s),
            (self._sync, 60.0),
            (self._beat, BEAT_EVERY_S),
        ]
        if self._feed is not None:
            with contextlib.suppress(RedisError):  # at worst the first news is not heard
                await self._feed.start()
        for publish, _ in work:
            await self._until_done(publish, stop)
        ready()
        tasks = [asyncio.create_task(self._every(*item)) for item in work]
        if self._feed is not None:
            tasks += [
                asyncio.create_task(self._hear(self._feed)),
                asyncio.create_task(self._read_at_news()),
            ]
        await stop.wait()
        await cancel_and_wait(tasks)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()

    async def _until_done(self, publish: Reading, stop: asyncio.Event) -> None:
        while not await self._once(publish):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._plan.positions_s)
            if stop.is_set():
                return

    async def _every(self, publish: Reading, every_s: float) -> None:
        """At a fixed rate: the time a reading takes is not added to its interval."""
        due_ms = self._clock.monotonic_ms()
        while True:
            due_ms += every_s * 1000
            await asyncio.sleep(max(0.0, due_ms - self._clock.monotonic_ms()) / 1000)
            await self._once(publish)

    async def _hear(self, feed: AccountFeed) -> None:
        async for event in feed.records():
            if event.kind is not EventKind.ORDER:
                self._news.set()

    async def _read_at_news(self) -> None:
        """Twice a second at most: many fills at once are one reading, and one weight."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._once(self._positions)
            await asyncio.sleep(NEWS_GAP_S)

    async def _once(self, publish: Reading) -> bool:
        what = publish.__name__.removeprefix("_")
        try:
            await publish()
        except (VenueError, RedisError) as error:
            self._errors += 1
            self._metrics.failed(what)
            self._log.warning("snapshot.failed", what=what, error=error.message)
            return False
        self._published += 1
        self._metrics.published(what, self._clock.now_ms())
        return True

    async def _sync(self) -> None:
        await self._venue.sync_clock()

    async def _positions(self) -> None:
        async with self._reading_positions:
            await self._read_positions()

    async def _read_positions(self) -> None:
        asked_ms = await self._store.now_ms()
        rows = [row for row in await self._venue.positions() if row.amount != ZERO]
        portfolio = Portfolio(
            {row.symbol: Position(row.amount, row.entry_price, row.mark_price) for row in rows}
        )
        # A position that is gone must be written flat, or its last size would be believed.
        symbols = self._plan.symbols | self._held
        await self._store.positions(portfolio, symbols, asked_ms)
        self._held = frozenset(portfolio.positions)

    async def _marks(self) -> None:
        asked_ms = await self._store.now_ms()
        prices = await self._venue.mark_prices()
        wanted = self._plan.symbols | self._held
        await self._store.marks({s: p for s, p in prices.items() if s in wanted}, asked_ms)

    async def _filters(self) -> None:
        asked_ms = await self._store.now_ms()
        rules = await self._venue.filters()
        await self._store.filters(rules, asked_ms)

    async def _volatility(self) -> None:
        asked_ms = await self._store.now_ms()
        sigma: dict[str, Decimal] = {}
        for symbol in sorted(self._plan.symbols | self._held):
            closes = await self._venue.closes(symbol, KLINE_INTERVAL, KLINES_PER_DAY + 1)
            deviation = daily_volatility(closes)
            if deviation is not None:
                sigma[symbol] = deviation
        await self._store.volatility(sigma, asked_ms)

    async def _beat(self) -> None:
        await self._pulse.heartbeat.beat(
            {
                **self._pulse.identity,
                "beat_ms": str(self._clock.now_ms()),
                "handled": str(self._published),
                "errors": str(self._errors),
            }
        )
