"""`exchange.events` as its writer keeps it."""

from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.account_event import AccountEvent
from qtops.contracts.codec import decode_fields
from qtops.contracts.registry import Stream
from qtops.errors import DecodeError


class RedisEventLog:
    """Implements `qtops.ports.EventLog`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._name = link.names.stream(Stream.EXCHANGE_EVENTS)

    async def newest(self, count: int) -> list[AccountEvent]:
        with self._link.guard():
            rows = await self._link.client.xrevrange(self._name, count=count)
        found = []
        for _, raw in rows:
            try:
                found.append(AccountEvent.from_fields(decode_fields(raw)))
            except DecodeError:
                continue
        return found

    async def append(self, event: AccountEvent) -> None:
        fields: dict[Any, Any] = {**event.to_fields()}
        longest = Stream.EXCHANGE_EVENTS.value.maxlen
        with self._link.guard():
            await self._link.client.xadd(self._name, fields, maxlen=longest, approximate=True)
