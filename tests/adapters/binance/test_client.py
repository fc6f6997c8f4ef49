"""BinanceVenue against a scripted server: what is sent, and what each kind of failure means."""

import dataclasses
import hashlib
import hmac
import inspect
import logging
from decimal import Decimal

import httpx
import pytest

from qtops.adapters.binance.client import BinanceVenue
from qtops.adapters.binance.settings import VenueSettings
from qtops.adapters.binance.transport import MAY_HAVE_LEFT
from qtops.adapters.binance.weight import WEIGHT_1M, RateBudget
from qtops.contracts.market import Kline
from qtops.contracts.venue import OrderRequest
from qtops.contracts.vocabulary import Side
from qtops.errors import ConfigError, OutcomeClass, RefusedError, VenueError
from qtops.ports import Venue

KEY = "k" * 64
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
ORDER = "/fapi/v1/order"
RISK = "/fapi/v3/positionRisk"
CLOSE = OrderRequest("TRXUSDT", Side.SELL, Decimal("8.944E+3"), True, "qt-a1")
OPEN = dataclasses.replace(CLOSE, side=Side.BUY, reduce_only=False)
FILLED = {
    "orderId": 1,
    "symbol": "TRXUSDT",
    "status": "FILLED",
    "clientOrderId": "qt-a1",
    "origQty": "8944",
    "executedQty": "8944",
    "type": "MARKET",
    "reduceOnly": True,
    "side": "SELL",
    "updateTime": 1,
}


async def fails(call):
    with pytest.raises(VenueError) as caught:
        await call
    return caught.value


def test_it_is_the_port():
    port: Venue = BinanceVenue(VenueSettings("http://127.0.0.1:1"), None)
    for name, member in inspect.getmembers(Venue, callable):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(BinanceVenue, name))
            assert ours == inspect.signature(member), name
    assert port.recv_window_ms == 5000


async def test_an_order_is_sent_in_the_body_exactly_as_signed(stub, venue):
    stub.on(ORDER, stub.answer(FILLED))
    order = await venue.place_order(CLOSE, 1_700_000_000_123)
    [sent] = stub.received
    assert order.executed_quantity == 8944
    assert order.average_price is None
    assert (sent.method, sent.target) == ("POST", ORDER)
    assert sent.headers["x-mbx-apikey"] == KEY
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.params.pop("signature")
    signed, _, signature = sent.payload.rpartition("&signature=")
    assert signature == hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert signed == (
        "symbol=TRXUSDT&side=SELL&type=MARKET&quantity=8944&reduceOnly=true&newClientOrderId=qt-a1"
        "&newOrderRespType=RESULT&recvWindow=5000&timestamp=1700000000123"
    )


async def test_a_query_reaches_the_wire_exactly_as_signed(stub, venue):
    stub.on(ORDER, stub.refusal(400, -2013))
    assert await venue.find_order("币安USDT", "a:b/c._-~") is None
    sent = stub.to(ORDER)[-1]
    signed, _, signature = sent.payload.rpartition("&signature=")
    assert "origClientOrderId=a%3Ab%2Fc._-~" in signed
    assert signature == hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()


async def test_an_open_says_that_it_does_not_reduce(stub, venue):
    stub.on(ORDER, stub.answer(FILLED))
    await venue.place_order(OPEN, 1)
    assert stub.received[0].params["reduceOnly"] == "false"


