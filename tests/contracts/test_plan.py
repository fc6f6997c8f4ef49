"""A plan is read strictly, loses nothing, and keeps one identity."""

import re
from base64 import b32encode
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.plan import Plan, client_order_id, plan_digest
from qtops.contracts.vocabulary import Action, Effect, Lane, PlanDecision, Side
from qtops.errors import DecodeError
from tests.strategies import D, wire_plans

WIRE = {
    "plan_id": "exit_hardproof_TRXUSDT_R1_20260209",
    "decision": "EXECUTE",
    "symbol": "TRXUSDT",
    "side": "SELL",
    "type": "MARKET",
    "qty": "8944.5",
    "reduceOnly": "true",
    "source": "intent_bridge",
    "signature": "bridge-7",
    "timestamp": "1770595200",
    "action": "FULL_CLOSE_PROPOSED",
}


def refused(**changes):
    raw = {name: value for name, value in {**WIRE, **changes}.items() if value is not None}
    with pytest.raises(DecodeError) as fault:
        Plan.from_fields(raw)
    return fault.value.reason, fault.value.field


def test_the_bridges_plan_is_read_field_by_field():
    plan = Plan.from_fields(WIRE)
    assert plan == Plan(
        plan_id="exit_hardproof_TRXUSDT_R1_20260209",
        decision=PlanDecision.EXECUTE,
        symbol="TRXUSDT",
        side=Side.SELL,
        quantity=D("8944.5"),
        reduce_only=True,
        source="intent_bridge",
        action=Action.FULL_CLOSE_PROPOSED,
        timestamp_ms=1_770_595_200_000,
        lane=Lane.AUTOMATED,
        extra={"signature": "bridge-7"},
        digest=plan_digest(WIRE),
    )


@given(plan=wire_plans)
def test_what_is_written_is_read_back(plan):
    again = Plan.from_fields(plan.to_fields())
    assert replace(again, digest="") == plan
    assert Plan.from_fields(again.to_fields()) == again


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "0", "no", "No", " false ", '"false"'])
def test_a_plan_that_says_no_to_reduce_only_opens(word):
    plan = Plan.from_fields({**WIRE, "reduceOnly": word, "action": "ENTRY_PROPOSED"})
    assert plan.reduce_only is False
    assert plan.effect is Effect.OPEN


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1", "yes", "Yes", " true ", '"true"'])
def test_a_plan_that_says_yes_to_reduce_only_closes(word):
    plan = Plan.from_fields({**WIRE, "reduceOnly": word})
    assert plan.reduce_only is True
    assert plan.effect is Effect.CLOSE


@pytest.mark.parametrize("word", ["maybe", "2", "null", "None", "truee", "-1", "1.0", " ", "[]"])
def test_any_other_word_for_reduce_only_is_refused(word):
    assert refused(reduceOnly=word) == ("bad_bool", "reduceOnly")


@pytest.mark.parametrize("absent", [None, ""], ids=["not-there", "empty"])
@pytest.mark.parametrize(
    "name", ["reduceOnly", "qty", "plan_id", "decision", "symbol", "side", "source"]
)
def test_no_safety_field_has_a_default(name, absent):
    assert refused(**{name: absent}) == (f"missing_{name}", name)


def test_the_older_spellings_of_reduce_only_and_quantity_are_read():
    raw = {**WIRE, "reduceOnly": "", "qty": "", "reduce_only": "false", "quantity": "3"}
    plan = Plan.from_fields({**raw, "action": "ENTRY_PROPOSED"})
    assert (plan.reduce_only, plan.quantity) == (False, D(3))
    assert plan.extra == {"signature": "bridge-7"}


@pytest.mark.parametrize(
    ("name", "other", "value"),
    [("reduceOnly", "reduce_only", "false"), ("qty", "quantity", "8944")],
)
def test_two_spellings_that_disagree_are_refused(name, other, value):
    assert refused(**{other: value}) == ("contradictory", name)


def test_two_spellings_that_agree_are_one():
    assert Plan.from_fields({**WIRE, "reduce_only": "True"}).reduce_only is True


