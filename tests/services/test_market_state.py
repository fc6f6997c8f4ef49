"""Marks, closes and volatility: what the exchange says, no more often than needed."""

import asyncio
import json
from decimal import Decimal

import pytest

from qtops.contracts.codec import decode_fields
from qtops.contracts.market import INTERVAL_MS, RING_CLOSES, Kline, decode_klines
from qtops.contracts.registry import Key, Service
from qtops.contracts.snapshot import decode_mark, decode_volatility
from qtops.contracts.volatility import VolatilityPlan, daily_volatility
from tests.services.conftest import SYMBOLS, System, until

KLINES = "/fapi/v1/klines"
ONE = {"P33_ALLOWLIST": "BTCUSDT", "INTENT_EXECUTOR_ALLOWLIST": "BTCUSDT"}


async def ring(system: System, symbol: str = "BTCUSDT") -> list[Kline]:
    raw = await system.link.client.get(system.names.key(Key.KLINES, symbol=symbol))
    return decode_klines(raw.decode())


async def sigma(system: System) -> dict[str, Decimal]:
    raw = await system.link.client.hgetall(system.names.key(Key.VOLATILITY))
    return dict(decode_volatility(decode_fields(raw)).value) if raw else {}


async def mark(system: System, symbol: str) -> tuple[Decimal, int]:
    raw = await system.link.client.hgetall(system.names.key(Key.MARKET, symbol=symbol))
    seen = decode_mark(decode_fields(raw))
    return seen.value, seen.observed_at_ms


async def at_exchange(system: System, klines: list[Kline], symbol: str = "BTCUSDT") -> list[Kline]:
    """The same minutes, asked for by hand."""
    asked = {"symbol": symbol, "interval": "1m", "limit": "1500"}
    window = {"startTime": klines[0].open_time_ms, "endTime": klines[-1].open_time_ms}
    rows = (await system.http.get(KLINES, params=asked | window)).json()
    return [Kline(row[0], Decimal(row[4])) for row in rows]


async def test_all_that_the_gates_need_is_there_at_once(system: System):
    await system.start(Service.MARKET_STATE)
    wanted = set(SYMBOLS.split(","))
    assert (await sigma(system)).keys() == wanted
    for symbol in sorted(wanted):
        assert (await mark(system, symbol))[0] > 0
    closes = await ring(system)
    assert len(closes) == RING_CLOSES
    assert closes == await at_exchange(system, closes)
    expected = daily_volatility(closes, VolatilityPlan())
    assert (await sigma(system))["BTCUSDT"] == expected > 0


async def test_a_ring_ends_with_the_last_finished_minute(system: System):
    await system.start(Service.MARKET_STATE, **ONE)
    now_ms = (await system.http.get("/fapi/v1/time")).json()["serverTime"]
    ends_ms = (await ring(system))[-1].open_time_ms + INTERVAL_MS
    assert ends_ms <= now_ms
    assert now_ms - ends_ms < 2 * INTERVAL_MS


async def test_after_an_outage_only_the_missing_minutes_are_asked_for(system: System):
    """The exchange's clock goes on by 20 minutes, in which the price moved; a mark in the older
    part shows that it was not asked for again."""
    await system.start(Service.MARKET_STATE, **ONE)
    await system.stop()
    before = await ring(system)
    key = system.names.key(Key.KLINES, symbol="BTCUSDT")
    rows = json.loads(await system.link.client.get(key))
    rows[200][1] = "12345.6"
    await system.link.client.set(key, json.dumps(rows))
    await system.control("POST", "prices", symbol="BTCUSDT", mark_price="70000")
    await system.control("POST", "clock", offset_ms=20 * INTERVAL_MS)
    await system.start(Service.MARKET_STATE, **ONE)
    after = await ring(system)
    assert len(after) == RING_CLOSES
    gone_by = (after[-1].open_time_ms - before[-1].open_time_ms) // INTERVAL_MS
    assert gone_by in {20, 21}
    assert after[200 - gone_by].close == Decimal("12345.6")
    tail = after[-gone_by:]
    assert tail == await at_exchange(system, tail)
    assert {kline.open_time_ms for kline in after} == set(
        range(after[0].open_time_ms, after[-1].open_time_ms + 1, INTERVAL_MS)
    )
    assert all(abs(kline.close / 70_000 - 1) < Decimal("0.01") for kline in tail)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda rows: json.dumps([*rows[:100], *rows[105:]]), id="gap"),
        pytest.param(lambda rows: json.dumps(rows[50:]), id="short"),
        pytest.param(lambda rows: "what", id="garbage"),
        pytest.param(lambda rows: b"\xff", id="no text"),
    ],
)
async def test_a_ring_that_is_not_whole_is_read_anew(system: System, spoil):
    await system.start(Service.MARKET_STATE, **ONE)
    await system.stop()
    key = system.names.key(Key.KLINES, symbol="BTCUSDT")
    rows = json.loads(await system.link.client.get(key))
    await system.link.client.set(key, spoil(rows))
    await system.start(Service.MARKET_STATE, **ONE)
    closes = await ring(system)
    assert len(closes) == RING_CLOSES
    assert closes == await at_exchange(system, closes)


async def test_a_symbol_without_closes_has_no_volatility_and_holds_nothing_up(system: System):
    two = dict.fromkeys(ONE, "BTCUSDT,NOSUCHUSDT")
    await system.start(Service.MARKET_STATE, **two)
    assert (await sigma(system)).keys() == {"BTCUSDT"}
    assert (await mark(system, "BTCUSDT"))[0] > 0


async def test_a_request_that_failed_is_made_again(system: System):
    fault = {"path": KLINES, "method": "GET", "kind": "unavailable_503", "count": 1}
    await system.control("POST", "faults", **fault)
    await system.start(Service.MARKET_STATE, MARKET_KLINES_SECONDS="1", **ONE)
    assert await sigma(system) == {}

    async def known():
        return (await sigma(system)).keys() == {"BTCUSDT"}

    await until(known, True)


async def test_held_and_added_symbols_are_read_too(system: System):
    """Held are TRXUSDT and ETHUSDT; the portfolio says so."""
    await system.start(Service.SNAPSHOTS, **ONE)
    await system.start(Service.MARKET_STATE, MARKET_SYMBOLS="SOLUSDT", **ONE)
    assert (await sigma(system)).keys() == {"BTCUSDT", "SOLUSDT", "TRXUSDT", "ETHUSDT"}
    assert (await mark(system, "TRXUSDT"))[0] == Decimal("0.30")


async def test_marks_follow_the_exchange_and_grow_old_while_it_is_away(system: System):
    pace = {"MARKET_MARKS_SECONDS": "0.05", **ONE}
    await system.start(Service.MARKET_STATE, **pace)
    await system.control("POST", "prices", symbol="BTCUSDT", mark_price="61234.5")

    async def price():
        return (await mark(system, "BTCUSDT"))[0]

    await until(price, Decimal("61234.5"))
    fault = {"path": "/fapi/v1/premiumIndex", "method": "GET", "kind": "disconnect_before_execute"}
    await system.control("POST", "faults", **fault, count=100_000)
    await asyncio.sleep(0.1)  # what was under way has landed
    last_ms = (await mark(system, "BTCUSDT"))[1]
    await asyncio.sleep(0.3)
    assert (await mark(system, "BTCUSDT"))[1] == last_ms
    await system.control("DELETE", "faults")

    async def newer():
        return (await mark(system, "BTCUSDT"))[1] > last_ms

    await until(newer, True)
