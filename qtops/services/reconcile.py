"""Reconcile: holds our books against the exchange, symbol by symbol, and repairs what is proven.

It sends no orders. One request a look; orders are asked for only where there is a difference.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from qtops.contracts.plan import flatten_ids
from qtops.contracts.reconcile import ReconcileEvent, ReconcileState, Standing, Witness
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import VenuePosition
from qtops.errors import RedisError, RefusedError, VenueError
from qtops.gates.reconcile import (
    RECORD_MS,
    Evidence,
    ReconcileLimits,
    View,
    base_of,
    conclude,
    first_look,
    sort_evidence,
)
from qtops.ports import BookReading, Clock, Rebook, ReconcileStore, Venue
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.reconcile import ReconcileMetrics
from qtops.services.tasks import cancel_and_wait

MOST_ORDERS = 1000
SYMBOLS_EVERY_MS = 60_000
OWNER = "reconcile"


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """What is watched and how patiently. `symbols` are watched besides held and booked ones."""

    namespace: str
    symbols: frozenset[str]
    loop_s: float
    freshness_ms: int
    hold_ttl_ms: int
    limits: ReconcileLimits


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the exchange showed: one-way amounts, and hedge legs by symbol."""

    amounts: Mapping[str, Decimal]
    hedge: Mapping[str, tuple[str, ...]]


def shown(rows: Sequence[VenuePosition]) -> Exchange:
    """Positions keyed by symbol and side; a leg of a hedge is never added to anything."""
    hedge: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for row in rows:
        if row.position_side != "BOTH" and row.amount != ZERO:
            hedge[row.symbol] += (f"{row.position_side} {fmt_decimal(row.amount)}",)
    return Exchange({r.symbol: r.amount for r in rows if r.position_side == "BOTH"}, hedge)