BAD_QUANTITIES = {
    "not-a-number": ("NaN", "bad_decimal"),
    "signalling": ("sNaN", "bad_decimal"),
    "infinity": ("Infinity", "bad_decimal"),
    "minus-infinity": ("-inf", "bad_decimal"),
    "text": ("abc", "bad_decimal"),
    "hexadecimal": ("0x10", "bad_decimal"),
    "underscore": ("1_000", "bad_decimal"),
    "other-digits": ("\u0661\u0662", "bad_decimal"),
    "beyond-range": ("1e400", "bad_decimal"),
    "beyond-memory": ("1e999999999", "bad_decimal"),
    "beneath-range": ("1e-400", "bad_decimal"),
    "more-digits-than-we-keep": ("1." + "0" * 27 + "1", "bad_decimal"),
    "zero": ("0", "bad_qty"),
    "zero-with-places": ("0.000", "bad_qty"),
    "minus-zero": ("-0", "bad_qty"),
    "negative": ("-1", "bad_qty"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD_QUANTITIES.values(), ids=BAD_QUANTITIES.keys())
def test_a_quantity_that_is_no_positive_number_is_refused(raw, reason):
    assert refused(qty=raw) == (reason, "qty")


BAD_WORDS = {
    "decision": "MAYBE",
    "side": "HOLD",
    "action": "FULL_CLOSE",
    "symbol": "BTC-USDT",
    "plan_id": "p26:x",
}


@pytest.mark.parametrize(("name", "word"), BAD_WORDS.items(), ids=BAD_WORDS.keys())
def test_a_word_outside_the_set_is_refused_with_its_field(name, word):
    assert refused(**{name: word}) == (f"bad_{name}", name)


BAD_IDS = {
    "colon": "permit:1",
    "gate-prefix": "p26:1",
    "open-brace": "a{b",
    "close-brace": "a}b",
    "newline": "a\nb",
    "carriage-return": "a\rb",
    "null-byte": "a\0b",
    "delete": "a\x7fb",
    "next-line": "a\x85b",
    "line-separator": "a\u2028b",
    "right-to-left": "a\u202eb",
    "too-long": "a" * 201,
}


@pytest.mark.parametrize("plan_id", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_a_plan_id_that_could_be_another_key_or_line_is_refused(plan_id):
    assert refused(plan_id=plan_id) == ("bad_plan_id", "plan_id")


@pytest.mark.parametrize("plan_id", ["a", "a" * 200, "exit-1.2_3", "\u00fcber", "with space"])
def test_other_plan_ids_are_kept_as_they_are(plan_id):
    assert Plan.from_fields({**WIRE, "plan_id": plan_id}).plan_id == plan_id


@pytest.mark.parametrize(
    ("reduce_only", "action"), [("true", "FULL_CLOSE_PROPOSED"), ("false", "ENTRY_PROPOSED")]
)
def test_a_plan_without_an_action_means_the_only_thing_it_can(reduce_only, action):
    raw = {**WIRE, "reduceOnly": reduce_only, "action": ""}
    assert Plan.from_fields(raw).action.value == action


ACTIONS = {
    "FULL_CLOSE_PROPOSED": (Effect.CLOSE, "1"),
    "RECONCILE_CLOSE": (Effect.CLOSE, "1"),
    "PARTIAL_75": (Effect.REDUCE, "0.75"),
    "partial_50_proposed": (Effect.REDUCE, "0.5"),
    "Partial_25": (Effect.REDUCE, "0.25"),
}


@pytest.mark.parametrize(("word", "expected"), ACTIONS.items(), ids=ACTIONS.keys())
def test_an_action_has_its_effect_and_its_share_of_the_position(word, expected):
    plan = Plan.from_fields({**WIRE, "action": word})
    assert (plan.effect, plan.close_fraction) == (expected[0], D(expected[1]))


def test_without_reduce_only_nothing_is_a_reduction_whatever_the_action_says():
    plan = Plan.from_fields({**WIRE, "reduceOnly": "false"})
    assert plan.action is Action.FULL_CLOSE_PROPOSED
    assert plan.effect is Effect.OPEN


@pytest.mark.parametrize(
    ("decision", "wants"),
    [
        ("EXECUTE", True),
        ("RECONCILE_CLOSE", True),
        ("SKIP", False),
        ("BLOCKED", False),
        ("error", False),
    ],
)
def test_only_two_decisions_want_an_order(decision, wants):
    assert Plan.from_fields({**WIRE, "decision": decision}).decision.wants_order is wants


def test_a_known_field_is_never_overwritten_by_an_unknown_one():
    plan = replace(Plan.from_fields(WIRE), extra={"reduceOnly": "false", "note": "x"})
    assert plan.to_fields()["reduceOnly"] == "true"
    assert plan.to_fields()["note"] == "x"


@given(raw=st.just(WIRE), data=st.data())
def test_any_edit_of_any_field_is_another_digest(raw, data):
    name = data.draw(st.sampled_from([*WIRE, "unknown"]))
    value = data.draw(st.text(st.characters(exclude_categories=("Cs",)), max_size=10))
    edited = {**raw, name: value}
    assert (plan_digest(edited) == plan_digest(raw)) == (edited == raw)
    without = {k: v for k, v in raw.items() if k != name}
    assert (plan_digest(without) == plan_digest(raw)) == (without == raw)


def test_the_digest_does_not_depend_on_the_order_of_fields():
    assert plan_digest(dict(reversed(WIRE.items()))) == plan_digest(WIRE)


def test_the_client_order_id_is_this_one_for_ever():
    hashed = sha256(b"quantum\0exit_hardproof_TRXUSDT_R1").digest()
    expected = ("qt-" + b32encode(hashed).decode()[:28]).lower()
    assert client_order_id("quantum", "exit_hardproof_TRXUSDT_R1") == expected == VECTOR


VECTOR = "qt-f2sucfnsl3o2znxaafufkuzi2c73"


@given(plan_id=st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_every_client_order_id_is_one_that_the_exchange_takes(plan_id):
    found = client_order_id("quantum", plan_id)
    assert re.fullmatch(r"[\.A-Z\:/a-z0-9_-]{1,36}", found)
    assert found == client_order_id("quantum", plan_id)


def test_the_same_plan_in_another_namespace_is_another_order():
    assert client_order_id("quantum", "x") != client_order_id("{quantum}", "x")
    assert client_order_id("a", "b") != client_order_id("a\0", "b")
