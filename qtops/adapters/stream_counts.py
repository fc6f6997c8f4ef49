"""How much of a stream a group has not read, and which of its pending entries are gone.

Both are counted in pages of 1000 and up to a limit; beyond it the count says `at least`.
"""

from typing import Any

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import PAGE
from qtops.contracts.stream_reading import Count, EntryId, StreamReading


class StreamCounts:
    """Counts for the groups of one stream, as of `stream`."""

    def __init__(self, link: RedisLink, key: bytes, stream: StreamReading, most: int) -> None:
        self._link = link
        self._key = key
        self._stream = stream
        self._most = most

    async def unread(self, after: EntryId) -> Count:
        """Entries held with an id past `after`."""
        stream = self._stream
        if stream.first_id is None or after >= stream.last_id:
            return Count(0)
        if after < stream.first_id:
            return Count(stream.length)
        counted, start = 0, str(after)
        while counted < self._most:
            with self._link.guard():
                page: Any = await self._link.client.xrange(
                    self._key, f"({start}", str(stream.last_id), count=PAGE
                )
            counted += len(page)
            if len(page) < PAGE:
                # Trimmed past the group while we counted: what was counted is a lower bound.
                return Count(counted, is_least=await self._begins_past(after))
            start = page[-1][0].decode()
        return Count(counted, is_least=True)

    async def _begins_past(self, entry_id: EntryId) -> bool:
        with self._link.guard():
            first: Any = await self._link.client.xrange(self._key, count=1)
        return not first or EntryId.parse(first[0][0]) > entry_id

    async def ghosts(self, group: bytes, pending: int) -> Count:
        """Pending entries the stream no longer holds: nobody can work on them any more."""
        gone, seen, start = 0, 0, "-"
        while seen < min(pending, self._most):
            ids = await self._pending_ids(group, start)
            gone += await self._gone(group, ids)
            seen += len(ids)
            if len(ids) < PAGE:
                return Count(gone)
            start = f"({ids[-1]}"
        return Count(gone, is_least=seen < pending)

    async def _pending_ids(self, group: bytes, start: str) -> list[EntryId]:
        with self._link.guard():
            page: Any = await self._link.client.xpending_range(self._key, group, start, "+", PAGE)
        return [EntryId.parse(entry["message_id"]) for entry in page]

    async def _gone(self, group: bytes, ids: list[EntryId]) -> int:
        first, deleted = self._stream.first_id, self._stream.last_deleted
        if first is None:
            return len(ids)
        held_or_deleted = [entry_id for entry_id in ids if entry_id >= first]
        # Trimming cuts the head; in the middle only a deletion leaves a hole.
        doubtful = [i for i in held_or_deleted if deleted is None or i <= deleted]
        absent = [
            entry_id
            for entry_id, found in zip(doubtful, await self._held(doubtful), strict=True)
            if not found
        ]
        # Absent now and pending afterwards: not one that was acknowledged between the two looks.
        still_pending = await self._still_pending(group, absent)
        return len(ids) - len(held_or_deleted) + still_pending

    async def _held(self, ids: list[EntryId]) -> list[Any]:
        pipe = self._link.client.pipeline(transaction=False)
        for entry_id in ids:
            pipe.xrange(self._key, str(entry_id), str(entry_id), count=1)
        with self._link.guard():
            held: list[Any] = await pipe.execute()
        return held

    async def _still_pending(self, group: bytes, ids: list[EntryId]) -> int:
        pipe = self._link.client.pipeline(transaction=False)
        for entry_id in ids:
            pipe.xpending_range(self._key, group, str(entry_id), str(entry_id), 1)
        with self._link.guard():
            return sum(bool(found) for found in await pipe.execute())
