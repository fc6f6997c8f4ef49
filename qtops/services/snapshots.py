"""Snapshot publisher: the account as the exchange shows it, as facts for the gates.

Positions of all symbols come in one call, so the age of a snapshot does not grow with the number
of symbols. Every fact is stamped with the time before it was asked for.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from qtops.contracts.account_event import EventKind
from qtops.contracts.facts import Portfolio, Position
from qtops.contracts.portfolio_state import PortfolioState
from qtops.contracts.values import ZERO
from qtops.errors import RedisError
from qtops.ports import AccountFeed, SnapshotStore, Venue
from qtops.services.metrics.feeders import AccountMetrics
from qtops.services.polling import Poller, Reading
from qtops.services.tasks import cancel_and_wait

# Equity that could not be read again for so many intervals is no longer shown.
_EQUITY_LIFE = 3


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """Which symbols matter, and how often each reading is taken, in seconds."""

    symbols: frozenset[str]
    positions_s: float = 1.0
    equity_s: float = 5.0
    filters_s: float = 3600.0


class SnapshotPublisher:
    """Positions, equity and trading rules; equity and positions make the portfolio's state."""

    def __init__(
        self,
        venue: Venue,
        store: SnapshotStore,
        poller: Poller,
        plan: SnapshotPlan,
        metrics: AccountMetrics,
    ) -> None:
        self._venue = venue
        self._store = store
        self._poller = poller
        self._plan = plan
        self._metrics = metrics
        self._held: frozenset[str] = frozenset()
        self._equity: tuple[Decimal, int] | None = None
        self._told: dict[str, Decimal] = {}
        self._told_at_ms = 0
        self._feed: AccountFeed | None = None

    def follow(self, feed: AccountFeed) -> None:
        """Let the exchange's news bring the next reading of positions forward."""
        self._feed = feed

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Publish until `stop`. Ready means that positions and rules were published once."""
        plan, news = self._plan, asyncio.Event()
        readings = (
            Reading("equity", self._read_equity, plan.equity_s, awaited=False),
            Reading("positions", self._positions, plan.positions_s, early=news),
            Reading("filters", self._filters, plan.filters_s),
        )
        if self._feed is None:
            await self._poller.run(readings, stop, ready)
            return
        with contextlib.suppress(RedisError):  # at worst the first news is not heard
            await self._feed.start()
        hearing = asyncio.create_task(_hear(self._feed, news))
        try:
            await self._poller.run(readings, stop, ready)
        finally:
            await cancel_and_wait([hearing])

    async def _read_equity(self) -> None:
        asked_ms = await self._store.now_ms()
        self._equity = (await self._venue.balance()).equity, asked_ms

    async def _positions(self) -> None:
        asked_ms = await self._store.now_ms()
        rows = [row for row in await self._venue.positions() if row.amount != ZERO]
        portfolio = self._with_equity(
            Portfolio(
                {row.symbol: Position(row.amount, row.entry_price, row.mark_price) for row in rows}
            ),
            asked_ms,
        )
        # A position that is gone must be written flat, or its last size would be believed.
        symbols = self._plan.symbols | self._held
        amounts = {symbol: p.amount for symbol, p in portfolio.positions.items()}
        due = asked_ms - self._told_at_ms >= self._plan.equity_s * 1000
        tell = due or amounts != self._told
        written = await self._store.positions(portfolio, symbols, asked_ms, tell=tell)
        self._held = frozenset(amounts)
        if tell:
            self._told, self._told_at_ms = amounts, asked_ms
        if written.equity_usdt is not None and written.peak_equity_usdt is None:
            self._poller.failed("peak", "the peak of the equity cannot be read")
        self._metrics.shows(PortfolioState.of(written, asked_ms))

    def _with_equity(self, portfolio: Portfolio, now_ms: int) -> Portfolio:
        if self._equity is None:
            return portfolio
        equity, asked_ms = self._equity
        if now_ms - asked_ms > _EQUITY_LIFE * self._plan.equity_s * 1000:
            return portfolio
        return replace(portfolio, equity_usdt=equity, equity_at_ms=asked_ms)

    async def _filters(self) -> None:
        asked_ms = await self._store.now_ms()
        rules = await self._venue.filters()
        await self._store.filters(rules, asked_ms)


async def _hear(feed: AccountFeed, news: asyncio.Event) -> None:
    """What changes the account, and a gap in what was heard, is worth another reading."""
    async for event in feed.records():
        if event.kind is not EventKind.ORDER:
            news.set()
