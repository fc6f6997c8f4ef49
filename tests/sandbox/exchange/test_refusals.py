"""Every documented refusal of a new order: one rule broken at a time, everything else in order."""

import pytest

from tests.sandbox.exchange.conftest import scenario

BASE = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "2900",
}
AVAX = {**BASE, "symbol": "AVAXUSDT", "quantity": "10", "price": "12"}
BTC = {**BASE, "symbol": "BTCUSDT", "quantity": "0.01", "price": "88000"}
MARKET = {"type": "MARKET", "price": None, "timeInForce": None}
RULES = {
    "symbol missing": ({"symbol": None}, -1102),
    "symbol unlisted": ({"symbol": "NOSUCH"}, -1121),
    "symbol in small letters": ({"symbol": "ethusdt"}, -1121),
    "side missing": ({"side": None}, -1102),
    "side wrong": ({"side": "LONG"}, -1117),
    "type missing": ({"type": None}, -1102),
    "type wrong": ({"type": "STOP_LIMIT"}, -1116),
    "type stop": ({"type": "STOP"}, -4120),
    "type stop market": ({"type": "STOP_MARKET"}, -4120),
    "type take profit": ({"type": "TAKE_PROFIT"}, -4120),
    "type take profit market": ({"type": "TAKE_PROFIT_MARKET"}, -4120),
    "type trailing": ({"type": "TRAILING_STOP_MARKET"}, -4120),
    "time in force missing": ({"timeInForce": None}, -1102),
    "time in force wrong": ({"timeInForce": "DAY"}, -1115),
    "response type wrong": ({"newOrderRespType": "FULL"}, -1136),
    "price match wrong": ({"price": None, "priceMatch": "OPPONENT_10"}, -5037),
    "price match and price": ({"priceMatch": "QUEUE"}, -1106),
    "price match with market": ({**MARKET, "priceMatch": "QUEUE"}, -5038),
    "self trade mode wrong": ({"selfTradePreventionMode": "EXPIRE"}, -5039),
    "quantity missing": ({"quantity": None}, -1102),
    "quantity empty": ({"quantity": ""}, -1102),
    "quantity scientific": ({"quantity": "1e-07"}, -1100),
    "quantity not a number": ({"quantity": "NaN"}, -1100),
    "price missing": ({"price": None}, -1102),
    "price scientific": ({"price": "2.9e3"}, -1100),
    "price with market": ({**MARKET, "price": "2900"}, -1106),
    "time in force with market": ({**MARKET, "timeInForce": "GTC"}, -1106),
    "stop price": ({"stopPrice": "2900"}, -1106),
    "close position": ({"closePosition": "true"}, -1106),
    "reduce only wrong": ({"reduceOnly": "yes"}, -4062),
    "client id characters": ({"newClientOrderId": "a b"}, -1100),
    "client id length": ({"newClientOrderId": "x" * 37}, -4015),
    "position side wrong": ({"positionSide": "UP"}, -4060),
    "position side of the other mode": ({"positionSide": "LONG"}, -4061),
    "good till missing": ({"timeInForce": "GTD"}, -1102),
    "good till too soon": ({"timeInForce": "GTD", "goodTillDate": "1700000000000"}, -5040),
    "quantity zero": ({"quantity": "0"}, -4003),
    "quantity negative": ({"quantity": "-1"}, -4003),
    "quantity precision": ({"quantity": "0.1001"}, -1111),
    "price zero": ({"price": "0"}, -4001),
    "price precision": ({"price": "2900.001"}, -1111),
    "price above maximum": ({"price": "306177.01", "side": "SELL"}, -4002),
    "price below minimum": ({"price": "39.85"}, -4013),
    "price off tick": ({**BTC, "price": "88000.05"}, -4014),
    "quantity below minimum": ({**AVAX, "quantity": "0.5"}, -4004),
    "quantity off step": ({**AVAX, "quantity": "10.5"}, -4023),
    "limit quantity above maximum": ({**BTC, "quantity": "1000.001"}, -4005),
    "market quantity above its own maximum": ({**BTC, **MARKET, "quantity": "120.001"}, -4005),
    "price above the band": ({"price": "3097.51"}, -4016),
    "price below the band": ({"price": "2802.49", "side": "SELL"}, -4024),
    "limit notional": ({"quantity": "0.006"}, -4164),
    "market notional at the mark": ({**MARKET, "quantity": "0.006"}, -4164),
    "notional of bitcoin": ({**BTC, **MARKET, "quantity": "0.001"}, -4164),
    "reduce only in a flat symbol": ({**BTC, "reduceOnly": "true"}, -2022),
    "reduce only in the position's direction": ({"reduceOnly": "true"}, -2022),
    "margin": ({**BTC, "quantity": "50"}, -2019),
    "fill or kill that cannot": ({"timeInForce": "FOK"}, -5021),
    "post only that would take": ({"timeInForce": "GTX", "price": "2950"}, -5022),
}
ACCEPTED = {
    "the base": {},
    "smallest notional": {"quantity": "0.007", "price": "2858"},
    "trailing zeros beyond the precision": {"quantity": "0.1000000", "price": "2900.000"},
    "limit above the market's maximum": {"side": "SELL", "quantity": "0.1", "price": "3000"},
    "highest price of the band": {"price": "3097.5", "quantity": "0.01"},
    "buy far below the mark": {"price": "100", "quantity": "1"},
    "reduce only below the notional": {
        **MARKET,
        "side": "SELL",
        "quantity": "0.001",
        "reduceOnly": "true",
    },
    "flags in capitals": {"reduceOnly": "FALSE"},
    "position side named": {"positionSide": "BOTH"},
    "price matching": {"price": None, "priceMatch": "QUEUE_5"},
    "client id with every character": {"newClientOrderId": "aZ09.:/_-"},
    "longest client id": {"newClientOrderId": "x" * 36},
}


