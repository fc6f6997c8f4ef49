"""A service that does one thing again and again, and outlives a Redis that goes away."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from qtops.errors import RedisError
from qtops.ports import Clock
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.tasks import cancel_and_wait

RETRY_S = 1.0


class PeriodicService:
    """Does `work` at a fixed pause until `stop`; a failure of Redis is retried sooner than that.

    Ready means that the work was done once.
    """

    def __init__(
        self, work: Callable[[], Awaitable[None]], every_s: float, pulse: Pulse, clock: Clock
    ) -> None:
        self._work = work
        self._every_s = every_s
        self._pulse = pulse
        self._clock = clock
        self._done = 0
        self._errors = 0
        self._last_ms = 0
        self._log = structlog.get_logger("qtops.periodic").bind(service=pulse.identity["service"])

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`, then remove the heartbeat."""
        beating = asyncio.create_task(self._beat_forever())
        try:
            while not stop.is_set():
                pause_s = min(self._every_s, RETRY_S)
                if await self._once():
                    pause_s = self._every_s
                    if self._done == 1:
                        ready()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        finally:
            await cancel_and_wait([beating])
            with contextlib.suppress(RedisError):
                await self._pulse.heartbeat.stop()

    async def _once(self) -> bool:
        try:
            await self._work()
        except RedisError as error:
            self._errors += 1
            self._log.warning("work.failed", error=error.message)
            return False
        self._done += 1
        self._last_ms = self._clock.now_ms()
        return True

    async def _beat_forever(self) -> None:
        while True:
            with contextlib.suppress(RedisError):
                await self._pulse.heartbeat.beat(
                    {
                        **self._pulse.identity,
                        "beat_ms": str(self._clock.now_ms()),
                        "handled": str(self._done),
                        "last_handled_ms": str(self._last_ms),
                        "errors": str(self._errors),
                    }
                )
            await asyncio.sleep(BEAT_EVERY_S)
