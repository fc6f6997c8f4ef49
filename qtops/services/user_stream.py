"""User stream: writes what the exchange tells about the account to `exchange.events`, once.

Nothing depends on it: readers are woken by an entry and then ask the exchange. So an event that
comes twice, late or never costs time and nothing else.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from qtops.contracts.account_event import AccountEvent, EventKind
from qtops.contracts.codec import fmt_bool
from qtops.errors import RedisError
from qtops.ports import Clock, EventLog, UserStream
from qtops.services.loop import BEAT_EVERY_S, RETRY_FIRST_S, RETRY_MOST_S, Pulse
from qtops.services.metrics.feeders import UserStreamMetrics
from qtops.services.tasks import cancel_and_wait

T = TypeVar("T")

REMEMBERED = 4_096


class UserStreamService:
    """Implements `qtops.ports.StreamListener`."""

    def __init__(
        self,
        stream: UserStream,
        log: EventLog,
        pulse: Pulse,
        clock: Clock,
        metrics: UserStreamMetrics,
    ) -> None:
        self._stream = stream
        self._events = log
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._newest_ms = 0
        self._connected = asyncio.Event()
        self._last_event_ms = self._handled = self._errors = 0
        self._log = structlog.get_logger("qtops.user_stream")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Until `stop`. Ready means connected for the first time."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._beat())]
        stopping = asyncio.create_task(stop.wait())
        first = asyncio.create_task(self._connected.wait())
        waiting: list[asyncio.Task[Any]] = [stopping, *tasks]
        await asyncio.wait([first, *waiting], return_when=asyncio.FIRST_COMPLETED)
        if self._connected.is_set():
            ready()
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in (first, stopping):
            task.cancel()
        await cancel_and_wait(tasks)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()
        for task in done & set(tasks):
            task.result()  # it ended by itself, hence by a bug

    async def _follow(self) -> None:
        await self._remember_past()
        await self._stream.follow(self)

    async def _remember_past(self) -> None:
        """What an earlier life wrote: its events are not written again, its end begins the gap."""
        past = await self._insist(lambda: self._events.newest(REMEMBERED // 4))
        for event in reversed(past):
            self._is_new(event)
            self._newest_ms = max(self._newest_ms, event.event_ms)

    # --- what the stream tells ------------------------------------------------------------------
    async def connected(self, at_ms: int, gap_from_ms: int) -> None:
        """Write the marker first: readers recover the gap, then take what follows."""
        since_ms = gap_from_ms or self._newest_ms
        marker = AccountEvent(EventKind.CONNECTED, at_ms, at_ms, gap_from_ms=since_ms)
        await self._append(marker)
        self._connected.set()
        self._metrics.connected()
        await self._beat_once()
        self._log.info("stream.connected", gap_from_ms=since_ms)

    async def received(self, event: AccountEvent) -> None:
        """A copy of an event that was written already is counted and dropped."""
        self._last_event_ms = event.event_ms
        if self._is_new(event):
            await self._append(event)
            self._metrics.received(event.kind.value, event.event_ms)
        else:
            self._metrics.duplicate()

    def disconnected(self, why: str) -> None:
        self._connected.clear()
        self._errors += 1
        self._metrics.disconnected()
        self._log.warning("stream.disconnected", why=why)

    def unreadable(self, why: str) -> None:
        """What it told is lost, as an event on a broken line is; the content is not logged."""
        self._errors += 1
        self._metrics.unreadable()
        self._log.warning("stream.unreadable", reason=why)

    def _is_new(self, event: AccountEvent) -> bool:
        if event.identity in self._seen:
            return False
        self._seen[event.identity] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    async def _append(self, event: AccountEvent) -> None:
        """Until it is written; meanwhile the socket is not read, and the exchange keeps or cuts."""
        await self._insist(lambda: self._events.append(event))
        self._handled += 1

    async def _insist(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        delay_s = RETRY_FIRST_S
        while True:
            try:
                return await work()
            except RedisError as error:
                self._errors += 1
                self._log.warning("redis.unavailable", error=error.message, hint=error.hint)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MOST_S)

    # --- proof of life --------------------------------------------------------------------------
    async def _beat(self) -> None:
        while True:
            await self._beat_once()
            await asyncio.sleep(BEAT_EVERY_S)

    async def _beat_once(self) -> None:
        fields = {
            **self._pulse.identity,
            "beat_ms": str(self._clock.now_ms()),
            "connected": fmt_bool(self._connected.is_set()),
            "last_event_ms": str(self._last_event_ms),
            "handled": str(self._handled),
            "errors": str(self._errors),
        }
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.beat(fields)
