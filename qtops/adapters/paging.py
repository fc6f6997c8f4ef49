"""Large keyspaces and streams in pages of 1000: no command holds the server up for others."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from redis.asyncio.cluster import RedisCluster

from qtops.adapters.link import RedisLink
from qtops.ports import StreamEntry

PAGE = 1000
_SPECIAL = b"\\*?[]^"


async def scan_pages(
    link: RedisLink, prefix: str, kind: str | None = None
) -> AsyncGenerator[list[bytes], None]:
    """Every key that starts with `prefix`, of any or one `kind`, once, from every node.

    A page may be empty.
    """
    seen: set[bytes] = set()  # SCAN may return a key twice
    pattern = _literally(prefix.encode()) + b"*"
    for node in await _nodes(link):
        cursor = 0
        while True:
            with link.guard():
                reply: Any = await link.client.scan(
                    cursor, match=pattern, count=PAGE, _type=kind, **node
                )
            found, keys = reply
            fresh = [key for key in keys if key not in seen]
            seen.update(fresh)
            yield fresh
            # A cluster's reply names the node beside its cursor.
            cursor = next(iter(found.values())) if isinstance(found, dict) else int(found)
            if cursor == 0:
                break


async def newest_pages(
    link: RedisLink, name: str, *, oldest: str = "-", count: int | None = None
) -> AsyncGenerator[Sequence[StreamEntry], None]:
    """A stream's entries, newest first, as bytes; `count` of them, or down to the id `oldest`."""
    newest: bytes = b"+"
    left = count
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        with link.guard():
            page: Any = await link.client.xrevrange(name, newest, oldest, count=size)
        if page:
            yield page
        if len(page) < size:
            return
        newest = b"(" + page[-1][0]
        left = None if left is None else left - size


async def _nodes(link: RedisLink) -> list[dict[str, Any]]:
    """The arguments that address each place keys can lie in."""
    client = link.client
    if not isinstance(client, RedisCluster):
        return [{}]
    with link.guard():
        cluster = await client.initialize()
    return [{"target_nodes": node} for node in cluster.get_primaries()]


def _literally(text: bytes) -> bytes:
    """A pattern that matches exactly `text`."""
    return b"".join(b"\\" + bytes([c]) if c in _SPECIAL else bytes([c]) for c in text)
