"""What a gate saw, written down and read back: exactly, or not at all."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.decision import Allow, Deny
from qtops.contracts.fact_codec import decode_facts, encode_facts
from qtops.contracts.facts import Facts, Known, Missing
from qtops.contracts.gate_facts import GateFacts
from qtops.contracts.vocabulary import DenyReason, FactName, GateName, Lane
from qtops.errors import DecodeError
from qtops.gates.governor import GovernorLimits
from qtops.gates.limits import limits_text, read_limits
from qtops.gates.portfolio import PortfolioLimits
from qtops.gates.position import PositionLimits
from tests.strategies import (
    NOW,
    D,
    facts,
    held,
    known,
    plan,
    positive,
    reservation,
    reserved,
    wire_plans,
    wire_text,
    worlds,
)

decisions = st.builds(
    Allow, st.just(D("0.0020")) | positive, st.dictionaries(wire_text, wire_text, max_size=2)
) | st.builds(Deny, st.sampled_from(DenyReason), st.just("") | wire_text)


def written(world):
    return json.loads(json.dumps(encode_facts(world)))


def record(**changes):
    base = GateFacts(
        GateName.GOVERNOR,
        plan().to_fields(),
        NOW,
        facts(),
        limits_text(GovernorLimits()),
        Allow(D(1)),
    )
    return replace(base, **changes)


@given(worlds())
def test_facts_come_back_as_they_were(world):
    assert decode_facts(written(world)) == world


def test_every_fact_can_be_written():
    assert written(facts()).keys() == {name.value for name in FactName}
    assert decode_facts(written(facts())) == facts()
    assert decode_facts({}) == Facts()


@given(wire_plans, worlds(), decisions, st.sampled_from(GateName), st.sampled_from(Lane))
def test_a_record_comes_back_as_it_was(some_plan, world, decision, gate, lane):
    some = GateFacts(gate, some_plan.to_fields(), NOW, world, {"a": "1"}, decision, lane)
    assert GateFacts.from_fields(some.to_fields()) == some


def test_a_number_keeps_its_spelling_and_the_reservations_their_order():
    world = facts(
        book=known(D("0.0020")),
        reservations=reserved(reservation(plan_id="z"), reservation(plan_id="a")),
        portfolio=known(held(TRXUSDT=D("1.50"), BTCUSDT=D(1))),
    )
    back = GateFacts.from_fields(record(facts=world).to_fields()).facts
    assert str(back.book.value) == "0.0020"
    assert list(back.reservations.value.by_plan) == ["z", "a"]
    assert list(back.portfolio.value.positions) == ["TRXUSDT", "BTCUSDT"]


@pytest.mark.parametrize(
    "raw",
    [
        {"luck": {"at": 1, "value": "1"}},
        {"book": "1"},
        {"book": {"at": 1}},
        {"book": {"value": "1"}},
        {"book": {"at": "1", "value": "1"}},
        {"book": {"at": 1, "value": 1}},
        {"book": {"at": 1, "value": "NaN"}},
        {"book": {"missing": None}},
        {"rollout": {"at": 1, "value": True}},
        {"control": {"at": 1, "value": {"trading_state": "PAUSED", "epoch": 1, "mode": "", "manual_lane": True}}},  # noqa: E501
        {"control": {"at": 1, "value": {"trading_state": "ACTIVE", "epoch": 1, "mode": "", "manual_lane": 1}}},  # noqa: E501
        {"position": {"at": 1, "value": ["1", "2"]}},
        {"open_history": {"at": 1, "value": ["1"]}},
        {"portfolio": {"at": 1, "value": {"positions": {}}}},
    ],
)  # fmt: skip
def test_what_is_not_a_fact_is_refused(raw):
    with pytest.raises(DecodeError):
        decode_facts(raw)


@pytest.mark.parametrize("field", ["gate", "lane", "now_ms", "plan", "facts", "limits", "decision"])
def test_a_record_without_one_of_its_parts_is_refused(field):
    fields = record().to_fields()
    del fields[field]
    with pytest.raises(DecodeError):
        GateFacts.from_fields(fields)


def test_missing_keeps_its_reason():
    world = Facts(book=Missing("unreadable: x"), mark=Known(D(1), NOW))
    assert decode_facts(written(world)) == world


@pytest.mark.parametrize(
    "limits",
    [
        GovernorLimits(max_total_notional_usdt=D("0.10")),
        PositionLimits(allow_increase=True),
        PortfolioLimits(heat_min=D("0.1")),
    ],
)
def test_limits_come_back_as_they_were(limits):
    words = limits_text(limits)
    assert read_limits(type(limits), words) == limits
    for wrong in ({**words, "more": "1"}, dict(list(words.items())[1:])):
        with pytest.raises(DecodeError):
            read_limits(type(limits), wrong)
