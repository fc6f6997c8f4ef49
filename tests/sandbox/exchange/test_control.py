"""The control interface: what it moves, and what it refuses."""

import time

import pytest

from tests.sandbox.exchange.conftest import KEY, SECRET, now_ms, scenario


async def test_orders_are_listed_newest_last_with_their_arrival(api):
    started = now_ms()
    await api.market("ETHUSDT", "SELL", "1", newClientOrderId="a")
    await api.market("BTCUSDT", "SELL", "1", reduceOnly="true")
    await api.limit("BTCUSDT", "BUY", "0.01", "85000", newClientOrderId="b")
    told = (await api.control("GET", "orders")).json()
    assert told["requests_received"] == 3
    assert [order["clientOrderId"] for order in told["orders"]] == ["a", "b"]
    assert [order["status"] for order in told["orders"]] == ["FILLED", "NEW"]
    assert all(started <= order["arrival_ms"] <= now_ms() for order in told["orders"])


async def test_requests_are_counted_even_without_a_valid_key(api):
    await api.http.post("/fapi/v1/order")
    await api.signed("POST", "/v1/batchOrders", batchOrders="[]")
    await api.signed("POST", "/v1/order/test")
    await api.signed("GET", "/v1/order")
    assert (await api.control("GET", "orders")).json()["requests_received"] == 2


async def test_a_position_is_put_in_place(api):
    answer = await api.control(
        "POST", "positions", symbol="SOLUSDT", amount="-12.5", entry_price=130
    )
    assert answer.json() == {"symbol": "SOLUSDT", "position_side": "BOTH", "amount": "-12.5"}
    (row,) = (await api.signed("GET", "/v3/positionRisk", symbol="SOLUSDT")).json()
    assert (row["positionAmt"], row["entryPrice"]) == ("-12.50", "130.0")
    assert row["unRealizedProfit"] == "25.00000000"
    await api.control("POST", "positions", symbol="SOLUSDT", amount=0, entry_price=130)
    assert (await api.signed("GET", "/v3/positionRisk", symbol="SOLUSDT")).json() == []


async def test_the_mark_price_moves_every_price(api):
    await api.control("POST", "prices", symbol="ETHUSDT", mark_price="3000.5")
    assert (await api.public("/v1/premiumIndex", symbol="ETHUSDT")).json()["markPrice"] == (
        "3000.50000000"
    )
    assert (await api.public("/v2/ticker/price", symbol="ETHUSDT")).json()["price"] == "3000.50"
    candles = await api.public("/v1/klines", symbol="ETHUSDT", interval="1m", limit=1)
    assert candles.json()[-1][4] == "3000.50"


