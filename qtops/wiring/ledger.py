"""Settings → the Redis that evidence for the ledger may ask; reads only."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.errors import RefusedError
from qtops.ledger.evidence import RedisQuestions
from qtops.settings.model import Settings
from qtops.wiring import open_link


class ReadOnlyRedis:
    """Implements `RedisQuestions`: only what the server itself flags as read-only."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def ask(self, words: Sequence[str]) -> list[str]:
        with self._link.guard():
            info: Any = await self._link.client.execute_command("COMMAND", "INFO", words[0])
            flags = _flags(info)
            if "readonly" not in flags or "blocking" in flags:
                raise RefusedError(f"{words[0]} is no read-only command of this server")
            reply: Any = await self._link.client.execute_command(*words)
        return _lines(reply)


def _flags(info: Any) -> set[str]:
    """Of `COMMAND INFO`, which redis-py answers as a mapping and a raw server as a list."""
    rows = list(info.values()) if isinstance(info, dict) else list(info or ())
    row = rows[0] if rows else None
    flags = row.get("flags", ()) if isinstance(row, dict) else row[2] if row else ()
    return {_text(flag) for flag in flags}


def _lines(reply: Any) -> list[str]:
    match reply:
        case None:
            return ["(nil)"]
        case dict():
            return [line for pair in reply.items() for item in pair for line in _lines(item)]
        case list() | tuple() | set():
            return [line for item in reply for line in _lines(item)]
        case _:
            return _text(reply).splitlines() or [""]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@asynccontextmanager
async def ledger_redis(settings: Settings) -> AsyncIterator[RedisQuestions]:
    """Connects with the first question."""
    link = open_link(settings, "reader")
    try:
        yield ReadOnlyRedis(link)
    finally:
        await link.aclose()
