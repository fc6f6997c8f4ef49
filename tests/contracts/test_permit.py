"""A permit admits one plan, once, for a minute, and only if every word of it is the gate's."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.permit import Permit, check_permit
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.errors import DecodeError
from tests.strategies import NOW, D, permit, permits_of_any_gate, plan

KEY = "s3cret"
GOV, P26, P33 = GateName.GOVERNOR, GateName.PORTFOLIO, GateName.POSITION


def read(text, gate=P33, plan_id="plan-1"):
    return Permit.from_text(text, gate, plan_id)


@given(permit=permits_of_any_gate, key=st.sampled_from(["", KEY]))
def test_what_is_written_is_read_back(permit, key):
    again = Permit.from_text(permit.to_json(key), permit.gate, "asked-for")
    assert replace(again, signature="") == permit
    assert bool(again.signature) == bool(key)


# --- every shape that was ever written ------------------------------------------------------------

SHAPES = {
    "governor-of-the-original": (
        GOV,
        (
            '{"granted": true, "symbol": "BTCUSDT", "decision": "EXECUTE", "computed_qty": 0.002, '
            '"computed_notional": 100.5, "created_at": 1769500000.25, "consumed": false}'
        ),
        (True, D("0.002"), 1_769_500_000_250, ""),
    ),
    "governor-of-the-original-for-a-close": (
        GOV,
        '{"granted": true, "symbol": "BTCUSDT", "computed_qty": 0, "created_at": 1769500000}',
        (True, D(0), 1_769_500_000_000, ""),
    ),
    "position-gate-of-the-original": (
        P33,
        (
            '{"allow": true, "symbol": "ETHUSDT", "safe_qty": 3.339, "ledger_amt": 6.678, '
            '"exchange_position_amt": 6.678, "created_at": 1769500000, '
            '"reason": "sanity_checks_passed"}'
        ),
        (True, D("3.339"), 1_769_500_000_000, "sanity_checks_passed"),
    ),
    "position-gate-of-the-seed-era": (
        P33,
        '{"allow": true, "safe_close_qty": "8944", "created_at": "1769500000"}',
        (True, D(8944), 1_769_500_000_000, ""),
    ),
    "denial-of-the-original": (
        P33,
        (
            '{"allow": false, "symbol": "BTCUSDT", "reason": "no_position", '
            '"context": {"amt": 0.0}, "created_at": 1769500000}'
        ),
        (False, D(0), 1_769_500_000_000, "no_position"),
    ),
    "bare-one": (P26, "1", (True, D(0), 0, "bare")),
    "bare-one-with-newline": (P26, "1\n", (True, D(0), 0, "bare")),
    "bare-zero": (P26, "0", (False, D(0), 0, "bare")),
    "string-boolean": (P33, '{"allow": "False", "safe_qty": 1}', (False, D(1), 0, "")),
    "number-boolean": (P33, '{"allow": 1}', (True, D(0), 0, "")),
}


@pytest.mark.parametrize(("gate", "raw", "said"), SHAPES.values(), ids=SHAPES.keys())
def test_an_older_shape_is_read_but_admits_nothing(gate, raw, said):
    found = read(raw, gate)
    assert (found.allow, found.quantity, found.issued_at_ms, found.reason) == said
    assert (found.plan_id, found.plan_digest, found.epoch) == ("plan-1", "", -1)
    refusal = check_permit(found, "plan-1", plan().digest, now_ms=NOW, key="")
    assert refusal == DenyReason.PERMIT_OTHER_PLAN


@pytest.mark.parametrize(
    ("word", "allow"), [("false", False), ("False", False), ("0", False), ("true", True)]
)
def test_a_hash_permits_boolean_is_a_word_and_false_is_false(word, allow):
    raw = {"allow": word, "symbol": "BTCUSDT", "safe_qty": "0.5", "created_at": "1769500000"}
    assert Permit.from_hash(raw, P33, "plan-1").allow is allow


UNREADABLE = {
    "empty": "",
    "two": "2",
    "true": "true",
    "no-answer": '{"symbol": "BTCUSDT"}',
    "null-answer": '{"allow": null}',
    "vague-answer": '{"allow": "perhaps"}',
    "two-answers": '{"allow": true, "granted": false}',
    "two-quantities": '{"allow": true, "safe_qty": "1", "quantity": "2"}',
    "quantity-not-a-number": '{"allow": true, "safe_qty": "NaN"}',
    "epoch-not-a-number": '{"allow": true, "epoch": "soon"}',
    "expiry-not-a-number": '{"allow": true, "expires_at_ms": 1.5}',
    "issue-not-a-time": '{"allow": true, "created_at": "now"}',
    "of-another-gate": '{"allow": true, "gate": "governor"}',
    "cut-short": '{"allow": true',
    "not-text": '{"allow": true, "sig": "\\ud800"}',
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_permit_that_cannot_be_read_is_a_decode_error_and_nothing_else(raw):
    with pytest.raises(DecodeError):
        read(raw)


# --- signature ------------------------------------------------------------------------------------

GRANTED = permit(P33, plan(), terms={"exchange_position_amt": "10"})


def test_a_signed_permit_admits_its_plan():
    found = read(GRANTED.to_json(KEY))
    assert found.signed_by(KEY)
    assert check_permit(found, "plan-1", plan().digest, now_ms=NOW, key=KEY) == ""


EDITS = {
    "gate": P26,
    "plan_id": "plan-2",
    "allow": False,
    "symbol": "ETHUSDT",
    "reason": "because",
    "quantity": D(99),
    "plan_digest": "e" * 64,
    "epoch": 8,
    "issued_at_ms": NOW + 1,
    "expires_at_ms": NOW + 999_999,
    "terms": {"exchange_position_amt": "11"},
    "signature": "0" * 64,
}


@pytest.mark.parametrize(("name", "value"), EDITS.items(), ids=EDITS.keys())
def test_any_edit_of_any_field_breaks_the_signature(name, value):
    signed = read(GRANTED.to_json(KEY))
    assert not replace(signed, **{name: value}).signed_by(KEY)


def test_the_edits_cover_every_field():
    assert EDITS.keys() == {field.name for field in fields(Permit)}


@given(original=permits_of_any_gate, data=st.data())
def test_an_edited_text_is_unreadable_or_forged_or_says_the_same(original, data):
    body = json.loads(original.to_json(KEY))
    name = data.draw(st.sampled_from([*body, "extra", "granted", "permit", "safe_qty", "created"]))
    body[name] = data.draw(
        st.sampled_from([True, False, None, "", "1", "x", 0, 10**13, "999", "\u00e9"])
    )
    try:
        edited = Permit.from_text(json.dumps(body), original.gate, original.plan_id)
    except DecodeError:
        return
    same = replace(edited, signature="") == original
    assert edited.signed_by(KEY) == (same and name != "sig")


@pytest.mark.parametrize("sig", ["", "0" * 64, "\u00e9", "A" * 64, " "], ids=repr)
def test_a_signature_of_any_text_is_compared_and_not_trusted(sig):
    assert not replace(GRANTED, signature=sig).signed_by(KEY)


@given(other=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_no_other_key_verifies(other):
    assert read(GRANTED.to_json(KEY)).signed_by(other) == (other == KEY)


def test_a_denial_is_signed_too():
    denial = replace(GRANTED, allow=False, reason="no_position")
    turned = denial.to_json(KEY).replace('"allow":false', '"allow":true')
    assert turned != denial.to_json(KEY)
    refusal = check_permit(read(turned), "plan-1", plan().digest, now_ms=NOW, key=KEY)
    assert refusal == DenyReason.PERMIT_FORGED


# --- what does not admit --------------------------------------------------------------------------

EXPIRY = GRANTED.expires_at_ms
CHECKS = {
    "good": ({}, {}, ""),
    "the-last-millisecond": ({}, {"now_ms": EXPIRY - 1}, ""),
    "expired-at-its-expiry": ({}, {"now_ms": EXPIRY}, DenyReason.PERMIT_EXPIRED),
    "without-an-expiry": ({"expires_at_ms": 0}, {}, DenyReason.PERMIT_EXPIRED),
    "denied": ({"allow": False}, {}, DenyReason.PERMIT_DENIED),
    "denied-and-expired": ({"allow": False}, {"now_ms": EXPIRY}, DenyReason.PERMIT_DENIED),
    "of-another-plan": ({"plan_id": "plan-2"}, {}, DenyReason.PERMIT_OTHER_PLAN),
    "of-an-edited-plan": ({}, {"digest": "e" * 64}, DenyReason.PERMIT_OTHER_PLAN),
    "without-a-digest": ({"plan_digest": ""}, {}, DenyReason.PERMIT_OTHER_PLAN),
    "denied-for-another-plan": (
        {"allow": False, "plan_id": "plan-2"},
        {},
        DenyReason.PERMIT_OTHER_PLAN,
    ),
}


@pytest.mark.parametrize("key", ["", KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize(("changes", "seen", "reason"), CHECKS.values(), ids=CHECKS.keys())
def test_a_permit_admits_or_says_why_not(changes, seen, reason, key):
    stored = replace(GRANTED, **changes)
    found = read(stored.to_json(key))
    asked = {"digest": plan().digest, "now_ms": NOW, **seen}
    digest = asked.pop("digest")
    assert check_permit(found, "plan-1", digest, key=key, **asked) == reason


@pytest.mark.parametrize("changes", [c for c, _, _ in CHECKS.values()], ids=CHECKS.keys())
def test_an_unsigned_permit_is_forged_when_a_key_is_configured(changes):
    found = read(replace(GRANTED, **changes).to_json())
    reason = check_permit(found, "plan-1", plan().digest, now_ms=NOW, key=KEY)
    assert reason == DenyReason.PERMIT_FORGED


def test_a_signed_permit_of_one_gate_is_not_another_gates():
    stolen = permit(GOV, plan()).to_json(KEY)
    with pytest.raises(DecodeError, match="governor"):
        read(stolen, P33)
    renamed = stolen.replace('"gate":"governor"', '"gate":"p33_position_gate"')
    assert not read(renamed, P33).signed_by(KEY)
