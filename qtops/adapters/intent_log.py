"""`trade.intent` as a producer writes it."""

from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.intent import Intent
from qtops.contracts.registry import Stream


class RedisIntentLog:
    """Implements `qtops.ports.intake.IntentLog`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._name = link.names.stream(Stream.TRADE_INTENT)

    async def publish(self, intent: Intent) -> str:
        fields: dict[Any, Any] = {**intent.to_fields()}
        longest = Stream.TRADE_INTENT.value.maxlen
        with self._link.guard():
            entry: bytes = await self._link.client.xadd(
                self._name, fields, maxlen=longest, approximate=True
            )
        return entry.decode()
