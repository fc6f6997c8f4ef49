"""The reference producer's side of Redis."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from qtops.adapters.fact_reader import read_hash
from qtops.adapters.link import RedisLink
from qtops.contracts import snapshot
from qtops.contracts.facts import Fact
from qtops.contracts.intent import Intent
from qtops.contracts.registry import Key, Stream


class RedisProducerStore:
    """Implements `qtops.ports.producer.ProducerStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def marks(self, symbols: Sequence[str]) -> tuple[int, Mapping[str, Fact[Decimal]]]:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        for symbol in symbols:
            pipe.hgetall(self._link.names.key(Key.MARKET, symbol=symbol))
        with self._link.guard():
            (seconds, micros), *raw = await pipe.execute()
        found = (read_hash(reply, snapshot.decode_mark) for reply in raw)
        now_ms = seconds * 1000 + micros // 1000
        return now_ms, dict(zip(symbols, found, strict=True))

    async def publish(self, intents: Sequence[Intent]) -> None:
        stream = Stream.TRADE_INTENT
        pipe = self._link.client.pipeline(transaction=True)
        for intent in intents:
            fields: dict[Any, Any] = {**intent.to_fields()}
            name = self._link.names.stream(stream)
            pipe.xadd(name, fields, maxlen=stream.value.maxlen, approximate=True)
        with self._link.guard():
            await pipe.execute()
