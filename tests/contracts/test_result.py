"""A result is read in both shapes, and an order id is an order id or nothing."""

import json

import pytest
from hypothesis import given

from qtops.contracts.result import Result
from qtops.errors import DecodeError
from tests.strategies import NOW, D, results


@given(result=results)
def test_what_is_written_is_read_back(result):
    again = Result.from_fields(result.to_fields())
    for name in Result.__dataclass_fields__:
        if name != "details":
            assert getattr(again, name) == getattr(result, name), name
    assert again.details.items() >= result.details.items()
    assert Result.from_fields(again.to_fields()) == again


FLAT = {
    "event_type": "apply.result",
    "plan_id": "p1",
    "symbol": "ETHUSDT",
    "executed": "true",
    "source": "intent_executor",
    "timestamp": "2026-02-09T00:00:00Z",
    "side": "SELL",
    "qty": "3.339",
    "filled_qty": "3.339",
    "order_id": "4711",
    "order_status": "FILLED",
}
TOP = ("event_type", "plan_id", "symbol", "executed", "source", "timestamp")


def nested(**details):
    inner = {name: value for name, value in FLAT.items() if name not in TOP}
    top = {name: FLAT[name] for name in TOP}
    return {**top, "details": json.dumps({**inner, **details})}


def test_nested_details_say_the_same_as_flat_fields():
    flat, deep = Result.from_fields(FLAT), Result.from_fields(nested())
    for name in Result.__dataclass_fields__:
        if name != "details":
            assert getattr(flat, name) == getattr(deep, name), name
    assert (deep.order_id, deep.filled_quantity, deep.side) == ("4711", D("3.339"), "SELL")
    assert deep.timestamp_ms == 1_770_595_200_000


def test_numbers_in_details_stay_exact():
    deep = Result.from_fields(nested(filled_qty=0.1, order_id=12_345_678_901_234_567_890))
    assert deep.filled_quantity == D("0.1")
    assert deep.order_id == "12345678901234567890"


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1", "yes", True, 1], ids=repr)
def test_executed_is_read_in_any_case_and_type(word):
    inner = {"details": json.dumps({"executed": word}), "plan_id": "p1"}
    assert Result.from_fields(inner).executed is True
    if isinstance(word, str):
        assert Result.from_fields({**FLAT, "executed": word}).executed is True


@pytest.mark.parametrize("word", ["false", "False", "0", "no", ""])
def test_not_executed_is_not_executed(word):
    assert Result.from_fields({**FLAT, "executed": word}).executed is False


@pytest.mark.parametrize("word", ["maybe", "2", "FILLED"])
def test_executed_is_never_guessed(word):
    with pytest.raises(DecodeError) as fault:
        Result.from_fields({**FLAT, "executed": word})
    assert fault.value.field == "executed"


NO_IDS = ["", "null", "NULL", "None", "none", "0", " 0 ", " "]


@pytest.mark.parametrize("word", NO_IDS, ids=repr)
def test_a_word_for_nothing_is_no_order_id(word):
    assert Result.from_fields({**FLAT, "order_id": word}).order_id == ""
    assert Result.from_fields(nested(order_id=word)).order_id == ""


@pytest.mark.parametrize("value", [None, 0], ids=repr)
def test_a_json_value_for_nothing_is_no_order_id(value):
    assert Result.from_fields(nested(order_id=value)).order_id == ""


@pytest.mark.parametrize("word", NO_IDS, ids=repr)
def test_a_real_nested_order_id_is_found_behind_an_empty_top_level_one(word):
    assert Result.from_fields({**nested(order_id=815), "order_id": word}).order_id == "815"


def test_the_exchanges_own_spelling_of_the_order_id_is_read():
    raw = {name: value for name, value in FLAT.items() if name != "order_id"}
    assert Result.from_fields({**raw, "orderId": " 99 "}).order_id == "99"


def test_unknown_fields_survive_to_the_details():
    found = Result.from_fields({**nested(permit="ok"), "exec_mode": "live"})
    assert found.details["exec_mode"] == "live"
    assert found.details["permit"] == "ok"


def test_details_that_are_no_json_are_refused():
    with pytest.raises(DecodeError) as fault:
        Result.from_fields({**FLAT, "details": "{'side': 'SELL'}"})
    assert fault.value.field == "details"


def test_older_readers_find_what_they_parse():
    result = Result("p1", "ETHUSDT", True, "intent_executor", NOW, order_id="7", details={"a": "b"})
    wire = result.to_fields()
    assert wire["event_type"] == "apply.result"
    assert wire["executed"] == "true"
    assert json.loads(wire["details"])["order_id"] == wire["order_id"] == "7"
    assert json.loads(wire["details"])["a"] == "b"
