"""Heat calibration and the apply layer: each boundary, and the polarity of what is missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.environment import Environment
from qtops.contracts.episode import PlanFate
from qtops.contracts.facts import Facts, Known, Missing, Portfolio, Position
from qtops.contracts.harvest import CalibratedProposal
from qtops.contracts.plan import FRACTIONS
from qtops.contracts.vocabulary import (
    Action,
    ApplyMode,
    DenyReason,
    GateMode,
    HeatBucket,
    PlanDecision,
    Side,
)
from qtops.gates.apply import ApplyFacts, ApplyLimits, Earlier, decide
from qtops.gates.heat import HeatLimits, calibrate, portfolio_heat
from qtops.gates.portfolio import PortfolioLimits, grant
from tests.gates.harvest_world import NOW, D, calibrated, heat_facts, proposal

ENFORCE = HeatLimits(mode=GateMode.ENFORCE)
FULL = Action.FULL_CLOSE_PROPOSED


# --- heat ---------------------------------------------------------------------------------------
def test_heat_by_hand():
    # 10 * 100 * 0.1 / 1000
    assert portfolio_heat(heat_facts(), ENFORCE) == D("0.1")
    assert portfolio_heat(heat_facts(amount=-10), ENFORCE) == D("0.1")


@given(st.decimals("1e-12", "1e12", places=12), st.decimals("1e-12", "1e12", places=12))
def test_any_heat_can_be_written_and_read(equity, amount):
    seen = calibrate(proposal(), heat_facts(equity=equity, amount=amount), ENFORCE)
    assert CalibratedProposal.from_fields(seen.to_fields()) == seen


@pytest.mark.parametrize(
    ("sigma", "bucket", "action"),
    [
        ("0.2499", HeatBucket.COLD, Action.PARTIAL_25),
        ("0.25", HeatBucket.WARM, Action.PARTIAL_75),
        ("0.6499", HeatBucket.WARM, Action.PARTIAL_75),
        ("0.65", HeatBucket.HOT, FULL),
        ("2", HeatBucket.HOT, FULL),
    ],
)
def test_a_full_close_by_bucket(sigma, bucket, action):
    seen = calibrate(proposal(), heat_facts(sigma=sigma), ENFORCE)
    assert (seen.bucket, seen.calibrated_action, seen.action) == (bucket, action, action)
    shadow = calibrate(proposal(), heat_facts(sigma=sigma), HeatLimits())
    assert (shadow.calibrated_action, shadow.action) == (action, FULL)
    assert shadow.differs is (action is not FULL)
    assert shadow.to_fields()["calibrated"] == "false"


@pytest.mark.parametrize("action", [Action.PARTIAL_25, Action.PARTIAL_50, Action.PARTIAL_75])
def test_a_partial_close_is_never_calibrated(action):
    seen = calibrate(proposal(action=action), heat_facts(), ENFORCE)
    assert (seen.action, seen.reason) == (action, "not_a_full_close")


@pytest.mark.parametrize(("score", "action"), [("0.85", FULL), ("0.8499", Action.PARTIAL_25)])
def test_a_hard_kill_score_passes_whole(score, action):
    assert calibrate(proposal(kill_score=D(score)), heat_facts(), ENFORCE).action is action


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (heat_facts(equity=None), "equity absent"),
        (heat_facts(equity=0), "equity absent"),
        (heat_facts(equity=-5), "equity absent"),
        (heat_facts(price=0), "no volatility or mark for BTCUSDT"),
        (heat_facts(now_ms=NOW + 30_001), "portfolio stale"),
        (replace(heat_facts(), portfolio=Missing("absent")), "portfolio absent"),
        (replace(heat_facts(), volatility=Missing("absent")), "volatility absent"),
        (replace(heat_facts(), volatility=Known({}, NOW)), "no volatility or mark for BTCUSDT"),
        (replace(heat_facts(), volatility=Known({}, NOW - 1_800_001)), "volatility stale"),
    ],
)
def test_a_missing_input_never_shrinks_a_close(facts, why):
    seen = calibrate(proposal(), facts, ENFORCE)
    assert (seen.action, seen.bucket) == (FULL, HeatBucket.UNKNOWN)
    assert seen.heat_value is None
    assert seen.reason == f"missing_inputs: {why}"


# --- apply --------------------------------------------------------------------------------------
OPEN_HAND = ApplyLimits(
    mode=ApplyMode.TESTNET, symbols=frozenset({"BTCUSDT"}), environment=Environment.SANDBOX
)
HELD = ApplyFacts(NOW, Known(Position(D(8), D(100), D(101)), NOW))


def test_a_proposal_becomes_a_reduce_only_plan_of_the_position_now():
    verdict = decide(calibrated(), HELD, OPEN_HAND)
    plan = verdict.plan
    assert verdict.denial is None
    assert (plan.decision, plan.side, plan.quantity) == (PlanDecision.EXECUTE, Side.SELL, D(8))
    assert (plan.reduce_only, plan.source, plan.action) == (True, "apply_layer", FULL)
    assert plan.plan_id == calibrated().proposal.plan_id
    assert plan.kill_score == D("0.7")
    assert plan.extra["trace_id"] == calibrated().proposal.trace_id


def test_an_enforced_calibration_is_what_the_plan_asks_for():
    plan = decide(calibrated(mode=GateMode.ENFORCE), HELD, OPEN_HAND).plan
    assert (plan.action, plan.quantity) == (Action.PARTIAL_25, D(2))
    assert plan.extra["original_action"] == FULL.value


def test_a_short_is_bought_back():
    short = calibrated(proposal=proposal(position_amt=D(-4)))
    facts = ApplyFacts(NOW, Known(Position(D(-4), D(100), D(101)), NOW))
    plan = decide(short, facts, OPEN_HAND).plan
    assert (plan.side, plan.quantity) == (Side.BUY, D(4))


@pytest.mark.parametrize("score", ["0.5", "0.8", "0.95", "1"])
def test_no_kill_score_blocks_a_close(score):
    high = calibrated(proposal=proposal(kill_score=D(score)))
    assert decide(high, HELD, OPEN_HAND).plan.decision is PlanDecision.EXECUTE


@pytest.mark.parametrize(
    ("changes", "age_ms", "decision", "reason"),
    [
        ({}, 60_000, PlanDecision.EXECUTE, None),
        ({}, 60_001, PlanDecision.BLOCKED, DenyReason.PLAN_STALE),
        ({"kill_switch": True}, 0, PlanDecision.BLOCKED, DenyReason.KILL_SWITCH_ACTIVE),
        ({"symbols": frozenset()}, 0, PlanDecision.BLOCKED, DenyReason.SYMBOL_NOT_IN_ALLOWLIST),
        ({"mode": ApplyMode.DRY_RUN}, 0, PlanDecision.SKIP, DenyReason.APPLY_DRY_RUN),
        (
            {"environment": Environment.MAINNET},
            0,
            PlanDecision.BLOCKED,
            DenyReason.MODE_FORBIDS,
        ),
        ({"environment": Environment.OTHER}, 0, PlanDecision.BLOCKED, DenyReason.MODE_FORBIDS),
        ({"environment": Environment.TESTNET}, 0, PlanDecision.EXECUTE, None),
    ],
)
def test_what_the_operator_did_not_allow_is_a_mute_plan_with_a_reason(
    changes, age_ms, decision, reason
):
    later = calibrated(proposal=proposal(computed_at_ms=NOW - age_ms))
    verdict = decide(later, HELD, replace(OPEN_HAND, **changes))
    assert verdict.plan.decision is decision
    assert (verdict.denial.reason if verdict.denial else None) is reason
    if reason:
        assert verdict.plan.extra["reason_codes"] == f"kill_score,{reason.value}"


THIS = calibrated().proposal.plan_id
PARTIAL = calibrated(proposal=proposal(action=Action.PARTIAL_50))


@pytest.mark.parametrize(
    ("what", "earlier", "duplicate"),
    [
        (PARTIAL, Earlier(THIS, 0, PlanFate.REFUSED), True),
        (PARTIAL, Earlier("before", 0, PlanFate.EXECUTED), True),
        (calibrated(), Earlier("before", 0, PlanFate.EXECUTED), False),  # it left something
        (PARTIAL, Earlier("before", 0, PlanFate.OPEN), True),
        (PARTIAL, Earlier("before", 0, PlanFate.REFUSED), False),
        (PARTIAL, Earlier("before", NOW - 119_999, PlanFate.ABSENT), True),
        (PARTIAL, Earlier("before", NOW - 120_000, PlanFate.ABSENT), False),
    ],
)
def test_one_plan_at_a_time_and_none_after_it_was_carried_out(what, earlier, duplicate):
    verdict = decide(what, replace(HELD, earlier=earlier), OPEN_HAND)
    assert (verdict.plan is None) is duplicate
    if duplicate:
        assert verdict.denial.reason is DenyReason.DUPLICATE_PLAN


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(0, DenyReason.NO_POSITION), (-8, DenyReason.CLOSE_SIDE_MISMATCH)],
)
def test_a_position_that_is_gone_makes_no_plan(amount, reason):
    facts = ApplyFacts(NOW, Known(Position(D(amount)), NOW))
    verdict = decide(calibrated(), facts, OPEN_HAND)
    assert (verdict.plan, verdict.denial.reason) == (None, reason)


@pytest.mark.parametrize("position", [Missing("absent"), Known(Position(D(0)), NOW - 10_001)])
def test_without_a_fresh_snapshot_the_proposals_own_position_counts(position):
    verdict = decide(calibrated(), ApplyFacts(NOW, position), OPEN_HAND)
    assert verdict.plan.quantity == D(10)


@given(
    st.decimals("0.000001", 10**9, places=6),
    st.booleans(),
    st.sampled_from(sorted(set(FRACTIONS) - {Action.RECONCILE_CLOSE})),
    st.sampled_from([GateMode.SHADOW, GateMode.ENFORCE]),
)
def test_a_plan_never_exceeds_the_position_and_never_opens(size, is_long, action, mode):
    amount = size if is_long else -size
    facts = ApplyFacts(NOW, Known(Position(amount), NOW))
    seen = calibrate(
        proposal(action=action, position_amt=amount), heat_facts(), HeatLimits(mode=mode)
    )
    plan = decide(seen, facts, OPEN_HAND).plan
    assert plan.reduce_only
    assert plan.quantity <= size
    assert (plan.side is Side.SELL) is is_long


# --- with the portfolio gate --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("by_heat", "final", "share"),
    [
        (GateMode.ENFORCE, Action.PARTIAL_25, "0.25"),  # shrunk once, by calibration
        (GateMode.SHADOW, Action.PARTIAL_50, "0.50"),  # shrunk once, by the gate
    ],
)
def test_calibration_and_a_cold_portfolio_gate_do_not_shrink_a_close_twice(by_heat, final, share):
    seen = calibrate(proposal(), heat_facts(), HeatLimits(mode=by_heat))
    made = decide(seen, HELD, OPEN_HAND).plan
    cold = Portfolio({"BTCUSDT": Position(D(8), D(100), D(101))})
    facts = Facts(
        portfolio=Known(cold, NOW),
        volatility=Known({"BTCUSDT": D("0.05")}, NOW),
        heat_cooldown=Known(None, NOW),
    )
    limits = PortfolioLimits(mode=GateMode.ENFORCE)
    allowed = grant(made, facts, NOW, limits)
    assert allowed.terms["final_action"] == final.value
    assert min(made.quantity, D(8) * D(allowed.terms["fraction"])) == D(8) * D(share)
