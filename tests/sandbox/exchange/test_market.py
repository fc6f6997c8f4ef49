"""Prices that look like a market, and always the same one."""

from decimal import Decimal
from itertools import pairwise

import pytest

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.market import FUNDING_MS, INTERVALS, Market
from qtops.sandbox.exchange.rest.venue import initial_state
from tests.sandbox.exchange.conftest import scenario

D = Decimal
NOW = 1_700_000_000_000 - 1_700_000_000_000 % 60_000 + 30_000
ALL = (None, None)


@pytest.fixture
def engine():
    return Engine(initial_state(scenario(), NOW), dict(LISTED))


@pytest.fixture
def market(engine):
    return Market(engine.state, engine.instruments)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("symbol", ["BTCUSDT", "TRXUSDT"])
def test_candles_hang_together_and_end_at_the_last_price(market, symbol, interval):
    candles, length = market.candles(symbol, interval, ALL, 50, NOW), INTERVALS[interval]
    rules = LISTED[symbol]
    assert len(candles) == 50
    assert candles[-1].close == market.last_price(symbol)
    assert candles[-1].opened_ms <= NOW < candles[-1].opened_ms + length
    for before, after in pairwise(candles):
        assert after.opened_ms - before.opened_ms == length
        assert after.open == before.close
    for candle in candles:
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert candle.low % rules.tick == candle.high % rules.tick == 0
        assert candle.volume > 0


def test_closed_candles_never_change(engine, market):
    before = market.candles("ETHUSDT", "5m", ALL, 100, NOW)[:-1]
    engine.set_mark("ETHUSDT", D(3100), NOW)
    later = market.candles("ETHUSDT", "5m", ALL, 101, NOW + 300_000)
    assert later[:-2] == before
    assert later[-1].close == 3100


def test_symbols_move_differently(market):
    def returns(symbol):
        closes = [c.close for c in market.candles(symbol, "1m", ALL, 60, NOW)]
        return [b > a for a, b in pairwise(closes)]

    assert returns("ETHUSDT") != returns("BTCUSDT")
    assert 10 < sum(returns("ETHUSDT")) < 50


@pytest.mark.parametrize(
    ("window", "limit", "count", "first"),
    [
        (ALL, 3, 3, NOW - 30_000 - 120_000),
        ((NOW - 330_000, None), 3, 3, NOW - 330_000),
        ((NOW - 329_999, None), 500, 5, NOW - 270_000),
        ((None, NOW - 330_000), 2, 2, NOW - 390_000),
        ((NOW - 330_000, NOW - 330_000), 500, 1, NOW - 330_000),
        ((NOW + 60_000, None), 500, 0, None),
    ],
)
def test_windows(market, window, limit, count, first):
    candles = market.candles("ETHUSDT", "1m", window, limit, NOW)
    assert len(candles) == count
    if candles:
        assert candles[0].opened_ms == first


def test_the_book_surrounds_the_last_price(market):
    bids, asks = market.book("BTCUSDT", 5)
    assert bids[0][0] == D("87999.90")
    assert asks[0][0] == D("88000.10")
    assert [p for p, _ in bids] == sorted((p for p, _ in bids), reverse=True)
    assert [p for p, _ in asks] == sorted(p for p, _ in asks)


def test_market_orders_fill_on_the_tick_nearest_to_the_mark(engine, market):
    engine.set_mark("BTCUSDT", D("88000.06"), NOW)
    assert market.last_price("BTCUSDT") == engine.market_price("BTCUSDT") == D("88000.1")
    engine.set_mark("TRXUSDT", D("0.000001"), NOW)
    assert engine.market_price("TRXUSDT") == D("0.00001")


def test_funding_is_paid_every_eight_hours(market):
    moments = list(market.moments("ETHUSDT", ALL, 3, NOW))
    assert len(moments) == 3
    assert all(time_ms % FUNDING_MS == 0 for time_ms, _ in moments)
    assert NOW - moments[-1][0] < FUNDING_MS


async def test_public_endpoints_answer_for_one_and_for_all(api):
    for path in (
        "/v1/premiumIndex",
        "/v1/ticker/price",
        "/v2/ticker/price",
        "/v1/ticker/bookTicker",
        "/v1/ticker/24hr",
    ):
        one = (await api.public(path, symbol="ETHUSDT")).json()
        many = (await api.public(path)).json()
        assert one["symbol"] == "ETHUSDT"
        assert [row["symbol"] for row in many] == list(LISTED)


async def test_klines_have_twelve_columns(api):
    rows = (await api.public("/v1/klines", symbol="BTCUSDT", interval="1h", limit=2)).json()
    assert [len(row) for row in rows] == [12, 12]
    kinds = [int, str, str, str, str, str, int, str, int, str, str, str]
    assert [type(cell) for cell in rows[0]] == kinds
    assert rows[0][6] == rows[0][0] + 3_599_999


async def test_depth_trades_and_funding(api):
    book = (await api.public("/v1/depth", symbol="ETHUSDT", limit=5)).json()
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    trades = (await api.public("/v1/aggTrades", symbol="ETHUSDT", limit=3)).json()
    assert [trade["a"] for trade in trades] == sorted(trade["a"] for trade in trades)
    again = await api.public("/v1/aggTrades", symbol="ETHUSDT", limit=3, fromId=trades[0]["a"])
    assert again.json() == trades
    rates = (await api.public("/v1/fundingRate", symbol="ETHUSDT", limit=2)).json()
    assert len(rates) == 2
    assert rates[0]["rateType"] == "Regular"


async def test_exchange_info_ignores_the_symbol_and_lists_the_rules(api):
    info = (await api.public("/v1/exchangeInfo", symbol="ETHUSDT")).json()
    assert [row["symbol"] for row in info["symbols"]] == list(LISTED)
    bitcoin = info["symbols"][0]
    filters = {row["filterType"]: row for row in bitcoin["filters"]}
    assert filters["MARKET_LOT_SIZE"] == {
        "filterType": "MARKET_LOT_SIZE",
        "minQty": "0.001",
        "maxQty": "120",
        "stepSize": "0.001",
    }
    assert filters["MIN_NOTIONAL"]["notional"] == "100"
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["PERCENT_PRICE"]["multiplierUp"] == "1.0500"
    assert "MAX_NUM_ALGO_ORDERS" not in filters
