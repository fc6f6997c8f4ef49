"""Watches the orders that the exchange shows, for the last hop; and its fills and its clock.

What is asked for is small: a symbol's orders when its position changed or the user stream names it,
every symbol's at a slower pace; its fills only when its orders have changed.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from qtops.contracts.account_event import EventKind
from qtops.contracts.plan import flatten_ids
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.errors import RedisError, VenueError
from qtops.gates.breakers import DAY_MS, SKEWS
from qtops.gates.last_hop import Admission, OrderFault, Suspect, unexplained
from qtops.ports import AccountFeed, BreakerStore, Clock, Venue
from qtops.services.metrics.breakers import BreakerMetrics

GAP_S: Final = 0.5
TURN_EVERY_S: Final = 1.0
MEASURE_EVERY_MS: Final = 5_000
BLIND_MS: Final = 60_000  # beyond the pace of the sweep: from then on what was read says nothing
HOUR_MS: Final = 3_600_000  # claims live for a day: within an hour none can have expired
MOST_ORDERS: Final = 200
MOST_TRADES: Final = 1000
OVERLAP_MS: Final = 10_000  # fills that the exchange shows late
TRADE_READS: Final = 2  # after a change: the fill may follow its order
_NO_SUCH_SYMBOL: Final = -1121


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """`symbols` are watched besides those held or named by the user stream."""

    namespace: str
    symbols: frozenset[str]
    sweep_s: float


class OrderWatch:
    """A slow exchange delays this, never the breakers that need none.

    One look is proof: a claim is written before its order is sent, and claims are read after the
    orders. A flatten begins a new kill epoch, which a trip on an older reading does not survive.
    """

    def __init__(
        self,
        venue: Venue,
        store: BreakerStore,
        feed: AccountFeed,
        clock: Clock,
        plan: WatchPlan,
        metrics: BreakerMetrics,
    ) -> None:
        self._venue = venue
        self._store = store
        self._feed = feed
        self._clock = clock
        self._plan = plan
        self._metrics = metrics
        self._epoch = ""
        self._amounts: Mapping[str, Decimal] = {}
        self._watched = set(plan.symbols)
        self._due: dict[str, None] = {}  # in the order in which they are asked for
        self._wake = asyncio.Event()
        self._ahead_ms: int | None = None
        self._skews: deque[int] = deque(maxlen=SKEWS)
        self._measured_ms = self._swept_ms = float("-inf")
        self._read_ms: dict[str, float] = {}
        self._shown: dict[str, frozenset[tuple[str, Decimal]]] = {}
        self._trade_reads: dict[str, int] = {}
        self._trades: dict[str, dict[str, VenueTrade]] = {}
        self._admitted: Mapping[str, Admission] = {}
        self._suspects: dict[str, list[Suspect]] = {}
        self._named: set[str] = set()
        self._log = structlog.get_logger("qtops.breakers")

    # --- what it knows --------------------------------------------------------------------------
    @property
    def skews_ms(self) -> tuple[int, ...]:
        """The exchange's clock minus the Redis server's, the last measurements."""
        return tuple(self._skews)

    def suspects(self, since_ms: int) -> list[Suspect] | None:
        """Those of the last hour that changed since then. None: no answer that can be relied on."""
        every = [s for found in self._suspects.values() for s in found]
        found = [s for s in every if s.order.update_time_ms >= since_ms]
        return found if found or self._is_whole() else None

    def trades(self) -> list[VenueTrade] | None:
        """The last day's fills, at the Redis server's ms; an order's id is unique with its symbol.

        None while a watched symbol cannot be read.
        """
        if not self._is_whole():
            return None
        ahead_ms = self._ahead_ms or 0
        return [
            replace(t, time_ms=t.time_ms - ahead_ms, order_id=f"{symbol}/{t.order_id}")
            for symbol, trades in self._trades.items()
            for t in trades.values()
        ]

    def _is_whole(self) -> bool:
        oldest_ms = self._clock.monotonic_ms() - self._plan.sweep_s * 1000 - BLIND_MS
        return all(self._read_ms.get(symbol, oldest_ms) > oldest_ms for symbol in self._watched)

    # --- what wakes it --------------------------------------------------------------------------
    def holds(self, amounts: Mapping[str, Decimal], epoch: str) -> None:
        """The positions as last published: one that changed had an order."""
        changed = amounts.items() ^ self._amounts.items()
        self._amounts, self._epoch = amounts, epoch
        self._call({symbol for symbol, _ in changed})

    async def hear(self) -> None:
        """For ever. News only say where to look."""
        with contextlib.suppress(RedisError):  # at worst the first news is not heard
            await self._feed.start()
        async for event in self._feed.records():
            if event.kind is EventKind.CONNECTED:
                self._call(self._watched)
            elif event.order is not None:
                self._call({event.order.symbol})

    def _call(self, symbols: set[str]) -> None:
        if symbols:
            self._watched |= symbols
            self._due |= dict.fromkeys(symbols)
            self._wake.set()

    # --- what it asks ---------------------------------------------------------------------------
    async def run(self) -> None:
        """For ever; what could not be read is asked for again."""
        pause_s = min(TURN_EVERY_S, self._plan.sweep_s)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause_s)
            self._wake.clear()
            try:
                await self._turn()
            except (VenueError, RedisError) as error:
                self._metrics.failed()
                self._log.warning("watch.failed", error=error.message)
                await asyncio.sleep(TURN_EVERY_S)
            await asyncio.sleep(GAP_S)

    async def _turn(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._measured_ms >= MEASURE_EVERY_MS:
            await self._measure()
            self._measured_ms = now_ms
        if now_ms - self._swept_ms >= self._plan.sweep_s * 1000:
            self._due |= dict.fromkeys(sorted(self._watched))
            self._swept_ms = now_ms
        for symbol in tuple(self._due):
            self._due.pop(symbol, None)  # before asking: news that come meanwhile ask again
            try:
                await self._read(symbol)
            except (VenueError, RedisError):
                self._due[symbol] = None  # behind the others, whom it must not keep waiting
                raise

    async def _measure(self) -> None:
        try:
            await self._venue.sync_clock()
        except VenueError:
            self._skews.clear()
            raise
        self._ahead_ms = self._venue.timestamp_ms() - await self._store.now_ms()
        self._skews.append(self._ahead_ms)

    async def _read(self, symbol: str) -> None:
        ahead_ms = self._ahead_ms or 0
        since_ms = self._venue.timestamp_ms() - ahead_ms - HOUR_MS
        try:
            found = await self._venue.recent_orders(symbol, MOST_ORDERS)
        except VenueError as error:
            if error.venue_code != _NO_SUCH_SYMBOL:
                raise
            found = []
        orders = [replace(o, update_time_ms=o.update_time_ms - ahead_ms) for o in found]
        self._suspects[symbol] = await self._explain(
            symbol, [order for order in orders if order.update_time_ms > since_ms]
        )
        shown = frozenset((order.order_id, order.executed_quantity) for order in found)
        if found and shown != self._shown.get(symbol):
            self._shown[symbol] = shown
            self._trade_reads[symbol] = TRADE_READS
        if self._trade_reads.get(symbol):
            await self._read_trades(symbol)
            self._trade_reads[symbol] -= 1
        self._read_ms[symbol] = self._clock.monotonic_ms()

    async def _explain(self, symbol: str, orders: Sequence[VenueOrder]) -> list[Suspect]:
        """Against the claims as remembered, and once more as they are if those do not do."""
        own = flatten_ids(self._plan.namespace, self._epoch, symbol)
        found = unexplained(orders, self._admitted, own)
        if any(suspect.fault is not OrderFault.FOREIGN for suspect in found):
            self._admitted = await self._store.admissions()
            found = unexplained(orders, self._admitted, own)
        for suspect in found:
            if suspect.text not in self._named:
                self._named.add(suspect.text)
                self._log.warning("order.unexplained", what=suspect.text)
        return found

    async def _read_trades(self, symbol: str) -> None:
        """What is new since the last fill that is known, page by page."""
        kept = self._trades.get(symbol, {})
        day_ms = self._venue.timestamp_ms() - DAY_MS
        last_ms = max((trade.time_ms for trade in kept.values()), default=0)
        start_ms = max(day_ms, last_ms - OVERLAP_MS)
        while True:
            page = await self._venue.trades_since(symbol, start_ms)
            kept |= {trade.trade_id: trade for trade in page}
            if len(page) < MOST_TRADES or page[-1].time_ms <= start_ms:
                break
            start_ms = page[-1].time_ms
        self._trades[symbol] = {i: trade for i, trade in kept.items() if trade.time_ms >= day_ms}
