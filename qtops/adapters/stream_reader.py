"""Streams, their groups and consumers, for audits. Reads only."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, Final

from redis.exceptions import ResponseError

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.adapters.stream_counts import StreamCounts
from qtops.contracts.registry import Names
from qtops.contracts.stream_reading import (
    ConsumerReading,
    Count,
    EntryId,
    GroupReading,
    PendingReading,
    StreamReading,
)

MOST_COUNTED: Final = 10_000  # unread and pending entries looked at, for each group


class RedisStreamReader:
    """Implements `qtops.audits.streams.StreamSource`."""

    def __init__(self, link: RedisLink, most_counted: int = MOST_COUNTED) -> None:
        self._link = link
        self._most = most_counted

    @property
    def names(self) -> Names:
        return self._link.names

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def stream_keys(self) -> AsyncGenerator[Sequence[bytes], None]:
        async for keys in scan_pages(self._link, self.names.stream_prefix(), "stream"):
            yield keys

    async def read(self, key: bytes) -> StreamReading | None:
        # One transaction: a lag that is newer than the length would pass for a loss.
        pipe = self._link.client.pipeline(transaction=True)
        pipe.xinfo_stream(key)
        pipe.xinfo_groups(key)
        with self._link.guard():
            info, groups = await pipe.execute(raise_on_error=False)
        if isinstance(info, ResponseError):
            return await self._not_a_stream(key, info)
        stream = _stream(key, info)
        counts = StreamCounts(self._link, key, stream, self._most)
        counted = [
            replace(
                group,
                unread=await counts.unread(group.last_delivered),
                ghosts=await counts.ghosts(name, group.pending),
            )
            for name, group in await self._groups(key, groups)
        ]
        return replace(stream, groups=tuple(counted))

    async def _not_a_stream(self, key: bytes, refusal: ResponseError) -> StreamReading | None:
        with self._link.guard():
            kind = (await self._link.client.type(key)).decode()
            if kind == "stream":  # refused for another reason
                raise refusal
        return None if kind == "none" else StreamReading(_text(key), kind=kind)

    async def _groups(self, key: bytes, infos: Sequence[Any]) -> list[tuple[bytes, GroupReading]]:
        """All groups in one round trip; one that was destroyed meanwhile is left out."""
        if not infos:
            return []
        pipe = self._link.client.pipeline(transaction=False)
        for info in infos:
            pipe.xinfo_consumers(key, info["name"])
            pipe.xpending_range(key, info["name"], "-", "+", 1)
        with self._link.guard():
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception) and "NOGROUP" not in str(reply):
                    raise reply
        rows = zip(infos, replies[::2], replies[1::2], strict=True)
        return [
            (info["name"], _group(info, consumers, pending))
            for info, consumers, pending in rows
            if not isinstance(consumers, Exception) and not isinstance(pending, Exception)
        ]


def _stream(key: bytes, info: Any) -> StreamReading:
    first = info["first-entry"]
    # Redis 7 and later say these two.
    added, deleted = info.get("entries-added"), info.get("max-deleted-entry-id")
    return StreamReading(
        _text(key),
        length=int(info["length"]),
        first_id=EntryId.parse(first[0]) if first else None,
        last_id=EntryId.parse(info["last-generated-id"]),
        entries_added=None if added is None else int(added),
        last_deleted=None if deleted is None else EntryId.parse(deleted),
    )


def _group(info: Any, consumers: Any, pending: Any) -> GroupReading:
    read, lag = info.get("entries-read"), info.get("lag")
    return GroupReading(
        _text(info["name"]),
        EntryId.parse(info["last-delivered-id"]),
        pending=int(info["pending"]),
        entries_read=None if read is None else int(read),
        lag=None if lag is None else int(lag),
        unread=Count(0, is_least=True),
        oldest=_oldest(pending),
        consumers=_consumers(consumers),
    )


def _consumers(infos: Any) -> tuple[ConsumerReading, ...]:
    return tuple(
        ConsumerReading(_text(info["name"]), int(info["pending"]), int(info["idle"]))
        for info in infos
    )


def _oldest(pending: Any) -> PendingReading | None:
    if not pending:
        return None
    [entry] = pending
    return PendingReading(
        EntryId.parse(entry["message_id"]),
        _text(entry["consumer"]),
        int(entry["time_since_delivered"]),
        int(entry["times_delivered"]),
    )


def _text(raw: bytes) -> str:
    """A name for people; what is not UTF-8 is spelled out."""
    return raw.decode("utf-8", "backslashreplace")
