"""Messages of the user data stream: what is read, what is kept, what is refused."""

import json
from decimal import Decimal

import pytest

from qtops.adapters.binance.events import read_message
from qtops.contracts.account_event import EventKind
from qtops.errors import DecodeError

ORDER = {
    "s": "TRXUSDT",
    "c": "q-abc",
    "S": "SELL",
    "o": "MARKET",
    "ap": "0.3012",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 8886774,
    "l": "40",
    "z": "100",
    "L": "0.3015",
    "n": "0.0012",
    "N": "BNB",
    "t": 1234,
    "rp": "-0.25",
    "R": True,
    "brand_new": 5,
}
POSITION = {"s": "TRXUSDT", "pa": "-17", "ep": "0.3", "ps": "BOTH"}
ACCOUNT = {"m": "ORDER", "B": [{"a": "USDT", "wb": "99.5", "bc": "0"}], "P": [POSITION]}


def order_message(**changes):
    body = {k: v for k, v in (ORDER | changes).items() if v is not None}
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "E": 12, "T": 11, "o": body})


def account_message(**changes):
    body = {k: v for k, v in (ACCOUNT | changes).items() if v is not None}
    return json.dumps({"e": "ACCOUNT_UPDATE", "E": 12, "T": 11, "a": body})


def test_an_order_event_says_what_was_filled_and_keeps_the_rest():
    name, event = read_message(order_message())
    assert name == "ORDER_TRADE_UPDATE"
    assert (event.kind, event.event_ms, event.transaction_ms) == (EventKind.ORDER, 12, 11)
    order = event.order
    assert (order.order_id, order.client_order_id, order.status) == (
        "8886774",
        "q-abc",
        "PARTIALLY_FILLED",
    )
    assert (order.executed_quantity, order.average_price) == (Decimal(100), Decimal("0.3012"))
    fill = order.fill
    assert (fill.trade_id, fill.quantity, fill.price) == ("1234", Decimal(40), Decimal("0.3015"))
    assert (fill.commission, fill.commission_asset) == (Decimal("0.0012"), "BNB")
    assert fill.realized_pnl == Decimal("-0.25")
    assert event.extra == {"o": "MARKET", "R": "true", "brand_new": "5"}


@pytest.mark.parametrize("commission", [{}, {"n": None, "N": None}])
def test_an_order_without_a_fill_has_none_and_no_price(commission):
    changes = {"x": "NEW", "X": "NEW", "t": 0, "l": "0", "L": "0", "z": "0", "ap": "0"}
    _, event = read_message(order_message(**changes, **commission))
    assert (event.order.fill, event.order.average_price) == (None, None)


@pytest.mark.parametrize("name", ["s", "c", "S", "X", "x", "i", "z", "ap", "t", "l", "L", "rp"])
def test_an_order_event_without_a_field_that_matters_is_refused(name):
    with pytest.raises(DecodeError) as fault:
        read_message(order_message(**{name: None}))
    assert fault.value.field == name


def test_an_account_event_has_wallets_and_signed_positions():
    _, event = read_message(account_message())
    assert event.account.reason == "ORDER"
    assert event.account.balances == {"USDT": Decimal("99.5")}
    assert event.account.positions == {"TRXUSDT": Decimal(-17)}
    assert json.loads(event.extra["P"])[0]["ep"] == "0.3"


def test_a_side_of_a_hedged_position_is_not_taken_for_the_position():
    _, event = read_message(account_message(P=[{**POSITION, "ps": "LONG"}]))
    assert event.account.positions == {}


@pytest.mark.parametrize(
    "changes", [{"m": None}, {"P": 5}, {"P": ["x"]}, {"B": [{"a": "USDT"}]}, {"B": [{"wb": "1"}]}]
)
def test_a_malformed_account_event_is_refused(changes):
    with pytest.raises(DecodeError):
        read_message(account_message(**changes))


@pytest.mark.parametrize("raw", ["", "[]", "5", "{}", '{"e": 5}', '{"e": "ORDER_TRADE_UPDATE"}'])
def test_what_is_no_event_is_refused(raw):
    with pytest.raises(DecodeError):
        read_message(raw)


def test_other_events_are_named_and_passed_over():
    assert read_message('{"e": "TRADE_LITE", "s": "X"}') == ("TRADE_LITE", None)