@pytest.mark.parametrize(("changes", "code"), RULES.values(), ids=RULES)
async def test_each_rule_on_its_own(api, changes, code):
    response = await api.order(**{**BASE, **changes})
    assert (response.json().get("code"), response.status_code) == (code, 400), response.text
    test = await api.signed("POST", "/v1/order/test", **{**BASE, **changes})
    assert test.json()["code"] == code
    orders = (await api.control("GET", "orders")).json()
    assert (orders["orders"], orders["requests_received"]) == ([], 1)


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
async def test_what_is_in_order_is_accepted(api, changes):
    test = await api.signed("POST", "/v1/order/test", **{**BASE, **changes})
    assert test.json()["orderId"] == 0
    assert (await api.control("GET", "orders")).json()["orders"] == []
    response = await api.order(**{**BASE, **changes})
    assert response.status_code == 200, response.text
    assert response.json()["orderId"] > 0


class TestRich:
    """Refusals that the usual balance hides."""

    @pytest.fixture
    def start(self):
        return scenario(wallet_balance=10**9, leverage=100)

    async def test_leverage_bracket(self, api):
        response = await api.order(**{**BTC, "quantity": "50"})
        assert response.json()["code"] == -2027

    async def test_open_order_limit(self, api, venue):
        for _ in range(200):
            assert (await api.order(**BASE)).status_code == 200
        assert (await api.order(**BASE)).json()["code"] == -2025


class TestHedge:
    """What differs in hedge mode."""

    @pytest.fixture
    def start(self):
        return scenario(hedge_mode=True)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({}, -4061),
            ({"positionSide": "BOTH"}, -4061),
            ({"positionSide": "LONG", "reduceOnly": "true"}, -1106),
            ({"positionSide": "LONG", "reduceOnly": "false"}, -1106),
            ({"positionSide": "SHORT"}, -2022),
            ({**MARKET, "positionSide": "LONG", "side": "SELL", "quantity": "6.679"}, -2022),
        ],
    )
    async def test_refusals(self, api, changes, code):
        assert (await api.order(**{**BASE, **changes})).json()["code"] == code

    async def test_both_sides_live_side_by_side(self, api):
        opened = await api.market("ETHUSDT", "SELL", "1", positionSide="SHORT")
        assert opened.json()["status"] == "FILLED"
        closed = await api.market("ETHUSDT", "SELL", "0.001", positionSide="LONG")
        assert closed.json()["status"] == "FILLED"
        rows = (await api.signed("GET", "/v2/positionRisk", symbol="ETHUSDT")).json()
        amounts = {row["positionSide"]: row["positionAmt"] for row in rows}
        assert amounts == {"LONG": "6.677", "SHORT": "-1.000"}


