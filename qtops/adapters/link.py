"""One service's way to Redis: a client, the names under its namespace, errors in plain words."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from qtops.adapters.redis_connection import (
    Purpose,
    connect,
    translate_redis_errors,
)
from qtops.contracts.registry import Names


@dataclass(frozen=True, slots=True)
class RedisLink:
    """A connected client and what is needed to use it. Close it with `aclose()`."""

    client: Any  # redis-py annotates sync and async replies alike; our decoders check them
    url: str
    names: Names

    @classmethod
    def to(cls, url: str, namespace: str, *, purpose: Purpose, name: str = "qtops") -> "RedisLink":
        return cls(connect(url, purpose=purpose, name=name), url, Names(namespace))

    def guard(self) -> AbstractContextManager[None]:
        """Redis' errors leave this block as RedisError, with a hint and without the password."""
        return translate_redis_errors(self.url)

    async def now_us(self) -> int:
        """The Redis server's clock in UTC µs: the one clock all services share."""
        with self.guard():
            seconds, micros = await self.client.time()
        return int(seconds) * 1_000_000 + int(micros)

    async def now_ms(self) -> int:
        return await self.now_us() // 1000

    async def aclose(self) -> None:
        await self.client.aclose()
