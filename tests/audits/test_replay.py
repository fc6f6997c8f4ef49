"""The pure part of `qtops replay`: what changes under other limits, and what cannot be told."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from qtops.audits.replay import Rules, judge, summary
from qtops.contracts.decision import Allow, Deny
from qtops.contracts.gate_facts import GateFacts
from qtops.contracts.vocabulary import Action, DenyReason, Effect, GateName, Lane, Side
from qtops.gates.governor import GOVERNOR, GovernorLimits
from qtops.gates.limits import limits_text
from qtops.gates.portfolio import PORTFOLIO_GATE, PortfolioLimits
from qtops.gates.position import POSITION_GATE, PositionLimits
from tests.strategies import NOW, D, close, facts, gate_plans, held, holding, known, plan, worlds

CAP = GovernorLimits(max_total_notional_usdt=D(400))
HALF = GovernorLimits(max_total_notional_usdt=D(200))
BUSY = facts(portfolio=known(held(ETHUSDT=D("0.1"))))  # 250 USDT
GATES = [
    (GOVERNOR, GovernorLimits()),
    (POSITION_GATE, PositionLimits()),
    (PORTFOLIO_GATE, PortfolioLimits()),
]


def recorded(some_plan, world, gate=GOVERNOR, limits=CAP, **changes):
    """As the gate's service writes it."""
    decision = gate.decide(some_plan, world, NOW, limits)
    fields = some_plan.to_fields()
    return replace(
        GateFacts(gate.name, fields, NOW, world, limits_text(limits), decision, some_plan.lane),
        **changes,
    )


def test_half_the_cap_refuses_the_open_and_no_close():
    verdicts = [
        judge(recorded(plan(), BUSY), Rules(GOVERNOR, HALF)),
        judge(recorded(close(), holding(10)), Rules(GOVERNOR, HALF)),
    ]
    found = summary(verdicts)
    [flip] = found.flips
    assert flip.effect is Effect.OPEN
    assert flip.was == Allow(D("0.002"), flip.was.terms)
    assert flip.would_be.reason is DenyReason.TOTAL_NOTIONAL_EXCEEDED
    assert (found.flipped_opens, found.flipped_exits) == (1, 0)
    assert found.by_reason() == {"total_notional_exceeded": 1}
    assert found.limits == {"governor.max_total_notional_usdt": ("400", "200")}


def test_a_refusal_that_falls_away_is_a_flip_by_its_old_reason():
    [flip] = summary([judge(recorded(plan(), BUSY, limits=HALF), Rules(GOVERNOR, CAP))]).flips
    assert flip.reason == "total_notional_exceeded"
    assert isinstance(flip.would_be, Allow)


def test_another_reason_for_the_same_no_is_a_change_and_no_flip():
    tiny = GovernorLimits(max_total_notional_usdt=D(200), max_notional_per_trade_usdt=D(1))
    found = summary([judge(recorded(plan(), BUSY, limits=HALF), Rules(GOVERNOR, tiny))])
    assert len(found.changed) == 1
    assert found.flips == ()


def test_a_decision_that_does_not_come_out_again_counts_for_nothing():
    forged = recorded(plan(), BUSY, decision=Deny(DenyReason.EVALUATION_ERROR, "KeyError"))
    other_words = recorded(plan(), BUSY, limits=HALF)
    other_words = replace(other_words, decision=replace(other_words.decision, detail="else"))
    unread = recorded(plan(), BUSY)
    unread = replace(unread, limits={"max_open_positions": "10"})
    found = summary(judge(r, Rules(GOVERNOR, HALF)) for r in (forged, other_words, unread))
    assert (found.read, found.changed) == (3, ())
    whys = [verdict.why_not for verdict in found.not_reproducible]
    assert whys[0].startswith("decided again it is allow 0.002")
    assert whys[1].startswith("decided again it is total_notional_exceeded")
    assert whys[2].startswith("its limits: max_notional_per_trade_usdt is missing")


@given(gate_plans(), worlds(), st.sampled_from(GATES))
def test_every_decision_comes_out_again_after_the_wire(some_plan, world, gate_limits):
    gate, limits = gate_limits
    wire = recorded(some_plan, world, gate, limits).to_fields()
    verdict = judge(GateFacts.from_fields(wire), Rules(gate, limits))
    assert verdict.why_not == ""
    assert not verdict.is_changed


def test_the_manual_lane_is_kept():
    manual = plan(lane=Lane.MANUAL, side=Side.BUY, action=Action.ENTRY_PROPOSED)
    back = GateFacts.from_fields(recorded(manual, facts()).to_fields())
    assert back.plan.lane is Lane.MANUAL
    assert back.gate is GateName.GOVERNOR
