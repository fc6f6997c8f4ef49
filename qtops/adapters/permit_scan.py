"""Permits as they lie in Redis, for audits: keys by SCAN, values in pipelines. Reads only."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from qtops.adapters.fact_reader import pairs
from qtops.adapters.link import RedisLink
from qtops.adapters.paging import newest_pages, scan_pages
from qtops.contracts.registry import Key, Names, Service, Stream
from qtops.errors import DecodeError
from qtops.ports import PermitEntry, StreamEntry

_GONE = -2


class RedisPermitScan:
    """Implements `qtops.ports.PermitSource`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    @property
    def names(self) -> Names:
        return self._link.names

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def beats(self, services: Sequence[Service]) -> Sequence[int | None]:
        pipe = self._link.client.pipeline(transaction=False)
        for service in services:
            pipe.pttl(self.names.key(Key.HEARTBEAT, service=service.value))
        with self._link.guard():
            lives = await pipe.execute()
        return [None if life == _GONE else int(life) for life in lives]

    async def permits(
        self, wanted: Callable[[bytes], bool]
    ) -> AsyncGenerator[Sequence[PermitEntry], None]:
        async for keys in scan_pages(self._link, self.names.prefix(Key.PERMIT_GOVERNOR)):
            read = await self.permits_at([key for key in keys if wanted(key)])
            yield [*read, *(PermitEntry(key) for key in keys if not wanted(key))]

    async def permits_at(self, keys: Sequence[bytes]) -> Sequence[PermitEntry]:
        if not keys:
            return []
        pipe = self._link.client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
            pipe.pttl(key)
        with self._link.guard():
            replies = _but_wrong_type(await pipe.execute(raise_on_error=False))
        found = dict(zip(keys, zip(replies[::2], replies[1::2], strict=True), strict=True))
        other = await self._other_kinds([k for k in keys if isinstance(found[k][0], ResponseError)])
        entries = []
        for key, (value, life) in found.items():
            if key in other:
                entries.append(PermitEntry(key, int(life), *other[key]))
            elif isinstance(value, bytes) and life != _GONE:
                entries.append(PermitEntry(key, int(life), "string", value))
        return entries

    async def _other_kinds(
        self, keys: Sequence[bytes]
    ) -> dict[bytes, tuple[str, Mapping[bytes, bytes] | None]]:
        """What the keys that are no strings are: (type, the hash's fields if it is one)."""
        if not keys:
            return {}
        pipe = self._link.client.pipeline(transaction=False)
        for key in keys:
            pipe.type(key)
            pipe.hgetall(key)
        with self._link.guard():
            replies = _but_wrong_type(await pipe.execute(raise_on_error=False))
        kinds = zip(keys, replies[::2], replies[1::2], strict=True)
        read = {key: (kind.decode(), _fields(raw)) for key, kind, raw in kinds}
        return {key: found for key, found in read.items() if found[0] != "none"}

    async def since(
        self, stream: Stream, start_ms: int
    ) -> AsyncGenerator[Sequence[StreamEntry], None]:
        name = self.names.stream(stream)
        async for page in newest_pages(self._link, name, oldest=str(max(0, start_ms))):
            yield page

    async def claim(self, plan_id: bytes) -> Mapping[bytes, bytes]:
        key = self.names.prefix(Key.CLAIM).encode() + plan_id
        with self._link.guard():
            raw: Any = await self._link.client.hgetall(key)
        return pairs(raw)


def _but_wrong_type(replies: list[Any]) -> list[Any]:
    """A key of another type is an answer; every other refusal is raised."""
    for reply in replies:
        if isinstance(reply, Exception) and "WRONGTYPE" not in str(reply):
            raise reply
    return replies


def _fields(reply: Any) -> Mapping[bytes, bytes] | None:
    try:
        return pairs(reply)
    except DecodeError:
        return None
