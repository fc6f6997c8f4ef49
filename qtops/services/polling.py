"""The one loop of services that ask the exchange at a pace: readings, heartbeat, a clean end."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from qtops.errors import RedisError, VenueError
from qtops.ports import Clock, Venue
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.polling import PollMetrics
from qtops.services.tasks import cancel_and_wait

SYNC_EVERY_S = 60.0
RETRY_EVERY_S = 1.0
EARLY_GAP_S = 0.5

Ask = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Something to ask for and publish, every so often. An error of it is logged and counted.

    What the start does not wait for (`awaited` false) is tried once, and again at its pace. Setting
    `early` brings the next one forward, twice a second at most.
    """

    what: str
    ask: Ask
    every_s: float
    awaited: bool = True
    early: asyncio.Event | None = None


class Poller:
    """Takes readings until `stop`; after an error the last fact grows old instead."""

    def __init__(self, venue: Venue, pulse: Pulse, clock: Clock, metrics: PollMetrics) -> None:
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        self._published = 0
        self._errors = 0
        self._sync = Reading("sync", lambda: _synced(venue), SYNC_EVERY_S)
        self._beat = Reading("beat", self._beats, BEAT_EVERY_S)
        self._log = structlog.get_logger(f"qtops.{pulse.identity['service']}")

    async def run(
        self, readings: Sequence[Reading], stop: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        """Ready means that every reading was published once, or tried if it is not awaited."""
        await self._once(self._sync)
        for reading in (*readings, self._beat):
            await self._until_done(reading, stop)
        ready()
        work = (*readings, self._sync, self._beat)
        tasks = [asyncio.create_task(self._every(reading)) for reading in work]
        await stop.wait()
        await cancel_and_wait(tasks)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()

    async def _until_done(self, reading: Reading, stop: asyncio.Event) -> None:
        while not await self._once(reading) and reading.awaited:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(reading.every_s, RETRY_EVERY_S))
            if stop.is_set():
                return

    async def _every(self, reading: Reading) -> None:
        """At a fixed rate: the time a reading takes is not added to its interval."""
        due_ms = self._clock.monotonic_ms()
        while True:
            due_ms += reading.every_s * 1000
            pause_s = max(0.0, due_ms - self._clock.monotonic_ms()) / 1000
            if await _called(reading.early, pause_s):
                due_ms = self._clock.monotonic_ms()
            await self._once(reading)

    async def _once(self, reading: Reading) -> bool:
        try:
            await reading.ask()
        except (VenueError, RedisError) as error:
            self.failed(reading.what, error.message)
            return False
        self._published += 1
        self._metrics.published(reading.what, self._clock.now_ms())
        return True

    def failed(self, what: str, why: str) -> None:
        """Write down that something could not be read."""
        self._errors += 1
        self._metrics.failed(what)
        self._log.warning("reading.failed", what=what, error=why)

    async def _beats(self) -> None:
        await self._pulse.heartbeat.beat(
            {
                **self._pulse.identity,
                "beat_ms": str(self._clock.now_ms()),
                "handled": str(self._published),
                "errors": str(self._errors),
            }
        )


async def _called(early: asyncio.Event | None, pause_s: float) -> bool:
    """Wait out the pause; true when something happened that cut it short."""
    if early is None:
        await asyncio.sleep(pause_s)
        return False
    gap_s = min(pause_s, EARLY_GAP_S)
    await asyncio.sleep(gap_s)
    try:
        await asyncio.wait_for(early.wait(), pause_s - gap_s)
    except TimeoutError:
        return False
    early.clear()
    return True


async def _synced(venue: Venue) -> None:
    await venue.sync_clock()
