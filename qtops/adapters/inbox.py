"""One stream as one service reads it: new entries, entries of dead consumers, dlq."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from qtops.adapters import scripts
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.result import Result
from qtops.ports import Delivery

Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


class RedisInbox:
    """Implements `qtops.ports.Inbox`. `consumer` is a stable name: a restart finds its own."""

    def __init__(
        self, link: RedisLink, blocking: RedisLink, stream: Stream, service: Service, consumer: str
    ) -> None:
        """`blocking` is a connection whose reads may wait; nothing else uses it."""
        self._link = link
        self._blocking = blocking
        self.stream = stream
        self._name = link.names.stream(stream)
        self._group = link.names.group(stream, service)
        self._consumer = consumer
        self._cursor: bytes = b"0-0"
        self.trimmed_unread = 0

    async def ensure_groups(self) -> None:
        """Create the group at id 0, never `$`: what waits unread is not thrown away."""
        with self._link.guard():
            try:
                await self._link.client.xgroup_create(self._name, self._group, "0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        return self._deliveries(await self._read_group(">", count, block_ms), 1)

    async def own_pending(self, count: int) -> list[Delivery]:
        """What an earlier life of this consumer left unacknowledged, counted as seen before."""
        return self._deliveries(await self._read_group("0", count, None), 2)

    async def _read_group(self, start: str, count: int, block_ms: int | None) -> Entries:
        link = self._blocking if block_ms else self._link
        with link.guard():
            try:
                reply: Any = await link.client.xreadgroup(
                    self._group, self._consumer, {self._name: start}, count=count, block=block_ms
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self.ensure_groups()  # Redis came back without its data
                return []
        if not reply:
            return []
        entries: Entries = reply[0][1]
        return entries

    def _deliveries(self, entries: Entries, count: int) -> list[Delivery]:
        # A trimmed entry comes back empty.
        return [
            Delivery(self.stream, entry_id.decode(), fields, count)
            for entry_id, fields in entries
            if fields
        ]

    async def claim_stale(self, min_idle_ms: int, count: int) -> list[Delivery]:
        with self._link.guard():
            self._cursor, entries, deleted = await self._link.client.xautoclaim(
                self._name,
                self._group,
                self._consumer,
                min_idle_ms,
                start_id=self._cursor,
                count=count,
            )
        self.trimmed_unread += len(deleted)
        return self._deliveries(entries, 2)

    async def acknowledge(self, delivery: Delivery) -> None:
        with self._link.guard():
            await self._link.client.xack(self._name, self._group, delivery.entry_id)

    async def dead_letter(
        self, delivery: Delivery, letter: DeadLetter, result: Result | None
    ) -> None:
        names, text = self._link.names, flatten(letter.to_fields())
        keys = [self._name, names.stream(Stream.DLQ), names.stream(Stream.APPLY_RESULT)]
        keys.append(names.key(Key.CLAIM, plan_id=result.plan_id) if result else self._name)
        args = [
            self._group,
            delivery.entry_id,
            str(Stream.DLQ.value.maxlen),
            str(Stream.APPLY_RESULT.value.maxlen),
            str(Key.CLAIM.value.ttl_s),
            str(len(text)),
            *text,
            *(flatten(result.to_fields()) if result else ()),
        ]
        with self._link.guard():
            await self._link.client.eval(scripts.source("bury"), len(keys), *keys, *args)