async def test_the_clock_moves_and_signatures_age_with_it(api):
    answer = (await api.control("POST", "clock", offset_ms=-3_600_000)).json()
    assert answer["offset_ms"] == -3_600_000
    told = (await api.public("/v1/time")).json()["serverTime"]
    assert abs(told - (time.time_ns() // 1_000_000 - 3_600_000)) < 5000
    refused = (await api.signed("GET", "/v3/balance")).json()
    assert refused["code"] == -1021
    assert "ahead" in refused["msg"]


async def test_the_available_balance_is_set_exactly(api):
    await api.control("POST", "balance", available="12.5")
    account = (await api.signed("GET", "/v3/account")).json()
    assert account["availableBalance"] == "12.50000000"
    assert (await api.market("BTCUSDT", "BUY", "1")).json()["code"] == -2019
    (row,) = (await api.signed("GET", "/v1/income", incomeType="TRANSFER")).json()
    assert row["income"].startswith("-98734.16")


async def test_the_state_tells_everything_but_secrets(api):
    text = (await api.control("GET", "state")).text
    assert KEY not in text
    assert SECRET not in text
    assert '"scenario":"exit-proof"' in text


class TestHedge:
    @pytest.fixture
    def start(self):
        return scenario("flat", hedge_mode=True)

    async def test_the_sign_chooses_the_side(self, api):
        for amount in (3, -2):
            await api.control("POST", "positions", symbol="ETHUSDT", amount=amount, entry_price=1)
        rows = (await api.signed("GET", "/v2/positionRisk", symbol="ETHUSDT")).json()
        assert {row["positionSide"]: row["positionAmt"] for row in rows} == {
            "LONG": "3.000",
            "SHORT": "-2.000",
        }

    async def test_a_side_has_its_sign(self, api):
        body = {"symbol": "ETHUSDT", "amount": -1, "entry_price": 1, "position_side": "LONG"}
        assert (await api.control("POST", "positions", **body)).json()["field"] == "amount"


FAULT = {"path": "/fapi/v1/order", "kind": "error", "value": -1}
WRONG = [
    ("positions", {"amount": 1, "entry_price": 1}, "symbol"),
    ("positions", {"symbol": "NOSUCH", "amount": 1, "entry_price": 1}, "symbol"),
    ("positions", {"symbol": "ETHUSDT", "entry_price": 1}, "amount"),
    ("positions", {"symbol": "ETHUSDT", "amount": "x", "entry_price": 1}, "amount"),
    ("positions", {"symbol": "ETHUSDT", "amount": True, "entry_price": 1}, "amount"),
    ("positions", {"symbol": "ETHUSDT", "amount": "0.000000001", "entry_price": 1}, "amount"),
    ("positions", {"symbol": "ETHUSDT", "amount": 1, "entry_price": 0}, "entry_price"),
    ("positions", {"symbol": "ETHUSDT", "amount": 1, "entry_price": 1, "x": 1}, "x"),
    (
        "positions",
        {"symbol": "ETHUSDT", "amount": 1, "entry_price": 1, "position_side": "LONG"},
        "position_side",
    ),
    ("prices", {"symbol": "ETHUSDT"}, "mark_price"),
    ("prices", {"symbol": "ETHUSDT", "mark_price": -1}, "mark_price"),
    ("prices", {"symbol": "ETHUSDT", "mark_price": "NaN"}, "mark_price"),
    ("prices", {"symbol": 7, "mark_price": 1}, "symbol"),
    ("clock", {"offset": 1}, "offset_ms"),
    ("clock", {"offset_ms": 1.5}, "offset_ms"),
    ("clock", {"offset_ms": 10**18}, "offset_ms"),
    ("balance", {"available": -1}, "available"),
    ("balance", {}, "body"),
    ("faults", {"kind": "error", "value": -1}, "path"),
    ("faults", {**FAULT, "path": "order"}, "path"),
    ("faults", {**FAULT, "method": "FETCH"}, "method"),
    ("faults", {**FAULT, "kind": "explode"}, "kind"),
    ("faults", {**FAULT, "count": 0}, "count"),
    ("faults", {**FAULT, "value": None}, "value"),
    ("faults", {**FAULT, "value": 5}, "value"),
    ("faults", {**FAULT, "value": "-1.5"}, "value"),
    ("faults", {**FAULT, "kind": "latency_ms", "value": None}, "value"),
    ("faults", {**FAULT, "kind": "latency_ms", "value": 10**9}, "value"),
    ("faults", {**FAULT, "kind": "partial_fill", "value": 1}, "value"),
    ("faults", {**FAULT, "kind": "unavailable_503", "value": 3}, "value"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG)
async def test_what_cannot_be_followed_is_refused_by_name(api, path, body, field):
    before = (await api.control("GET", "state")).json()
    response = await api.control("POST", path, **body)
    assert (response.status_code, response.json()["field"]) == (400, field), response.text
    assert set(response.json()) == {"error", "field"}
    after = (await api.control("GET", "state")).json()
    assert {**after, "time_ms": 0} == {**before, "time_ms": 0}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"nonsense"])
async def test_a_body_that_is_no_object(api, content):
    response = await api.http.post("/sandbox/v1/clock", content=content)
    assert (response.status_code, response.json()["field"]) == (400, "body")


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("DELETE", "orders")])
async def test_an_unknown_route_names_the_known_ones(api, method, path):
    response = await api.control(method, path)
    assert response.status_code == 404
    assert "POST faults" in response.json()["error"]
