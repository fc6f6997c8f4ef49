"""The breakers: every second all of them are judged; the first that is over its limit trips.

A trip turns the kill switch from ACTIVE to REDUCING, never anything else. The latch is the switch
with its record: a restart forgets nothing, and only an operator's `kill off` arms again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from qtops.contracts.breakers import (
    BreakerState,
    BreakerStatus,
    Look,
    tripped_breaker,
)
from qtops.errors import HostError
from qtops.gates.breakers import BreakerLimits, Readings, Sent, look_at
from qtops.ports import BreakerReading, BreakerStore, Clock, ControlStore
from qtops.services.loop import Pulse
from qtops.services.metrics.breakers import BreakerMetrics
from qtops.services.order_watch import OrderWatch
from qtops.services.periodic import PeriodicService
from qtops.services.tasks import cancel_and_wait

EQUITY_MAX_AGE_MS: Final = 60_000  # an older equity says nothing about a loss

Alert = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BreakerPlan:
    """`symbols`: whose marks are looked at."""

    symbols: tuple[str, ...]
    limits: BreakerLimits


@dataclass(frozen=True, slots=True)
class Hand:
    """What a trip does: it turns the switch, signed `by`, and tells somebody."""

    control: ControlStore
    by: str
    alert: Alert


class Breakers:
    """Judges what the store and the watch have read."""

    def __init__(
        self,
        store: BreakerStore,
        hand: Hand,
        watch: OrderWatch,
        plan: BreakerPlan,
        metrics: BreakerMetrics,
    ) -> None:
        self._store = store
        self._hand = hand
        self._watch = watch
        self._plan = plan
        self._metrics = metrics
        self._alerts: set[asyncio.Task[None]] = set()
        self._started_at_ms = 0
        self._feeds: dict[str, int] = {}
        self._sent: deque[Sent] = deque()
        self._newest = ""
        self._log = structlog.get_logger("qtops.breakers")

    async def look(self) -> None:
        """One look at every breaker, and the trip of the first that is over its limit."""
        reading = await self._store.read(self._plan.symbols)
        self._started_at_ms = self._started_at_ms or reading.now_ms
        self._feeds |= reading.feeds  # a feed whose key has lapsed is still silent
        await self._take_results(reading.now_ms)
        self._watch.holds(reading.amounts, reading.epoch)
        state = self._judge(reading)
        tripped = tripped_breaker(reading.record)
        over = next((look for look in state.looks if look.status is BreakerStatus.OVER), None)
        if over is not None and await self._trip(reading, over):
            tripped = over.breaker.value
        looks = tuple(_marked(look, tripped, reading) for look in state.looks)
        await self._store.write(replace(state, looks=looks))
        self._metrics.looked(looks)

    async def drain(self) -> None:
        """Until the last alert was delivered, or given up."""
        await asyncio.gather(*self._alerts)

    async def _take_results(self, now_ms: int) -> None:
        limits = self._plan.limits
        oldest_ms = now_ms - max(limits.error_window_ms, limits.burst_window_ms)
        self._newest, sent = await self._store.sent_after(self._newest or f"{oldest_ms}-0")
        self._sent.extend(sent)
        while self._sent and self._sent[0].at_ms < oldest_ms:
            self._sent.popleft()

    def _judge(self, reading: BreakerReading) -> BreakerState:
        armed_at_ms = armed_since(reading)
        equity = reading.equity_usdt
        if reading.now_ms - self._feeds.get("equity", 0) > EQUITY_MAX_AGE_MS:
            equity = None
        stored = reading.stored
        is_ours = stored is not None and stored.epoch == reading.epoch
        peak = stored.peak_equity_usdt if stored is not None and is_ours else None
        if equity is not None:
            peak = equity if peak is None else max(peak, equity)
        readings = Readings(
            now_ms=reading.now_ms,
            armed_at_ms=armed_at_ms,
            started_at_ms=self._started_at_ms,
            sent=tuple(self._sent),
            trades=self._watch.trades(),
            equity_usdt=equity,
            peak_equity_usdt=peak,
            skews_ms=self._watch.skews_ms,
            feeds=self._feeds,
            suspects=self._watch.suspects(armed_at_ms),
        )
        looks = look_at(readings, self._plan.limits)
        return BreakerState(reading.epoch, armed_at_ms, reading.now_ms, peak, tuple(looks))

    async def _trip(self, reading: BreakerReading, look: Look) -> bool:
        """False when the switch is not ACTIVE, or no longer what was read."""
        reason = f"{look.breaker.value}: {look.detail}"
        hand = self._hand
        change = await hand.control.trip(reading.kill, reading.epoch, hand.by, reason)
        if change is None:
            return False
        self._log.error("breaker.tripped", breaker=look.breaker.value, why=look.detail)
        # Beside the looks: an alert that hangs must not hold the next one up.
        task = asyncio.create_task(self._tell(f"qtops: only reductions leave; {reason}"))
        self._alerts.add(task)
        task.add_done_callback(self._alerts.discard)
        return True

    async def _tell(self, text: str) -> None:
        try:
            await self._hand.alert(text)
        except HostError as error:
            self._log.warning("alert.failed", error=error.message)


class BreakerService:
    """The looks, and the watch beside them; a bug in either ends both."""

    def __init__(
        self, breakers: Breakers, watch: OrderWatch, every_s: float, pulse: Pulse, clock: Clock
    ) -> None:
        self._breakers = breakers
        self._watch = watch
        self._looks = PeriodicService(breakers.look, every_s, pulse, clock)

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`. Ready means that every breaker was judged once, blind ones included."""
        async with asyncio.TaskGroup() as group:
            works = (self._watch.run(), self._watch.hear())
            beside = [group.create_task(work) for work in works]
            await self._looks.run(stop, ready)
            await cancel_and_wait(beside)
        await self._breakers.drain()


def armed_since(reading: BreakerReading) -> int:
    """When the switch was last set; without a record since this epoch was first seen."""
    at_ms = reading.record.get("at_ms", "")
    if at_ms.isascii() and at_ms.isdecimal():
        return int(at_ms)
    stored = reading.stored
    return stored.armed_at_ms if stored and stored.epoch == reading.epoch else reading.now_ms


def _marked(look: Look, tripped: str, reading: BreakerReading) -> Look:
    """With the latch, and since when the status holds."""
    if look.breaker.value == tripped:
        why = reading.record.get("reason", "").partition(": ")[2]
        look = replace(look, status=BreakerStatus.TRIPPED, detail=look.detail or why)
    before: Sequence[Look] = reading.stored.looks if reading.stored else ()
    same = (old for old in before if old.breaker is look.breaker and old.status is look.status)
    old = next(same, None)
    return replace(look, since_ms=old.since_ms if old else reading.now_ms)
