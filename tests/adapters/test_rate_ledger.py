"""Two processes of one API key share one budget; Redis gone, each counts for itself."""

import pytest

from qtops.adapters.binance.weight import ORDERS_10S, WEIGHT_1M, Cost, Priority, Usage
from qtops.adapters.link import RedisLink
from qtops.adapters.rate_ledger import RedisRateLedger
from qtops.sandbox.redis_server import EmbeddedRedis

NOW = 1_700_000_000_000 - 1_700_000_000_000 % 60_000 + 1_000


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
async def pair(server, request):
    links = [RedisLink.to(server.url, request.node.name, purpose="writer") for _ in range(2)]
    yield [RedisRateLedger(link, "the-key") for link in links]
    for link in links:
        await link.aclose()


async def test_what_one_process_used_the_other_cannot(pair):
    one, two = pair
    for ledger in pair:
        await ledger.set_limits({WEIGHT_1M: 100})
    assert await one.reserve(Cost(50), Priority.OPEN, NOW) == 0
    assert await two.reserve(Cost(10), Priority.OPEN, NOW) == 0
    assert await two.reserve(Cost(1), Priority.OPEN, NOW) == 59_000
    assert await two.reserve(Cost(20), Priority.BACKGROUND, NOW) == 0
    assert await two.reserve(Cost(20), Priority.ESSENTIAL, NOW) == 0
    assert await one.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 59_000


async def test_a_refused_request_takes_nothing(pair):
    one, two = pair
    for ledger in pair:
        await ledger.set_limits({WEIGHT_1M: 100})
    assert await one.reserve(Cost(101), Priority.ESSENTIAL, NOW) > 0
    assert await two.reserve(Cost(100), Priority.ESSENTIAL, NOW) == 0


async def test_the_exchanges_own_count_is_believed_by_both(pair):
    one, two = pair
    await one.observe(Usage({WEIGHT_1M: 2_399, ORDERS_10S: 3}), NOW)
    assert await two.reserve(Cost(2), Priority.ESSENTIAL, NOW) > 0
    assert await two.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 0


async def test_a_ban_seen_by_one_holds_for_both_and_ends(pair):
    one, two = pair
    await one.observe(Usage({}, penalty_s=5.0), NOW)
    assert await two.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 5_000
    assert await two.reserve(Cost(1), Priority.ESSENTIAL, NOW + 5_000) == 0


async def test_a_new_window_starts_empty(pair):
    one, _ = pair
    await one.observe(Usage({WEIGHT_1M: 2_400}), NOW)
    assert await one.reserve(Cost(1), Priority.ESSENTIAL, NOW + 59_000) == 0


async def test_without_redis_each_counts_for_itself():
    link = RedisLink.to("redis://127.0.0.1:1/0", "t", purpose="writer")
    alone = RedisRateLedger(link, "the-key")
    await alone.set_limits({WEIGHT_1M: 10})
    assert await alone.reserve(Cost(10), Priority.ESSENTIAL, NOW) == 0
    assert await alone.reserve(Cost(1), Priority.ESSENTIAL, NOW) > 0
    await alone.observe(Usage({WEIGHT_1M: 10}), NOW)
    await link.aclose()


async def test_the_key_is_not_in_the_name(pair, server):
    await pair[0].reserve(Cost(1), Priority.ESSENTIAL, NOW)
    names = [name async for name in pair[0]._link.client.scan_iter("*")]
    assert names
    assert not any(b"the-key" in name for name in names)
