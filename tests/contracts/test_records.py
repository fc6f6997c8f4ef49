"""Decisions, dead letters, claims: what is written is read back, and nothing vital is guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.errors import DecodeError
from tests.strategies import D, printable, records, times_ms, wire_text

letters = st.builds(
    DeadLetter,
    stream=printable,
    entry_id=st.just("1770000000000-0"),
    group=printable,
    reason=printable,
    field=st.just("") | printable,
    message=st.just("") | wire_text,
    raw=st.dictionaries(st.text(), st.text(), max_size=4),
    at_ms=times_ms,
)


@given(record=records)
def test_a_decision_is_read_back_as_written(record):
    assert DecisionRecord.from_fields(record.to_fields()) == record


@given(letter=letters)
def test_a_dead_letter_keeps_the_message_as_it_came(letter):
    assert DeadLetter.from_fields(letter.to_fields()) == letter


def test_a_decision_without_its_answer_is_refused():
    raw = {"plan_id": "p", "gate": "governor", "decided_at_ms": "1"}
    with pytest.raises(DecodeError) as fault:
        DecisionRecord.from_fields(raw)
    assert fault.value.field == "allow"


@pytest.mark.parametrize(
    ("name", "word"), [("decided_at_us", "soon"), ("quantity", "NaN"), ("terms", "[]")]
)
def test_a_decision_with_a_broken_field_is_refused(name, word):
    raw = {"plan_id": "p", "gate": "governor", "allow": "true", "decided_at_ms": "1", name: word}
    with pytest.raises(DecodeError) as fault:
        DecisionRecord.from_fields(raw)
    assert fault.value.field == name


def test_a_denied_zero_is_not_an_absent_quantity():
    raw = {"plan_id": "p", "gate": "governor", "allow": "false", "decided_at_ms": "1"}
    assert DecisionRecord.from_fields({**raw, "quantity": "0"}).quantity == D(0)
    assert DecisionRecord.from_fields(raw).quantity is None


CLAIM = {
    "state": "sending",
    "client_order_id": "qt-1",
    "attempt": "2",
    "owner": "host:1",
    "plan_digest": "d",
    "send_deadline_ms": "1770000005000",
    "quantity": "0.002",
    "epoch": "7",
}


def test_a_claim_is_read_field_by_field():
    assert Claim.from_fields(CLAIM) == Claim(
        ClaimState.SENDING, "qt-1", 2, "host:1", "d", 1_770_000_005_000, "0.002"
    )


@pytest.mark.parametrize("state", ["claimed", "done"])
def test_a_claim_that_sent_nothing_needs_no_fence(state):
    raw = {"state": state, "client_order_id": "qt-1", "attempt": "0"}
    assert Claim.from_fields(raw).send_deadline_ms == 0


@pytest.mark.parametrize("fence", [None, "", "soon", "1.5"], ids=repr)
def test_a_sending_claim_without_its_fence_is_refused(fence):
    raw = {**CLAIM, "send_deadline_ms": fence}
    with pytest.raises(DecodeError) as fault:
        Claim.from_fields({name: value for name, value in raw.items() if value is not None})
    assert fault.value.field == "send_deadline_ms"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("state", "sent"),
        ("state", ""),
        ("attempt", ""),
        ("attempt", "one"),
        ("client_order_id", ""),
    ],
)
def test_a_claim_that_cannot_be_read_is_refused(name, word):
    with pytest.raises(DecodeError) as fault:
        Claim.from_fields({**CLAIM, name: word})
    assert fault.value.field == name


def test_a_dead_letters_message_is_json_in_one_field():
    letter = DeadLetter("s", "1-0", "g", "bad_bool", "reduceOnly", "m", {"reduceOnly": "maybe"}, 1)
    assert json.loads(letter.to_fields()["raw"]) == {"reduceOnly": "maybe"}