NOT_FOUND = [
    ("GET", "/v1/order", {"orderId": 1}, -2013),
    ("GET", "/v1/order", {"origClientOrderId": "x"}, -2013),
    ("GET", "/v1/order", {}, -1102),
    ("GET", "/v1/openOrder", {"orderId": 1}, -2013),
    ("DELETE", "/v1/order", {"orderId": 1}, -2011),
    ("DELETE", "/v1/order", {}, -1102),
    ("DELETE", "/v1/batchOrders", {}, -1102),
    ("DELETE", "/v1/batchOrders", {"orderIdList": "[]"}, -4082),
    ("DELETE", "/v1/batchOrders", {"orderIdList": '["x"]'}, -1130),
    ("POST", "/v1/batchOrders", {"batchOrders": "[]"}, -4082),
    ("POST", "/v1/batchOrders", {"batchOrders": "{}"}, -1130),
    ("POST", "/v1/batchOrders", {"batchOrders": "nonsense"}, -1130),
    ("POST", "/v1/countdownCancelAll", {}, -1102),
    ("POST", "/v1/leverage", {"leverage": 126}, -4028),
    ("POST", "/v1/leverage", {"leverage": 0}, -4028),
    ("POST", "/v1/marginType", {"marginType": "CROSSED"}, -4046),
    ("POST", "/v1/marginType", {"marginType": "ISOLATED"}, -4048),
    ("POST", "/v1/marginType", {"marginType": "OTHER"}, -1130),
    ("POST", "/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
    ("POST", "/v1/positionSide/dual", {"dualSidePosition": "true"}, -4068),
    ("POST", "/v1/positionSide/dual", {"dualSidePosition": "maybe"}, -1130),
    ("POST", "/v1/multiAssetsMargin", {"multiAssetsMargin": "false"}, -4171),
    ("GET", "/v1/userTrades", {"startTime": 2, "endTime": 1}, -1023),
    ("GET", "/v1/userTrades", {"startTime": 1, "endTime": 10**10}, -1127),
    ("GET", "/v1/userTrades", {"fromId": 1, "startTime": 1}, -1128),
    ("GET", "/v1/allOrders", {"limit": 1001}, -1130),
    ("GET", "/v1/commissionRate", {"symbol": "NOSUCH"}, -1121),
]


@pytest.mark.parametrize(("method", "path", "params", "code"), NOT_FOUND)
async def test_refusals_of_other_endpoints(api, method, path, params, code):
    response = await api.signed(method, path, **{"symbol": "ETHUSDT", **params})
    assert (response.json().get("code"), response.status_code) == (code, 400), response.text


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/v1/klines", {"symbol": "BTCUSDT", "interval": "1s"}, -1120),
        ("/v1/klines", {"symbol": "BTCUSDT"}, -1102),
        ("/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1501}, -1130),
        ("/v1/depth", {"symbol": "BTCUSDT", "limit": 3}, -4021),
        ("/v1/ticker/24hr", {"symbol": "NOTAREALSYM"}, -1121),
        ("/v1/aggTrades", {"symbol": "BTCUSDT", "startTime": 0, "endTime": 3_600_000}, -1127),
    ],
)
async def test_refusals_of_public_endpoints(api, path, params, code):
    response = await api.public(path, **params)
    assert (response.json()["code"], response.status_code) == (code, 400)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nonsense"), ("PATCH", "/v1/order")])
async def test_an_unknown_path_is_404_in_json(api, method, path):
    response = await api.signed(method, path)
    assert response.status_code == 404
    assert response.json() == {
        "code": -5000,
        "msg": f"Path /fapi{path}, Method {method} is invalid",
    }
