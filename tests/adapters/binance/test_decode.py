"""Real shapes of 2026 and the older ones, and what must not pass."""

from decimal import Decimal

import pytest

from qtops.adapters.binance import decode
from qtops.contracts.market import Kline
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError

POSTED = {
    "orderId": 33878894217,
    "symbol": "DOTUSDT",
    "status": "FILLED",
    "clientOrderId": "qt-abc",
    "price": "0.000000",
    "origQty": "4.9",
    "executedQty": "4.9",
    "cumQty": "4.9",
    "timeInForce": "GTC",
    "type": "MARKET",
    "reduceOnly": True,
    "closePosition": False,
    "side": "SELL",
    "positionSide": "BOTH",
    "origType": "MARKET",
    "updateTime": 1789837689736,
}
RISK = {
    "symbol": "BNBUSDT",
    "positionSide": "BOTH",
    "positionAmt": "-0.02",
    "entryPrice": "313.20000000000005",
    "markPrice": "313.1",
    "unRealizedProfit": "0.00200000",
    "updateTime": 1720736417660,
    "maxNotionalValue": "1.0E8",
}
ENTRY = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "contractType": "PERPETUAL",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "1", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "stepSize": "0.001", "maxQty": "1000"},
        {"stepSize": "0.002", "filterType": "MARKET_LOT_SIZE", "minQty": "0.003", "maxQty": "120"},
        {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
        {"filterType": "MIN_NOTIONAL", "notional": "50"},
    ],
}


def test_a_posted_order_of_2026_has_no_price():
    order = decode.order(POSTED)
    assert order.average_price is None
    assert order.order_id == "33878894217"
    assert order.client_order_id == "qt-abc"
    assert order.side is Side.SELL
    assert order.reduce_only
    assert order.executed_quantity == Decimal("4.9")
    assert order.is_final


@pytest.mark.parametrize(
    ("raw", "price"), [("1.1359000", Decimal("1.1359")), ("0.00000", None), (None, None)]
)
def test_the_average_price_is_taken_where_the_exchange_says_one(raw, price):
    assert decode.order({**POSTED, "avgPrice": raw, "cumQuote": "5.5"}).average_price == price


def test_an_acknowledged_order_is_not_final():
    order = decode.order({**POSTED, "status": "NEW", "executedQty": "0.00"})
    assert not order.is_final
    assert order.executed_quantity == 0


@pytest.mark.parametrize("field", ["orderId", "clientOrderId", "side", "status", "executedQty"])
def test_an_order_without_a_needed_field_names_it(field):
    with pytest.raises(DecodeError) as caught:
        decode.order({key: value for key, value in POSTED.items() if key != field})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "change",
    [
        {"side": "HOLD"},
        {"orderId": "1"},
        {"orderId": True},
        {"executedQty": "NaN"},
        {"executedQty": "Infinity"},
        {"executedQty": True},
        {"executedQty": ["1"]},
        {"reduceOnly": "true"},
    ],
    ids=str,
)
def test_a_field_of_the_wrong_type_is_refused(change):
    with pytest.raises(DecodeError):
        decode.order({**POSTED, **change})


def test_float_noise_and_exponents_are_numbers():
    [position] = decode.positions([{**RISK, "positionAmt": "1.0E8"}])
    assert position.entry_price == Decimal("313.20000000000005")
    assert position.amount == 100_000_000


def test_empty_positions_are_left_out():
    flat = [{**RISK, "positionAmt": amount} for amount in ("0", "0.00", "0E-8", "-0.0")]
    [position] = decode.positions([*flat, RISK])
    assert position.amount == Decimal("-0.02")
    assert position.position_side == "BOTH"


def test_a_json_number_is_read_as_written_not_as_a_float():
    body = decode.parse_json(
        b'{"totalWalletBalance":0.1234567890123456789012,'
        b'"totalUnrealizedProfit":-1,"availableBalance":"5"}'
    )
    balance = decode.balance(body)
    assert balance.wallet == Decimal("0.1234567890123456789012")
    assert balance.equity == Decimal("-0.8765432109876543210988")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"a":NaN}', b"[Infinity]", b"\xff\xfe", b"[" * 100_000],
    ids=len,
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(DecodeError):
        decode.parse_json(body)


def test_filters_come_from_their_own_lot():
    rules = decode.filters({"symbols": [ENTRY]})["BTCUSDT"]
    assert (rules.lot_step, rules.lot_min, rules.lot_max) == (
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal(1000),
    )
    assert (rules.market_step, rules.market_min, rules.market_max) == (
        Decimal("0.002"),
        Decimal("0.003"),
        Decimal(120),
    )
    assert rules.price_tick == Decimal("0.1")
    assert rules.min_notional == 50
    assert (rules.price_precision, rules.quantity_precision) == (2, 3)


def test_one_pending_symbol_does_not_hide_the_others():
    pending = {"symbol": "NEWUSDT", "status": "PENDING_TRADING", "filters": []}
    assert set(decode.filters({"symbols": [pending, None, ENTRY]})) == {"BTCUSDT"}


@pytest.mark.parametrize("info", [{}, {"symbols": []}, {"symbols": [{}]}, [], None], ids=str)
def test_an_exchange_without_any_rule_is_an_error(info):
    with pytest.raises(DecodeError):
        decode.filters(info)


def test_rate_limits_are_named_by_kind_and_span():
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        {"rateLimitType": "ODD"},
    ]
    assert decode.rate_limits({"rateLimits": limits}) == {
        "REQUEST_WEIGHT/1M": 6000,
        "ORDERS/10S": 300,
    }
    assert decode.rate_limits({}) == {}


def test_marks_and_klines():
    rows = [{"symbol": "A", "markPrice": "76916.95122464"}, {"symbol": "B", "markPrice": "0.000"}]
    assert decode.mark_prices(rows) == {"A": Decimal("76916.95122464")}
    klines = [[1, "1", "2", "3", "76965.40", "5"], [2, "1", "2", "3", "76953.60", "5"]]
    assert decode.klines(klines) == [
        Kline(1, Decimal("76965.40")),
        Kline(2, Decimal("76953.60")),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [[1, "2"]],
        ["x"],
        [[1, "2", "3", "4", None]],
        [["1", "2", "3", "4", "5"]],
        [[True, "2", "3", "4", "5"]],
        [[1, "2", "3", "4", "0"]],
        [[1, "2", "3", "4", "-5"]],
    ],
    ids=str,
)
def test_malformed_klines_are_refused(rows):
    with pytest.raises(DecodeError):
        decode.klines(rows)


def test_a_fee_may_be_in_another_coin():
    [trade] = decode.trades(
        [
            {
                "id": 1189522421,
                "orderId": 33866374373,
                "price": "1.135800",
                "qty": "5.3",
                "realizedPnl": "-0.00052999",
                "commission": "0.00000362",
                "commissionAsset": "BNB",
                "time": 1789735344545,
            }
        ]
    )
    assert trade.commission_asset == "BNB"
    assert trade.realized_pnl == Decimal("-0.00052999")
    assert (trade.trade_id, trade.order_id) == ("1189522421", "33866374373")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": -2019, "msg": "Margin is insufficient."}, (-2019, "Margin is insufficient.")),
        ({"code": -1, "msg": None}, (-1, "")),
        ({"code": 200, "msg": "success"}, None),
        ({"code": "200", "msg": "success"}, None),
        ({"code": True}, None),
        ([], None),
        (None, None),
    ],
    ids=str,
)
def test_an_error_body_has_a_negative_code(body, expected):
    assert decode.error(body) == expected