class Reconciler:
    """One look after another. A look that fails changes nothing but the metrics."""

    def __init__(
        self,
        *,
        venue: Venue,
        store: ReconcileStore,
        pulse: Pulse,
        clock: Clock,
        plan: ReconcilePlan,
        metrics: ReconcileMetrics,
    ) -> None:
        self._venue = venue
        self._store = store
        self._pulse = pulse
        self._clock = clock
        self._plan = plan
        self._metrics = metrics
        self._known: frozenset[str] = frozenset()
        self._known_at_ms: float | None = None
        self._fixed_at_ms: float | None = None
        self._looks = 0
        self._errors = 0
        self._log = structlog.get_logger("qtops.reconcile")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Until `stop`. Refuses a hedge-mode account."""
        beats = asyncio.create_task(self._beats())
        try:
            await self._assert_one_way(stop)
            is_ready = False
            while not stop.is_set():
                if await self._once() and not is_ready:
                    is_ready = True
                    ready()
                await self._pause(stop)
        finally:
            await cancel_and_wait([beats])
            with contextlib.suppress(RedisError):
                await self._pulse.heartbeat.stop()

    async def _pause(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._plan.loop_s)

    async def _assert_one_way(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._venue.sync_clock()
                mode = await self._venue.account_mode()
            except VenueError as error:
                self._failed(error.message)
                await self._pause(stop)
                continue
            if mode != "one_way":
                raise RefusedError(
                    "the account is in hedge mode; qtops trades one-way accounts only",
                    hint="switch the position mode at the exchange while it is flat",
                )
            return

    async def _once(self) -> bool:
        try:
            await self._look()
        except (VenueError, RedisError) as error:
            self._failed(error.message)
            return False
        self._looks += 1
        if self._fixed_at_ms is not None:
            self._metrics.fix_age((self._clock.monotonic_ms() - self._fixed_at_ms) / 1000)
        return True

    def _failed(self, why: str) -> None:
        self._errors += 1
        self._metrics.failed()
        self._log.warning("reconcile.failed", error=why)

    async def _look(self) -> None:
        """Books first, then the exchange: a fill between the two shows as a drift that passes."""
        watched = self._plan.symbols | await self._booked()
        before = await self._store.read(sorted(watched))
        ahead_ms = self._venue.timestamp_ms() - before.now_ms
        exchange = await self._exchange()
        # A symbol first seen in the account has its records read in the next look.
        held = {*exchange.amounts, *exchange.hedge} if exchange is not None else set()
        self._known |= held
        standings: list[Standing] = []
        events: list[ReconcileEvent] = []
        for symbol in before.symbols:
            old = before.symbols[symbol].standing
            new = await self._judge(symbol, before, exchange, ahead_ms)
            standings.append(new)
            if self._is_news(old, new):
                events.append(_event(old, new))
        await self._store.write(standings, events, before.now_ms, self._plan.hold_ttl_ms)
        for standing in standings:
            self._metrics.stands(standing)

    def _is_news(self, old: Standing | None, new: Standing) -> bool:
        previous = old.state if old is not None else ReconcileState.OK
        if new.state is ReconcileState.DRIFT and previous is not ReconcileState.DRIFT:
            self._metrics.drift(new.symbol)
        # The repair wrote its own event together with the book.
        return new.state is not previous and new.state is not ReconcileState.REPAIRED

    async def _booked(self) -> frozenset[str]:
        """Symbols with a book, looked for once a minute, and those the account has held."""
        now_ms = self._clock.monotonic_ms()
        if self._known_at_ms is None or now_ms - self._known_at_ms > SYMBOLS_EVERY_MS:
            self._known |= await self._store.symbols()
            self._known_at_ms = now_ms
        return self._known

    async def _exchange(self) -> Exchange | None:
        """None when it gave no answer that is fresh enough to conclude anything from."""
        started_ms = self._clock.monotonic_ms()
        try:
            rows = await self._venue.positions()
        except VenueError as error:
            self._failed(error.message)
            return None
        if self._clock.monotonic_ms() - started_ms > self._plan.freshness_ms:
            self._failed("the exchange answered too late")
            return None
        return shown(rows)

    async def _judge(
        self, symbol: str, read: BookReading, exchange: Exchange | None, ahead_ms: int
    ) -> Standing:
        row = read.symbols[symbol]
        is_known = exchange is not None and not row.unreadable
        view = View(
            symbol=symbol,
            exchange=exchange.amounts.get(symbol, ZERO) if exchange and is_known else None,
            book=row.book,
            in_flight=read.in_flight is None or symbol in read.in_flight,
            step=row.step,
            now_ms=read.now_ms,
            clock_ahead_ms=ahead_ms,
            hedge=exchange.hedge.get(symbol, ()) if exchange else (),
        )
        verdict = first_look(view, row.standing, self._plan.limits)
        if verdict is not None:
            return verdict
        evidence = await self._evidence(view, row.standing, read.epoch)
        verdict = conclude(view, row.standing, evidence, self._plan.limits)
        if verdict.state is not ReconcileState.REPAIRED:
            return verdict
        return await self._repair(view, verdict, read)

    async def _evidence(self, view: View, standing: Standing | None, epoch: str) -> Evidence | None:
        base = base_of(view, standing) or Witness(ZERO, 0, 0)
        try:
            orders = await self._venue.recent_orders(view.symbol, MOST_ORDERS)
        except VenueError as error:
            self._failed(error.message)
            return None
        is_whole = len(orders) < MOST_ORDERS or orders[0].update_time_ms <= base.at_ms
        is_young = self._venue.timestamp_ms() - base.at_ms < RECORD_MS
        flattens = flatten_ids(self._plan.namespace, epoch, view.symbol)
        return sort_evidence(orders, base, view.book, flattens, reaches_back=is_whole and is_young)

    async def _repair(self, view: View, verdict: Standing, read: BookReading) -> Standing:
        row = read.symbols[view.symbol]
        amount = verdict.exchange or ZERO
        event = _event(row.standing, verdict)
        change = Rebook(view.symbol, row, amount, view.now_ms, OWNER, event)
        if why := await self._store.rebook(change):
            self._log.info("reconcile.repair_waits", symbol=view.symbol, why=why)
            held = row.standing is not None and row.standing.state.holds
            state = ReconcileState.HOLD if held else ReconcileState.DRIFT
            return replace(verdict, state=state, reason=why)
        self._metrics.repaired(view.symbol)
        self._fixed_at_ms = self._clock.monotonic_ms()
        self._log.warning("reconcile.repaired", symbol=view.symbol, amount=str(amount))
        return replace(verdict, book=amount, book_version=verdict.book_version + 1)

    async def _beats(self) -> None:
        while True:
            with contextlib.suppress(RedisError):
                await self._pulse.heartbeat.beat(
                    {
                        **self._pulse.identity,
                        "beat_ms": str(self._clock.now_ms()),
                        "handled": str(self._looks),
                        "errors": str(self._errors),
                    }
                )
            await asyncio.sleep(BEAT_EVERY_S)


def _event(old: Standing | None, new: Standing) -> ReconcileEvent:
    return ReconcileEvent(
        symbol=new.symbol,
        state=new.state,
        previous=old.state.value if old is not None else "",
        reason=new.reason,
        exchange=new.exchange,
        book=new.book,
        by=OWNER,
        at_ms=new.seen_at_ms,
        evidence=new.evidence,
    )
