"""An intent has one size and one meaning, in either shape."""

import json

import pytest
from hypothesis import given

from qtops.contracts.intent import Intent
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError
from tests.strategies import NOW, D, intents


@given(intent=intents())
def test_what_is_written_is_read_back(intent):
    assert Intent.from_fields(intent.to_fields()) == intent


FLAT = {"symbol": "btcusdt", "side": "buy", "qty": "0.002", "timestamp": str(NOW)}


def payload(**values):
    return {"payload": json.dumps(values)}


def test_both_shapes_say_the_same():
    flat = Intent.from_fields({**FLAT, "confidence": "0.9"})
    deep = Intent.from_fields(
        payload(symbol="btcusdt", side="buy", qty=0.002, timestamp=NOW, confidence=0.9)
    )
    assert flat == deep
    assert flat == Intent(
        "BTCUSDT", Side.BUY, quantity=D("0.002"), timestamp_ms=NOW, extra={"confidence": "0.9"}
    )


@pytest.mark.parametrize("name", ["qty", "quantity"])
def test_a_size_in_base_units_has_two_names(name):
    found = Intent.from_fields({"symbol": "BTCUSDT", "side": "SELL", name: "3"})
    assert (found.quantity, found.notional_usdt) == (D(3), None)


@pytest.mark.parametrize("name", ["position_size_usd", "notional_usd"])
def test_a_size_in_dollars_has_two_names(name):
    found = Intent.from_fields({"symbol": "BTCUSDT", "side": "SELL", name: "3"})
    assert (found.quantity, found.notional_usdt) == (None, D(3))


@pytest.mark.parametrize(
    ("value", "meaning"), [(True, True), (False, False), ("false", False), (1, True), (None, None)]
)
def test_reduce_only_in_json_is_a_boolean_a_word_a_number_or_not_said(value, meaning):
    raw = payload(symbol="BTCUSDT", side="BUY", qty=1, reduceOnly=value)
    assert Intent.from_fields(raw).reduce_only is meaning


@pytest.mark.parametrize("word", [True, "true"], ids=["said-in-the-payload-too", "in-other-words"])
def test_a_field_said_twice_the_same_way_is_one(word):
    raw = {**payload(symbol="BTCUSDT", side="BUY", qty=1, reduceOnly=word), "reduceOnly": "true"}
    assert Intent.from_fields(raw).reduce_only is True


def test_an_empty_value_in_the_payload_does_not_unsay_a_field():
    raw = {**payload(symbol="BTCUSDT", side="BUY", qty=1, reduceOnly=None), "reduceOnly": "true"}
    assert Intent.from_fields(raw).reduce_only is True


REFUSED = {
    "no-size": ({"qty": ""}, "qty"),
    "two-sizes": ({"position_size_usd": "100"}, "qty"),
    "negative": ({"qty": "-1"}, "qty"),
    "zero": ({"qty": "0"}, "qty"),
    "not-a-number": ({"qty": "NaN"}, "qty"),
    "vague-reduce-only": ({"reduceOnly": "maybe"}, "reduceOnly"),
    "no-side": ({"side": ""}, "side"),
    "sides-that-disagree": ({"action": "SELL"}, "side"),
    "no-symbol": ({"symbol": ""}, "symbol"),
    "no-time": ({"timestamp": "soon"}, "timestamp"),
    "payload-against-flat": (payload(reduceOnly=False) | {"reduceOnly": "true"}, "reduceOnly"),
    "payload-is-no-object": ({"payload": "[]"}, "payload"),
    "payload-is-not-text": ({"payload": '{"note": "\\ud800"}'}, "payload"),
}


@pytest.mark.parametrize(("changes", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_an_intent_that_is_unclear_is_refused_with_its_field(changes, field):
    with pytest.raises(DecodeError) as fault:
        Intent.from_fields({**FLAT, **changes})
    assert fault.value.field == field
