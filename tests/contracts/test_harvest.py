"""The harvest chain's messages: what goes out comes back, and what is refused."""

import pytest

from qtops.contracts.episode import Episode, Step
from qtops.contracts.harvest import CalibratedProposal, HarvestProposal
from qtops.contracts.vocabulary import Action, GateMode
from qtops.errors import DecodeError
from tests.gates.harvest_world import CALIBRATED, EPISODE, NOW, PROPOSAL, D, proposal


def test_a_proposal_survives_the_wire():
    for sent in (PROPOSAL, proposal(new_sl_proposed=D("100.2"), reason_codes=(), components={})):
        assert HarvestProposal.from_fields(sent.to_fields()) == sent


def test_a_calibrated_proposal_survives_the_wire_with_the_proposal_in_it():
    fields = CALIBRATED.to_fields()
    assert CalibratedProposal.from_fields(fields) == CALIBRATED
    assert HarvestProposal.from_fields(fields) == PROPOSAL
    assert (fields["original_action"], fields["calibrated_action"]) == (
        "FULL_CLOSE_PROPOSED",
        "PARTIAL_25",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_id": ""},
        {"plan_id": "p26:x"},
        {"trace_id": ""},
        {"symbol": "??"},
        {"harvest_action": "HOLD"},
        {"harvest_action": "ENTRY_PROPOSED"},
        {"harvest_action": "NONE"},
        {"position_amt": "0"},
        {"position_amt": "NaN"},
        {"kill_score": ""},
        {"k_ts_drop": "much"},
        {"computed_at_ms": "soon"},
    ],
)
def test_what_is_no_proposal_is_refused(changes):
    with pytest.raises(DecodeError):
        HarvestProposal.from_fields({**PROPOSAL.to_fields(), **changes})


def test_a_calibration_that_grew_the_close_is_refused():
    small = proposal(action=Action.PARTIAL_25)
    raw = {**CALIBRATED.to_fields(), **small.to_fields(), "calibrated_action": "PARTIAL_50"}
    with pytest.raises(DecodeError, match="no smaller"):
        CalibratedProposal.from_fields(raw)


def test_shadow_says_what_it_would_have_done_and_does_not():
    assert CALIBRATED.mode is GateMode.SHADOW
    assert CALIBRATED.action is Action.FULL_CLOSE_PROPOSED
    assert CALIBRATED.differs


def test_an_episode_survives_storage_with_its_steps():
    step = Step(2, EPISODE.plan_id(Action.PARTIAL_25, 2), NOW, done=True)
    kept = EPISODE.with_step(Action.PARTIAL_25, step)
    assert Episode.from_json("BTCUSDT", kept.to_json()) == kept


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "{}",
        '{"steps":{"PARTIAL_25":1},"is_long":"true","entry_price":"1","first_seen_ms":"1"}',
    ],
)
def test_an_episode_that_cannot_be_read_is_no_new_position(raw):
    with pytest.raises(DecodeError):
        Episode.from_json("BTCUSDT", raw)
