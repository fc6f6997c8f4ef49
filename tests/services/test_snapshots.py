"""What the publisher writes is what the gates may believe."""

import asyncio
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.registry import Key, Service
from qtops.services.snapshots import daily_volatility
from tests.services.conftest import System

prices = st.decimals("0.01", "100000", places=2).filter(lambda d: d > 0)


def test_volatility_of_a_known_series():
    """Returns are +ln 2 and -ln 2 in turn: sample deviation ln 2 * sqrt(4/3), times sqrt(96)."""
    closes = [Decimal(c) for c in (1, 2, 1, 2, 1)]
    expected = Decimal(2).ln() * (Decimal(4) / 3).sqrt() * Decimal(96).sqrt()
    assert abs(daily_volatility(closes) - expected) < Decimal("1e-20")


def test_too_few_closes_have_no_volatility():
    assert daily_volatility([]) is None
    assert daily_volatility([Decimal(1), Decimal(2)]) is None


def test_a_price_that_stands_still_has_none_of_it():
    assert daily_volatility([Decimal(5)] * 10) == 0


@given(st.lists(prices, min_size=3, max_size=20), st.decimals("0.001", "1000", places=3))
def test_volatility_does_not_depend_on_the_unit_of_price(closes, factor):
    before, after = daily_volatility(closes), daily_volatility([c * factor for c in closes])
    assert abs(before - after) < Decimal("1e-12")


async def _until(read, wanted):
    async with asyncio.timeout(10):
        while (seen := await read()) != wanted:
            await asyncio.sleep(0.02)
    return seen


async def test_a_position_that_is_gone_is_written_flat(system: System):
    only = {"P33_ALLOWLIST": "BTCUSDT", "INTENT_EXECUTOR_ALLOWLIST": "BTCUSDT"}
    await system.start(Service.SNAPSHOTS, SNAPSHOT_POSITIONS_SECONDS="0.05", **only)
    key = system.names.key(Key.POSITION, symbol="TRXUSDT")

    async def amount():
        return await system.link.client.hget(key, "position_amt")

    await _until(amount, b"17889")
    await system.control("POST", "positions", symbol="TRXUSDT", amount="0", entry_price="0.3")
    await _until(amount, b"0")


async def test_an_age_is_counted_from_before_the_question(system: System):
    """The exchange takes 300 ms to answer; the snapshot must be at least that old when written."""
    fault = {"path": "/fapi/v3/positionRisk", "method": "GET", "kind": "latency_ms", "count": 100}
    await system.control("POST", "faults", **fault, value=300)
    await system.start(Service.SNAPSHOTS)
    key = system.names.key(Key.POSITION, symbol="TRXUSDT")
    first = int(await system.link.client.hget(key, "observed_at_ms"))

    async def newer():
        return int(await system.link.client.hget(key, "observed_at_ms")) > first

    await _until(newer, True)
    observed = int(await system.link.client.hget(key, "observed_at_ms"))
    assert await system.link.now_ms() - observed >= 300


async def test_volatility_marks_and_filters_are_published(system: System):
    await system.start(Service.SNAPSHOTS)
    names, redis = system.names, system.link.client
    sigma = await redis.hgetall(names.key(Key.VOLATILITY))
    assert Decimal(sigma[b"TRXUSDT"].decode()) > 0
    assert await redis.hget(names.key(Key.MARKET, symbol="BTCUSDT"), "mark_price")
    assert b"market_step" in await redis.hget(names.key(Key.FILTERS), "TRXUSDT")
