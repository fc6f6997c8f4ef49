"""The key of the operator's manual lane: taken away, and put back as it was."""

from qtops.adapters.link import RedisLink
from qtops.contracts.registry import Key


class RedisManualLane:
    """Implements `qtops.rollback.steps.ManualLane`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._key = link.names.key(Key.MANUAL_LANE)

    async def close(self) -> None:
        with self._link.guard():
            await self._link.client.delete(self._key)

    async def reopen(self, value: str, expires_at_ms: int) -> None:
        with self._link.guard():
            await self._link.client.set(self._key, value, nx=True, pxat=expires_at_ms or None)
