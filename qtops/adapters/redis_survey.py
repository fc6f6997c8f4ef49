"""How a Redis server is set up, and what lies under the namespace. Reads only."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.contracts.facts import Missing
from qtops.contracts.registry import Key
from qtops.contracts.system_reading import KeyCensus, RedisReading
from qtops.ports import Clock

SCAN_LIMIT_MS: Final = 6_000
_VARIES: Final = re.compile(r"[A-Z0-9]")
_PART: Final = re.compile(r"p[0-9]{2}")  # the original's numbers for its parts


class RedisSurvey:
    """Looks once. What the server refuses is `Missing`."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    async def read(self) -> RedisReading:
        """RedisError when there is no answer at all."""
        before_ms = self._clock.now_ms()
        server_ms = await self._link.now_ms()
        offset_ms = (before_ms + self._clock.now_ms()) // 2 - server_ms
        info = await self._ask("INFO")
        about: Mapping[str, Any] = {} if isinstance(info, Missing) else info
        return RedisReading(
            version=str(about.get("redis_version", "")),
            policy=str(about.get("maxmemory_policy", "")),
            memory_limit=int(about.get("maxmemory", 0)),
            aof=str(about.get("aof_enabled", "")) == "1",
            replicas=int(about.get("connected_slaves", 0)),
            default_user=_default_user(await self._ask("ACL", "GETUSER", "default")),
            bind=_setting(await self._ask("CONFIG", "GET", "bind")),
            protected=_setting(await self._ask("CONFIG", "GET", "protected-mode")),
            clock_offset_ms=offset_ms,
        )

    async def census(self) -> KeyCensus:
        """Every key under the namespace while there is time; TTLs of those that should have one."""
        names = self._link.names
        families = [(names.prefix(key).encode(), key) for key in Key if ":" in key.value.template]
        families.sort(key=lambda family: -len(family[0]))
        root = f"{names.namespace}:"
        prefixes: Counter[str] = Counter()
        known: dict[str, Key | None] = {}  # by stem, which begins as all its keys do
        immortal: dict[str, tuple[str, ...]] = {}
        until_ms = self._clock.monotonic_ms() + SCAN_LIMIT_MS
        is_partial, total = False, 0
        async for page in scan_pages(self._link, root):
            total += len(page)
            stems = [_stem(key.decode("utf-8", "replace"), root) for key in page]
            prefixes.update(stems)
            for key, stem in zip(page, stems, strict=True):
                if stem not in known:
                    known[stem] = _doomed(key, families)
            doomed = [
                (key, family)
                for key, stem in zip(page, stems, strict=True)
                if (family := known[stem])
            ]
            for key, family in await self._immortal(doomed):
                held = immortal.get(family.value.template, ())
                immortal[family.value.template] = (*held, key.decode("utf-8", "replace"))
            if self._clock.monotonic_ms() > until_ms:
                is_partial = True
                break
        return KeyCensus(total, immortal, dict(prefixes), is_partial)

    async def _immortal(self, keys: Sequence[tuple[bytes, Key]]) -> list[tuple[bytes, Key]]:
        if not keys:
            return []
        pipe = self._link.client.pipeline(transaction=False)
        for key, _ in keys:
            pipe.pttl(key)
        with self._link.guard():
            lives = await pipe.execute()
        return [pair for pair, life in zip(keys, lives, strict=True) if life == -1]

    async def _ask(self, *words: str) -> Any:
        with self._link.guard():
            try:
                return await self._link.client.execute_command(*words)
            except ResponseError as error:
                return Missing(str(error)[:80])


def _doomed(key: bytes, families: Sequence[tuple[bytes, Key]]) -> Key | None:
    """The family of a key that should have a TTL. The longest prefix decides."""
    for prefix, family in families:
        is_exact = "{" not in family.value.template
        if key == prefix if is_exact else key.startswith(prefix):
            return family if family.value.ttl_s is not None else None
    return None


def _stem(key: str, root: str) -> str:
    """The key without its namespace and without what varies: words with capitals or digits."""
    words = key.removeprefix(root).split(":")
    for at, word in enumerate(words):
        if _VARIES.search(word) and not _PART.fullmatch(word):
            return ":".join([*words[:at], ""])
    return ":".join(words)


def _default_user(reply: Any) -> str | Missing:
    """`off`, `nopass` or `password`."""
    if isinstance(reply, Missing):
        return reply
    fields = {_text(name): value for name, value in reply.items()}
    words = {_text(flag) for flag in fields.get("flags", ())}
    if not words & {"on", "off"}:
        return Missing("its flags cannot be read")
    if "off" in words:
        return "off"
    return "nopass" if "nopass" in words else "password"


def _setting(reply: Any) -> str | Missing:
    if isinstance(reply, Missing):
        return reply
    values = list(reply.values()) if isinstance(reply, Mapping) else list(reply)[1::2]
    if not values:
        return Missing("the server does not have it")
    return _text(values[0])


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
