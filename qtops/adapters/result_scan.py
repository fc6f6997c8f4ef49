"""`apply.result` backwards in pages, and onwards as it grows. Reads only."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import PAGE, newest_pages
from qtops.contracts.registry import Stream
from qtops.ports import StreamEntry

BLOCK_MS = 5_000


class RedisResultScan:
    """Implements `qtops.ports.ResultSource`. The link's reads may wait."""

    def __init__(self, blocking: RedisLink) -> None:
        self._link = blocking
        self._name = blocking.names.stream(Stream.APPLY_RESULT)

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def newest(self, count: int) -> AsyncGenerator[Sequence[StreamEntry], None]:
        async for page in newest_pages(self._link, self._name, count=count):
            yield page

    async def after(
        self, entry_id: bytes, timeout_s: float
    ) -> AsyncGenerator[Sequence[StreamEntry], None]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        last = entry_id
        while (left_ms := int((deadline - loop.time()) * 1000)) > 0:
            with self._link.guard():
                reply: Any = await self._link.client.xread(
                    {self._name: last}, count=PAGE, block=min(left_ms, BLOCK_MS)
                )
            for _, entries in reply or ():
                last = entries[-1][0]
                yield entries
