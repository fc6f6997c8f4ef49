"""The one loop that every stream service runs: read, reclaim, beat, stop cleanly."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from qtops.errors import RedisError
from qtops.ports import Clock, Delivery, Heartbeats, Inbox
from qtops.services.metrics.loop import LoopMetrics
from qtops.services.tasks import cancel_and_wait

BATCH = 100
BLOCK_MS = 5_000
RECLAIM_EVERY_S = 5.0
RECLAIM_IDLE_MS = 15_000  # longer than any batch takes, far shorter than a plan's life
BEAT_EVERY_S = 5.0
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 5.0
HANDLE_RETRIES_S = (0.02, 0.1, 0.5, 1.0)


class Handler(Protocol):
    """What a service does with entries. It acknowledges each one itself, when it is done."""

    async def handle(self, deliveries: Sequence[Delivery]) -> None: ...

    async def drain(self) -> None:
        """Finish what is in hand; called once, on the way out."""
        ...


@dataclass(frozen=True, slots=True)
class Pulse:
    """Where a service beats, and what each beat says about the process (pid, host, version)."""

    heartbeat: Heartbeats
    identity: Mapping[str, str]


@dataclass(slots=True)
class Progress:
    """What the heartbeat reports besides being alive."""

    handled: int = 0
    last_handled_ms: int = 0
    errors: int = 0


class ServiceLoop:
    """Runs one handler over its inboxes until `stop` is set; survives a Redis that comes and goes.

    A batch that failed for good stays pending: the reclaim hands it out again, as seen before.
    """

    def __init__(
        self,
        handler: Handler,
        inboxes: Sequence[Inbox],
        pulse: Pulse,
        clock: Clock,
        metrics: LoopMetrics,
    ) -> None:
        self._handler = handler
        self._inboxes = inboxes
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        self._progress = Progress()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("qtops.loop")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`; finish what is in hand; remove the heartbeat."""
        for inbox in self._inboxes:
            await inbox.ensure_groups()
            await self._drain_own(inbox)
        await self._beat()
        ready()
        tasks = [asyncio.create_task(self._read(inbox)) for inbox in self._inboxes]
        tasks += [
            asyncio.create_task(self._repeat(self._reclaim, RECLAIM_EVERY_S)),
            asyncio.create_task(self._repeat(self._beat, BEAT_EVERY_S)),
        ]
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await cancel_and_wait(tasks)
        if self._in_hand:
            await asyncio.wait(self._in_hand)
        await self._handler.drain()
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()
        for task in done & set(tasks):
            task.result()  # a loop that ended by itself ended by a bug

    async def _drain_own(self, inbox: Inbox) -> None:
        """Entries of this consumer's earlier life come first. Each is handed out once here."""
        seen: set[str] = set()
        while True:
            batch = [d for d in await inbox.own_pending(BATCH) if d.entry_id not in seen]
            if not batch:
                return
            seen |= {d.entry_id for d in batch}
            await self._handle(batch)

    async def _read(self, inbox: Inbox) -> None:
        delay_s = RETRY_FIRST_S
        while True:
            try:
                batch = await inbox.read(BATCH, BLOCK_MS)
                delay_s = RETRY_FIRST_S
            except RedisError as error:
                self._progress.errors += 1
                self._log.warning("redis.unavailable", error=error.message, hint=error.hint)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MOST_S)
                continue
            if batch:
                # A stop ends the reading, not the batch that has been read.
                task = asyncio.create_task(self._handle(batch))
                self._in_hand.add(task)
                task.add_done_callback(self._in_hand.discard)
                await asyncio.shield(task)

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        """Try again at once: permits live a minute, and a broken connection heals in a moment.

        Handlers may be repeated: what they write carries its own identity. After the last try the
        entries stay pending, and the reclaim hands them out again.
        """
        for delay_s in (*HANDLE_RETRIES_S, None):
            try:
                await self._handler.handle(batch)
                break
            except RedisError as error:
                self._progress.errors += 1
                self._log.warning("batch.postponed", entries=len(batch), error=error.message)
                if delay_s is None:
                    return
                await asyncio.sleep(delay_s)
        self._progress.handled += len(batch)
        self._progress.last_handled_ms = self._clock.now_ms()
        self._metrics.handled(len(batch))

    async def _reclaim(self) -> None:
        for inbox in self._inboxes:
            batch = await inbox.claim_stale(RECLAIM_IDLE_MS, BATCH)
            if batch:
                self._log.info("entries.reclaimed", entries=len(batch), stream=inbox.stream.name)
                await self._handle(batch)
            self._metrics.lost(inbox.trimmed_unread)

    async def _beat(self) -> None:
        await self._pulse.heartbeat.beat(
            {
                **self._pulse.identity,
                "beat_ms": str(self._clock.now_ms()),
                "handled": str(self._progress.handled),
                "last_handled_ms": str(self._progress.last_handled_ms),
                "errors": str(self._progress.errors),
            }
        )

    async def _repeat(self, work: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except RedisError as error:
                self._progress.errors += 1
                self._log.warning("redis.unavailable", error=error.message)
