"""A service's proof of life: a hash with a TTL, written by the service itself."""

from collections.abc import Mapping
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.registry import HEARTBEAT_TTL_S, Key, Service


class RedisHeartbeat:
    """Implements `qtops.ports.Heartbeats` for one service."""

    def __init__(self, link: RedisLink, service: Service) -> None:
        self._link = link
        self._key = link.names.key(Key.HEARTBEAT, service=service.value)

    async def beat(self, fields: Mapping[str, str]) -> None:
        mapping: dict[Any, Any] = {**fields}
        pipe = self._link.client.pipeline(transaction=True)
        pipe.hset(self._key, mapping=mapping)
        pipe.expire(self._key, HEARTBEAT_TTL_S)
        with self._link.guard():
            await pipe.execute()

    async def stop(self) -> None:
        with self._link.guard():
            await self._link.client.delete(self._key)
