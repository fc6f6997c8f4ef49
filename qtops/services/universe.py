"""Universe service: which symbols the exchange lists as tradable, for every reader at once.

A list that is refused, or an exchange that is silent, changes no list: the last good one stays,
grows older, and meta says why. Readers judge its age themselves, so this service may die as well.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from qtops.contracts.facts import Known
from qtops.contracts.universe import UniverseList, UniverseMeta
from qtops.errors import RedisError, VenueError
from qtops.gates.universe import DROP_READINGS, flaw, is_drop, tradable
from qtops.ports import Clock, UniverseReading, UniverseStore, Venue
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.feeders import UniverseMetrics
from qtops.services.tasks import cancel_and_wait

FIRST_RETRY_S: Final = 1.0
_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class UniversePlan:
    """How often to ask, in seconds, how long a list may be, and which venue is asked."""

    venue: str
    refresh_s: float = 60.0
    maximum: int = 800


class UniverseService:
    """Polls the exchange's rules and publishes the tradable symbols."""

    def __init__(
        self,
        venue: Venue,
        store: UniverseStore,
        pulse: Pulse,
        clock: Clock,
        plan: UniversePlan,
        metrics: UniverseMetrics,
    ) -> None:
        self._venue = venue
        self._store = store
        self._pulse = pulse
        self._clock = clock
        self._plan = plan
        self._metrics = metrics
        self._drops = 0
        self._published = 0
        self._errors = 0
        self._log = structlog.get_logger("qtops.universe")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Publish until `stop`. Ready means that meta was written once, even if it says stale."""
        work = [asyncio.create_task(self._poll(ready)), asyncio.create_task(self._beat_on())]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({*work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in work if task.done()]
        stopping.cancel()
        await cancel_and_wait(work)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()
        for task in broken:
            task.result()

    async def _poll(self, ready: Callable[[], None]) -> None:
        """After a failure soon again, then ever later, at most a refresh apart."""
        pause_s = FIRST_RETRY_S
        while True:
            answered = await self._turn(ready)
            pause_s = self._plan.refresh_s if answered else min(pause_s, self._plan.refresh_s)
            await asyncio.sleep(pause_s)
            pause_s = FIRST_RETRY_S if answered else pause_s * 2

    async def _turn(self, ready: Callable[[], None]) -> bool:
        """One reading, published or held. False when the exchange or Redis did not answer."""
        try:
            before = await self._store.read()
            answered = await self._refresh(before)
        except RedisError as error:
            self._failed("redis", error.message)
            return False
        ready()
        return answered

    async def _refresh(self, before: UniverseReading) -> bool:
        try:
            rules = await self._venue.filters()
        except VenueError as error:
            await self._hold(before, f"unreachable: {error.message}")
            return False
        symbols = tradable(rules.values())
        why = flaw(symbols, self._plan.maximum) or self._unconfirmed_drop(symbols, before)
        if why:
            await self._hold(before, why)
        else:
            await self._publish(UniverseList(symbols, before.now_ms))
        return True

    def _unconfirmed_drop(self, symbols: frozenset[str], before: UniverseReading) -> str:
        """Half a market does not go at once; what is read again and again is believed."""
        served = before.served
        if not isinstance(served, Known) or not is_drop(symbols, served.value.symbols):
            self._drops = 0
            return ""
        self._drops += 1
        if self._drops >= DROP_READINGS:
            return ""
        sizes = f"{len(served.value.symbols)} to {len(symbols)} symbols"
        return f"drop: {sizes}, reading {self._drops} of {DROP_READINGS}"

    async def _publish(self, listed: UniverseList) -> None:
        meta = self._meta(listed, listed.observed_at_ms)
        await self._store.publish(listed, meta)
        self._drops = 0
        self._published += 1
        self._metrics.published(meta)
        self._log.info("universe.published", count=meta.count)

    async def _hold(self, before: UniverseReading, why: str) -> None:
        """What was served stays; the last good list takes the place of an active one that is not.

        It keeps its age: standing in the active place makes a list no younger.
        """
        served = before.served
        listed = served.value if isinstance(served, Known) else None
        meta = self._meta(listed, before.now_ms, why[:_LONGEST_REASON])
        restore = None if isinstance(before.active, Known) else listed
        await self._store.hold(meta, restore)
        self._metrics.held(meta)
        self._failed("exchange", why)

    def _meta(self, listed: UniverseList | None, at_ms: int, why: str = "") -> UniverseMeta:
        return UniverseMeta(
            venue=self._plan.venue,
            count=len(listed.symbols) if listed else 0,
            observed_at_ms=listed.observed_at_ms if listed else None,
            attempted_at_ms=at_ms,
            reason=why,
        )

    def _failed(self, where: str, why: str) -> None:
        self._errors += 1
        self._metrics.failed(where)
        self._log.warning("universe.held", where=where, error=why)

    async def _beat_on(self) -> None:
        while True:
            fields = {
                **self._pulse.identity,
                "beat_ms": str(self._clock.now_ms()),
                "handled": str(self._published),
                "errors": str(self._errors),
            }
            with contextlib.suppress(RedisError):
                await self._pulse.heartbeat.beat(fields)
            await asyncio.sleep(BEAT_EVERY_S)