@pytest.mark.parametrize(
    "kind",
    ["LIMIT", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
)
async def test_nothing_but_market_leaves(stub, venue, kind):
    with pytest.raises(RefusedError) as caught:
        await venue.place_order(dataclasses.replace(CLOSE, order_type=kind), 1)
    assert caught.value.code == "order_type"
    assert not stub.received


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
async def test_an_order_without_a_size_does_not_leave(stub, venue, quantity):
    with pytest.raises(RefusedError):
        await venue.place_order(dataclasses.replace(CLOSE, quantity=Decimal(quantity)), 1)
    assert not stub.received


async def test_the_clock_is_the_exchange_s(stub, venue, clock):
    stub.offset_ms = -7_000
    assert await venue.sync_clock() == -7_000
    assert venue.timestamp_ms() == clock.now_ms() - 7_000
    assert len(stub.received) == 3
    assert stub.connections == 1


async def test_the_sample_with_the_shortest_round_trip_counts(stub, venue, clock):
    def after(took_ms, server_minus_start):
        started = clock.ms

        async def reply(writer):
            clock.ms += took_ms
            writer.write(stub.answer({"serverTime": started + server_minus_start}))

        return reply

    # All at the same local start, so the second sample's start is 300 ms later, and so on.
    stub.on("/fapi/v1/time", after(300, 1), after(20, 310 + 5_000), after(90, 320 + 9_000))
    assert await venue.sync_clock() == 5_000


async def test_the_first_signed_read_measures_the_clock(stub, venue, clock):
    stub.offset_ms = 900
    stub.on(RISK, stub.answer([]))
    await venue.positions()
    await venue.positions()
    assert len(stub.to("/fapi/v1/time")) == 3
    assert stub.to(RISK)[0].params["timestamp"] == str(clock.now_ms() + 900)


@pytest.mark.parametrize("code", [-1021, -5028])
async def test_a_read_refused_for_its_timestamp_is_signed_again_once(stub, venue, code):
    await venue.sync_clock()
    stub.offset_ms = 60_000
    stub.on(RISK, stub.refusal(400, code), stub.answer([]))
    assert await venue.positions() == []
    first, second = stub.to(RISK)
    assert int(second.params["timestamp"]) - int(first.params["timestamp"]) == 60_000


async def test_a_read_refused_twice_for_its_timestamp_is_raised(stub, venue):
    stub.on(RISK, stub.refusal(400, -1021))
    assert (await fails(venue.positions())).outcome is OutcomeClass.RESYNC
    assert len(stub.to(RISK)) == 2


async def test_an_order_refused_for_its_timestamp_is_raised_after_the_resync(stub, venue):
    stub.offset_ms = 4_000
    stub.on(ORDER, stub.refusal(400, -1021))
    error = await fails(venue.place_order(CLOSE, 1))
    assert error.outcome is OutcomeClass.RESYNC
    assert len(stub.to(ORDER)) == 1
    assert venue.offset_ms == 4_000


async def test_a_failed_resync_does_not_hide_why_the_order_was_refused(stub, venue):
    stub.on(ORDER, stub.refusal(400, -1021))
    stub.on("/fapi/v1/time", stub.answer("<html>", 502))
    assert (await fails(venue.place_order(CLOSE, 1))).venue_code == -1021


HTML = "<html><body>503 Service Unavailable</body></html>"
FAILURES = [
    pytest.param(400, {"code": -2019, "msg": "Margin is insufficient."}, "final", id="margin"),
    pytest.param(400, {"code": -2022, "msg": "ReduceOnly Order is rejected."}, "final", id="flat"),
    pytest.param(400, {"code": -4116, "msg": "Duplicated."}, "unknown", id="duplicate-id"),
    pytest.param(400, {"code": -7777, "msg": "?"}, "final", id="unknown-code"),
    pytest.param(401, {"code": -2015, "msg": "Invalid API-key"}, "halt", id="bad-key"),
    pytest.param(403, "<html>WAF</html>", "halt", id="waf"),
    pytest.param(404, "<html>404</html>", "final", id="wrong-path"),
    pytest.param(408, {"code": -1007, "msg": "Timeout"}, "unknown", id="408"),
    pytest.param(429, {"code": -1003, "msg": "Too many requests"}, "retry", id="429"),
    pytest.param(418, {"code": -1003, "msg": "banned until 1789837993000"}, "retry", id="418"),
    pytest.param(500, "", "unknown", id="500-empty"),
    pytest.param(502, "<html>bad gateway</html>", "unknown", id="502-html"),
    pytest.param(503, {"code": -1000, "msg": "Unknown error, please check"}, "unknown", id="503-a"),
    pytest.param(503, {"code": 0, "msg": "Service Unavailable."}, "retry", id="503-b"),
    pytest.param(503, "Service Unavailable.", "retry", id="503-b-plain"),
    pytest.param(503, HTML, "unknown", id="503-of-a-proxy"),
    pytest.param(503, {"code": -1001, "msg": "Internal error"}, "unknown", id="503-c"),
    pytest.param(503, {"code": -1008, "msg": "overloaded"}, "unknown", id="503-throttled"),
    pytest.param(200, "<html>ok</html>", "unknown", id="200-html"),
    pytest.param(200, {"orderId": 1}, "unknown", id="200-of-another-shape"),
    pytest.param(200, FILLED | {"clientOrderId": "x"}, "unknown", id="200-about-another-order"),
    pytest.param(200, {"code": -2019, "msg": "?"}, "final", id="200-with-an-error"),
    pytest.param(302, "", "unknown", id="redirect"),
]


@pytest.mark.parametrize(("status", "body", "outcome"), FAILURES)
async def test_an_order_is_sent_once_and_its_failure_is_classed(stub, venue, status, body, outcome):
    stub.on(ORDER, stub.answer(body, status, {"Location": "/elsewhere"}))
    error = await fails(venue.place_order(CLOSE, 1))
    assert (error.outcome, error.http_status) == (outcome, status)
    assert error.venue_code == (
        body["code"] if isinstance(body, dict) and "code" in body and body["code"] < 0 else None
    )
    assert len(stub.to(ORDER)) == 1
    assert error.message.startswith("POST /fapi/v1/order: HTTP ")
    assert "\n" not in error.message


@pytest.mark.parametrize(("status", "body", "outcome"), FAILURES)
async def test_a_failed_read_never_leaves_anything_unknown(stub, venue, status, body, outcome):
    stub.on("/fapi/v1/premiumIndex", stub.answer(body, status))
    error = await fails(venue.mark_prices())
    assert error.outcome == ("retry" if outcome == "unknown" else outcome)


@pytest.mark.parametrize("how", ["reset", "hang", "drip"])
async def test_a_lost_answer_leaves_an_order_unknown_and_a_read_repeatable(stub, make_venue, how):
    venue = make_venue(read_timeout_s=0.2, total_timeout_s=0.4)
    stub.on(ORDER, getattr(stub, how))
    error = await fails(venue.place_order(CLOSE, 1))
    assert (error.outcome, error.http_status) == (OutcomeClass.UNKNOWN, None)
    assert len(stub.to(ORDER)) == 1
    assert (await fails(venue.find_order("TRXUSDT", "qt-a1"))).outcome is OutcomeClass.RETRY


async def test_a_request_that_never_left_may_be_sent_again(make_venue, unused_tcp_port):
    venue = make_venue(base_url=f"http://127.0.0.1:{unused_tcp_port}")
    error = await fails(venue.place_order(CLOSE, 1))
    assert error.outcome is OutcomeClass.RETRY
    assert error.message == "POST /fapi/v1/order: not reached (ConnectError)"


def test_every_exception_of_httpx_is_in_the_table():
    def concrete(kind):
        below = kind.__subclasses__()
        return {kind} if not below else set().union(*map(concrete, below))

    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
    known = {kind for root in roots for kind in concrete(root) if kind.__module__ == "httpx"}
    assert known == {kind for kind in MAY_HAVE_LEFT if kind.__module__ == "httpx"}
    exported = {getattr(httpx, name) for name in httpx.__all__}
    errors = {kind for kind in exported if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert {kind for kind in errors if not kind.__subclasses__()} <= known
    left = {kind.__name__ for kind, left in MAY_HAVE_LEFT.items() if not left}
    assert left == {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "InvalidURL",
    }


async def test_a_bar_is_obeyed_without_asking_again(stub, make_venue, clock):
    budget = RateBudget()
    venue = make_venue(ledger=budget)
    stub.on(ORDER, stub.refusal(429, -1003, "Too many", {"Retry-After": "7"}), stub.answer(FILLED))
    assert (await fails(venue.place_order(CLOSE, 1))).retry_after_s == 7
    error = await fails(venue.place_order(CLOSE, 1))
    assert (error.outcome, error.retry_after_s, error.http_status) == ("retry", 7, None)
    assert len(stub.to(ORDER)) == 1
    clock.ms += 7_000
    assert (await venue.place_order(CLOSE, 1)).is_final


async def test_opens_yield_to_closes_when_the_exchange_counts_many(stub, venue):
    headers = {"X-MBX-USED-WEIGHT-1M": "1900"}
    stub.on("/fapi/v1/premiumIndex", stub.answer([], headers=headers))
    stub.on(ORDER, stub.answer(FILLED))
    await venue.mark_prices()
    assert (await fails(venue.place_order(OPEN, 1))).outcome is OutcomeClass.RETRY
    assert (await venue.place_order(CLOSE, 1)).is_final
    assert await venue.find_order("TRXUSDT", "qt-a1")


async def test_filters_bring_the_exchange_s_limits(stub, make_venue, clock):
    budget = RateBudget()
    lot = {"minQty": "1", "maxQty": "9", "stepSize": "1"}
    symbol = {
        "symbol": "TRXUSDT",
        "status": "TRADING",
        "contractType": "PERPETUAL",
        "pricePrecision": 5,
        "quantityPrecision": 0,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.00001"},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
    }
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    info = {"symbols": [symbol], "rateLimits": [limit | {"limit": 10}]}
    stub.on("/fapi/v1/exchangeInfo", stub.answer(info, headers={"X-MBX-USED-WEIGHT-1M": "5"}))
    venue = make_venue(ledger=budget)
    rules = await venue.filters()
    assert rules["TRXUSDT"].market_step == 1
    assert budget.used(WEIGHT_1M, clock.now_ms()) == 5
    assert (await fails(venue.mark_prices())).outcome is OutcomeClass.RETRY


async def test_the_reads(stub, venue):
    stub.on("/fapi/v1/positionSide/dual", stub.answer({"dualSidePosition": True}))
    stub.on("/fapi/v1/klines", stub.answer([[60_000, "1", "2", "1", "1.5", "9"]]))
    stub.on("/fapi/v1/allOrders", stub.answer([FILLED]))
    stub.on("/fapi/v1/userTrades", stub.answer([]))
    totals = {
        "totalWalletBalance": "10",
        "totalUnrealizedProfit": "-1",
        "availableBalance": "4",
    }
    stub.on("/fapi/v3/account", stub.answer(totals))
    assert await venue.account_mode() == "hedge"
    assert await venue.klines("TRXUSDT", 60_000, 100) == [Kline(60_000, Decimal("1.5"))]
    assert [order.client_order_id for order in await venue.recent_orders("TRXUSDT", 5)] == ["qt-a1"]
    assert await venue.trades("TRXUSDT", "1") == []
    assert (await venue.balance()).equity == 9
    assert venue.environment() == "sandbox"
    klines = stub.to("/fapi/v1/klines")[0]
    asked = {"interval": "1m", "startTime": "60000", "limit": "100"}
    assert klines.params == {"symbol": "TRXUSDT", **asked}
    assert "x-mbx-apikey" not in klines.headers


async def test_neither_key_nor_signature_nor_query_is_ever_told(stub, make_venue, caplog):
    caplog.set_level(logging.DEBUG)
    venue = make_venue(read_timeout_s=0.2)
    echo = f"bad {KEY} {SECRET} signature=abc " + "f" * 64
    stub.on(ORDER, stub.refusal(400, -1022, echo), stub.refusal(400, -1022, echo), stub.hang)
    stub.on(RISK, stub.answer([]))
    await venue.positions("TRXUSDT")
    told = [
        await fails(venue.place_order(CLOSE, 1)),
        await fails(venue.find_order("TRXUSDT", "qt-a1")),
        await fails(venue.find_order("TRXUSDT", "qt-a1")),
    ]
    text = "\n".join(f"{e.message} {e.hint} {e.__cause__!r} {e.args}" for e in told) + caplog.text
    text += repr(venue._settings)
    for secret in (KEY, SECRET, "signature=", "f" * 64, "origClientOrderId", "timestamp="):
        assert secret not in text
    assert told[0].message == "POST /fapi/v1/order: HTTP 400 -1022 bad *** *** *** ***"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "fapi.binance.com",
        "ftp://fapi.binance.com",
        "https://",
        "https://[broken",
        "https://host:port",
        "https://user:pass@fapi.binance.com",
        "https://fapi.binance.com?x=1",
        "http://fapi.binance.com",
        "http://demo-fapi.binance.com",
    ],
)
def test_a_bad_url_is_a_configuration_error(url):
    with pytest.raises(ConfigError) as caught:
        VenueSettings(url)
    assert "pass" not in caught.value.message


def test_a_testnet_address_is_encrypted_in_any_spelling():
    assert VenueSettings("HTTPS://demo-fapi.binance.com").is_encrypted


@pytest.mark.parametrize("key", ["a\n", " a", "a b", "ключ"])
def test_a_mistyped_key_is_found_before_it_is_sent(key):
    with pytest.raises(ConfigError):
        VenueSettings("http://127.0.0.1:1", key, "secret")


@pytest.mark.parametrize("window", [0, 60_001])
def test_a_fence_has_a_sensible_width(window):
    with pytest.raises(ConfigError):
        VenueSettings("http://127.0.0.1:1", recv_window_ms=window)
