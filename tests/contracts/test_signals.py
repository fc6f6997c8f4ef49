"""Bodies as TradingView, freqtrade and our own bots send them, right and wrong."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.codec import decode_fields, parse_json_object
from qtops.contracts.intent import Intent
from qtops.contracts.signals import SECRETS, Ignored, Shape, intent_of, shape_of, token_in
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError

TV = {"token": "x", "ticker": "BINANCE:BTCUSDT.P", "action": "buy", "contracts": "0.002"}
FT = {"type": "entry", "pair": "BTC/USDT:USDT", "direction": "Long", "amount": "0.01000000"}
PLAIN = {"symbol": "BTCUSDT", "side": "SELL", "qty": 0.5}


def read(body):
    """As the intake does: JSON text first, so that numbers are what they will be."""
    parsed = parse_json_object(json.dumps(body), "body")
    return intent_of(parsed, shape_of(parsed))


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (TV, Shape.TRADINGVIEW),
        ({"strategy": {"order_action": "buy"}, "symbol": "BTCUSDT"}, Shape.TRADINGVIEW),
        ({**TV, "type": "market"}, Shape.TRADINGVIEW),
        (FT, Shape.FREQTRADE),
        ({"type": "status", "status": "running"}, Shape.FREQTRADE),
        (PLAIN, Shape.PLAIN),
        ({**PLAIN, "type": "MARKET"}, Shape.PLAIN),
    ],
)
def test_a_shape_is_known_by_its_fields(body, shape):
    assert shape_of(body) is shape


@pytest.mark.parametrize("body", [{}, {"text": "BTC is up"}, {"side": "BUY", "qty": 1}])
def test_a_body_of_no_shape_is_refused(body):
    with pytest.raises(DecodeError) as caught:
        shape_of(body)
    assert caught.value.reason == "unknown_shape"


@pytest.mark.parametrize(
    ("change", "symbol", "side", "qty", "usd", "reduce_only"),
    [
        ({}, "BTCUSDT", Side.BUY, "0.002", None, None),
        ({"ticker": "BTCUSDT"}, "BTCUSDT", Side.BUY, "0.002", None, None),
        ({"ticker": "btcusdtperp"}, "BTCUSDT", Side.BUY, "0.002", None, None),
        ({"ticker": "BINANCE:1000PEPEUSDT.P"}, "1000PEPEUSDT", Side.BUY, "0.002", None, None),
        ({"action": "SELL"}, "BTCUSDT", Side.SELL, "0.002", None, None),
        ({"contracts": 0.1}, "BTCUSDT", Side.BUY, "0.1", None, None),
        (
            {"contracts": None, "position_size_usd": 25.5},
            *("BTCUSDT", Side.BUY, None, "25.5", None),
        ),
        (
            {"action": "sell", "market_position": "flat"},
            *("BTCUSDT", Side.SELL, "0.002", None, True),
        ),
        (
            {"market_position": "flat", "reduceOnly": False},
            *("BTCUSDT", Side.BUY, "0.002", None, False),
        ),
        ({"market_position": "short"}, "BTCUSDT", Side.BUY, "0.002", None, None),
    ],
)
def test_tradingview(change, symbol, side, qty, usd, reduce_only):
    intent = read({**TV, **change})
    assert (intent.symbol, intent.side, intent.reduce_only) == (symbol, side, reduce_only)
    assert intent.quantity == (Decimal(qty) if qty else None)
    assert intent.notional_usdt == (Decimal(usd) if usd else None)
    assert intent.source == "tradingview"


def test_the_usual_strategy_alert():
    intent = read(
        {
            "passphrase": "hunter2",
            "time": "2026-11-30T00:00:00Z",
            "timenow": "2026-12-01T03:00:07Z",
            "exchange": "BINANCE",
            "ticker": "ETHUSDT.P",
            "alert_id": "ema-cross",
            "bar": {"open": 1, "close": 2},
            "strategy": {
                "order_action": "sell",
                "order_contracts": 1.25,
                "order_id": "Close entry(s) order Long",
                "market_position": "flat",
                "prev_market_position": "long",
            },
        }
    )
    assert (intent.symbol, intent.side, intent.quantity) == ("ETHUSDT", Side.SELL, Decimal("1.25"))
    assert intent.reduce_only is True
    assert intent.timestamp_ms == 1_796_094_007_000
    assert intent.extra["signal_id"] == "ema-cross@2026-12-01T03:00:07Z"
    assert intent.extra["order_id"] == "Close entry(s) order Long"
    assert "hunter2" not in json.dumps(intent.to_fields())
    assert "bar" not in intent.extra


def test_an_alert_without_a_time_is_not_known_again_by_its_name():
    """The name is the same at every firing: the second would be a duplicate of the first."""
    assert "signal_id" not in read({**TV, "alert_id": "ema-cross"}).extra
    assert read({**TV, "signal_id": "s1"}).extra["signal_id"] == "s1"


@pytest.mark.parametrize(
    ("change", "side", "reduce_only"),
    [
        ({"type": "entry", "direction": "Long"}, Side.BUY, None),
        ({"type": "entry", "direction": "short"}, Side.SELL, None),
        ({"type": "exit", "direction": "Long"}, Side.SELL, True),
        ({"type": "exit", "direction": "Short"}, Side.BUY, True),
    ],
)
def test_freqtrade(change, side, reduce_only):
    intent = read({**FT, **change, "order_type": "limit"})
    assert (intent.symbol, intent.side, intent.reduce_only) == ("BTCUSDT", side, reduce_only)
    assert intent.quantity == Decimal("0.01")
    assert intent.source == "freqtrade"
    assert intent.extra["signal_type"] == change["type"]
    assert not intent.extra.keys() & {"type", "order_type"}  # those would be our order's


def test_a_freqtrade_stake_is_margin():
    stake = {"amount": None, "stake_amount": "   12.50000000", "leverage": 3}
    assert read({**FT, **stake}).notional_usdt == Decimal("37.5")
    both = {"stake_amount": "12.5", "leverage": "3"}
    assert read({**FT, **both}).quantity == Decimal("0.01")


def test_a_freqtrade_entry_sent_again_is_the_same_signal_and_an_exit_is_not():
    entry = {**FT, "trade_id": 7, "token": "a"}
    again = {**entry, "token": "b"}
    assert read(entry).extra["signal_id"] == read(again).extra["signal_id"]
    other = {**entry, "amount": "0.02"}
    assert read(other).extra["signal_id"] != read(entry).extra["signal_id"]
    assert "signal_id" not in read({**entry, "type": "exit"}).extra
    assert "signal_id" not in read(FT).extra


@pytest.mark.parametrize(
    "kind",
    ["status", "entry_fill", "exit_fill", "entry_cancel", "exit_cancel", "startup", "warning"],
)
def test_what_only_informs_is_ignored(kind):
    answer = read({**FT, "type": kind})
    assert isinstance(answer, Ignored)
    assert (answer.reason, kind in answer.message) == ("informs_only", True)


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({**TV, "ticker": "BYBIT:BTCUSDT.P"}, "bad_symbol", "ticker"),
        ({**TV, "ticker": "BTC/USDT"}, "bad_symbol", "ticker"),
        ({**TV, "ticker": "{{ticker}}"}, "bad_symbol", "ticker"),
        ({**TV, "action": "{{strategy.order.action}}"}, "bad_action", "action"),
        ({**TV, "action": "close"}, "bad_action", "action"),
        ({**TV, "action": None}, "missing_action", "action"),
        ({**TV, "side": "sell"}, "contradictory", "action"),
        ({**TV, "strategy": {"action": "sell"}}, "contradictory", "action"),
        ({**TV, "contracts": "{{strategy.order.contracts}}"}, "bad_decimal", "qty"),
        ({**TV, "contracts": None}, "bad_size", "qty"),
        ({**TV, "contracts": 0}, "bad_qty", "qty"),
        ({**TV, "contracts": -1}, "bad_qty", "qty"),
        ({**TV, "contracts": True}, "bad_decimal", "qty"),
        ({**TV, "contracts": "NaN"}, "bad_decimal", "qty"),
        ({**TV, "contracts": "1e400"}, "bad_decimal", "qty"),
        ({**TV, "qty": "0.003"}, "contradictory", "qty"),
        ({**TV, "position_size_usd": 5}, "bad_size", "qty"),
        ({**TV, "timenow": "now"}, "bad_time", "timestamp"),
        ({**FT, "pair": "BTCUSDT"}, "bad_symbol", "pair"),
        ({**FT, "pair": "BTC/USD:BTC"}, "bad_symbol", "pair"),
        ({**FT, "pair": "BTC/USDT:USDT-260327"}, "bad_symbol", "pair"),
        ({**FT, "direction": ""}, "missing_direction", "direction"),
        ({**FT, "direction": "up"}, "bad_direction", "direction"),
        ({**FT, "amount": None}, "bad_size", "qty"),
        ({**FT, "amount": None, "stake_amount": 10}, "missing_leverage", "leverage"),
        ({**FT, "amount": None, "stake_amount": 10, "leverage": "x"}, "bad_decimal", "leverage"),
        ({"pair": "BTC/USDT"}, "missing_type", "type"),
        ({**PLAIN, "side": "long"}, "bad_side", "side"),
        ({**PLAIN, "reduceOnly": "maybe"}, "bad_bool", "reduceOnly"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(body, reason, field):
    with pytest.raises(DecodeError) as caught:
        read(body)
    assert (caught.value.reason, caught.value.field) == (reason, field)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("body", [TV, FT, PLAIN])
def test_a_token_in_the_body_is_found_and_goes_nowhere(name, body):
    bare = {key: value for key, value in body.items() if key not in SECRETS}
    sent = {**bare, name: "hunter2"}
    assert token_in(sent) == "hunter2"
    intent = read(sent)
    assert isinstance(intent, Intent)
    assert "hunter2" not in json.dumps(intent.to_fields())


@given(
    st.sampled_from([TV, FT, PLAIN]),
    st.dictionaries(
        st.sampled_from(["action", "payload", "quantity", "timestamp", "note", "type", "leverage"])
        | st.text(min_size=1, max_size=8),
        st.text(max_size=8) | st.integers() | st.booleans() | st.none() | st.lists(st.none()),
        max_size=4,
    ),
)
def test_what_the_intake_publishes_the_bridge_can_read(body, more):
    """Whatever else a sender says, the entry holds one size, one side, one symbol."""
    try:
        intent = read({**more, **body})
    except DecodeError:
        return
    assert isinstance(intent, Intent)
    wire = {name.encode(): text.encode() for name, text in intent.to_fields().items()}
    again = Intent.from_fields(decode_fields(wire))
    # Milliseconds before 1973 read as seconds: no producer's time, and stale either way.
    assert replace(again, timestamp_ms=0) == replace(intent, timestamp_ms=0)
