"""A stream as it grows: what wakes a service, so that nobody polls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, TypeVar

from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.registry import Stream
from qtops.errors import DecodeError, RedisError

T = TypeVar("T")

BLOCK_MS = 5_000
RECONNECT_S = 0.5


class RedisFeed(Generic[T]):
    """Implements `qtops.ports.Feed` from now on, over a connection of its own."""

    def __init__(
        self, blocking: RedisLink, stream: Stream, parse: Callable[[Mapping[str, str]], T]
    ) -> None:
        self._link = blocking
        self._name = blocking.names.stream(stream)
        self._parse = parse
        self._last: str | bytes = "$"

    async def start(self) -> None:
        """Fix the starting point, so that no entry between now and the first read is missed."""
        with self._link.guard():
            newest = await self._link.client.xrevrange(self._name, count=1)
        self._last = newest[0][0] if newest else "0-0"

    async def records(self) -> AsyncIterator[T]:
        """Every entry since `start`; survives a lost connection without losing its place."""
        while True:
            try:
                with self._link.guard():
                    reply = await self._link.client.xread(
                        {self._name: self._last}, count=500, block=BLOCK_MS
                    )
            except RedisError:
                await asyncio.sleep(RECONNECT_S)
                continue
            for entry_id, raw in reply[0][1] if reply else ():
                self._last = entry_id
                try:
                    yield self._parse(decode_fields(raw))
                except DecodeError:
                    continue  # a foreign entry wakes nobody
