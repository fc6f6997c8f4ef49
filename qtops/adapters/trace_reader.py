"""What a trace reads besides permits: how far back a stream goes, the book. Reads only."""

from collections.abc import Mapping
from typing import Any

from redis.exceptions import ResponseError

from qtops.adapters.fact_reader import pairs
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.contracts.registry import Key, Stream


class RedisTraceReader(RedisPermitScan):
    """Implements `qtops.audits.trace_records.TraceSource`."""

    async def trimmed_before_ms(self, stream: Stream) -> int:
        """When the oldest entry left was added, if older ones were trimmed away; else 0."""
        with self._link.guard():
            try:
                about: Any = await self._link.client.xinfo_stream(self.names.stream(stream))
            except ResponseError as error:
                if "no such key" not in str(error):
                    raise
                return 0
        added = about.get("entries-added")  # Redis 7 and later; before, trimming is presumed
        if added is not None and added <= about["length"]:
            return 0
        oldest = about["first-entry"] or (about["last-generated-id"], None)
        return int(oldest[0].partition(b"-")[0])

    async def book(self, symbol: str) -> Mapping[bytes, bytes]:
        with self._link.guard():
            raw: Any = await self._link.client.hgetall(self.names.key(Key.BOOK, symbol=symbol))
        return pairs(raw)
