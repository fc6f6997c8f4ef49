"""Streams by pages: every entry once, newest first, no more than asked for."""

import pytest

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import PAGE, newest_pages
from qtops.errors import RedisError
from qtops.sandbox.redis_server import EmbeddedRedis

STREAM = "s"
ENTRIES = 2 * PAGE + 300


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
async def link(server):
    link = RedisLink.to(server.url, "quantum", purpose="reader")
    await link.client.flushall()
    pipe = link.client.pipeline(transaction=False)
    for n in range(1, ENTRIES + 1):
        pipe.xadd(STREAM, {"n": n}, id=f"{n}-0")
    await pipe.execute()
    yield link
    await link.aclose()


async def numbers(pages):
    return [int(raw[b"n"]) async for page in pages for _, raw in page]


async def test_every_entry_once_newest_first(link):
    assert await numbers(newest_pages(link, STREAM)) == list(range(ENTRIES, 0, -1))


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, ENTRIES, 9 * PAGE])
async def test_as_many_as_were_asked_for(link, count):
    found = await numbers(newest_pages(link, STREAM, count=count))
    assert found == list(range(ENTRIES, 0, -1))[:count]


async def test_down_to_an_id(link):
    assert min(await numbers(newest_pages(link, STREAM, oldest="1250"))) == 1250


async def test_a_refusal_is_the_readers(link):
    await link.client.set("text", "x")
    with pytest.raises(RedisError, match="WRONGTYPE"):
        await numbers(newest_pages(link, "text"))
