"""The five properties of every gate, over all worlds."""

from dataclasses import fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qtops.contracts.decision import Allow, Deny
from qtops.contracts.facts import Known, Missing, Position
from qtops.contracts.vocabulary import DenyReason, Effect, FactName, GateMode, Lane, TradingState
from qtops.gates.governor import GOVERNOR, GovernorLimits
from qtops.gates.portfolio import PORTFOLIO_GATE, PortfolioLimits
from qtops.gates.position import POSITION_GATE, PositionLimits
from tests.strategies import (
    NOW,
    D,
    calm_worlds,
    close,
    control,
    facts,
    fresh,
    gate_plans,
    holding,
    plan,
    worlds,
)

amounts = st.decimals(0, 5000, places=2)
ages = st.integers(0, 40_000)
governor_limits = st.builds(
    GovernorLimits,
    max_open_positions=st.integers(0, 5),
    max_notional_per_trade_usdt=amounts,
    max_total_notional_usdt=amounts,
    symbol_cooldown_ms=ages,
    max_opens_per_hour=st.integers(0, 5),
    max_opens_per_5min=st.integers(0, 5),
    max_input_age_ms=ages,
    budget_mode=st.sampled_from(GateMode),
    allocation_mode=st.sampled_from(GateMode),
    max_budget_age_ms=ages,
)
position_limits = st.builds(
    PositionLimits,
    stale_after_ms=ages,
    cooldown_ms=ages,
    tolerance_pct=st.decimals(0, 100, places=1),
    allow_increase=st.booleans(),
)
portfolio_limits = st.builds(
    PortfolioLimits,
    mode=st.sampled_from(GateMode),
    risk_off_stress=st.decimals(0, 1, places=2),
    full_close_min_stress=st.decimals(0, 1, places=2),
    max_input_age_ms=ages,
    max_volatility_age_ms=ages,
    max_clusters_age_ms=ages,
)
GATES = {
    "governor": (GOVERNOR, governor_limits),
    "portfolio": (PORTFOLIO_GATE, portfolio_limits),
    "position": (POSITION_GATE, position_limits),
}
each_gate = pytest.mark.parametrize("name", GATES)
some_worlds = worlds() | worlds(fresh) | calm_worlds()


@each_gate
@given(data=st.data(), plan=gate_plans(coherent=False), facts=some_worlds)
def test_a_gate_always_answers_and_answers_the_same_twice(name, data, plan, facts):
    gate, limits = GATES[name]
    drawn = data.draw(limits)
    decision = gate.decide(plan, facts, NOW, drawn)
    assert isinstance(decision, Allow | Deny)
    assert gate.decide(plan, facts, NOW, drawn) == decision
    if isinstance(decision, Allow):
        assert 0 < decision.quantity <= plan.quantity
        assert all(isinstance(term, str) for term in decision.terms.values())


def enforcing(limits):
    """The same limits with every mode at enforce: in shadow some inputs bind nothing."""
    modes = [f.name for f in fields(limits) if f.name.endswith("mode")]
    return replace(limits, **dict.fromkeys(modes, GateMode.ENFORCE))


@each_gate
@given(data=st.data(), plan=gate_plans(effects=[Effect.OPEN]), facts=some_worlds)
def test_an_open_never_passes_without_every_input_it_needs(name, data, plan, facts):
    gate, limits = GATES[name]
    needed = {fact for fact, effect, why, _ in gate.polarity() if effect is Effect.OPEN and why}
    lost = data.draw(st.sampled_from(sorted(needed)))
    poorer = replace(facts, **{lost.value: Missing("absent")})
    assert isinstance(gate.decide(plan, poorer, NOW, enforcing(data.draw(limits))), Deny)


@each_gate
@given(
    data=st.data(),
    plan=gate_plans(effects=[Effect.REDUCE, Effect.CLOSE]),
    facts=some_worlds,
    amount=st.decimals("-100", "100", places=3),
)
def test_a_reduction_that_passes_still_passes_when_an_input_is_lost(
    name, data, plan, facts, amount
):
    gate, limits = GATES[name]
    drawn = data.draw(limits)
    held = replace(facts, position=Known(Position(amount), NOW))
    if isinstance(gate.decide(plan, held, NOW, drawn), Deny):
        return
    lost = data.draw(st.sampled_from(FactName))
    reading = data.draw(st.sampled_from([Missing("absent"), "stale"]))
    if reading == "stale":
        before = getattr(held, lost.value)
        if isinstance(before, Missing):
            return
        reading = Known(before.value, NOW - 10**10)
    decision = gate.decide(plan, replace(held, **{lost.value: reading}), NOW, drawn)
    verifies = {FactName.POSITION} if name == "position" else set()
    if lost in {*verifies, FactName.CONTROL}:
        assert isinstance(decision, Deny) or lost is FactName.CONTROL
    elif lost is not FactName.FILTERS:
        assert isinstance(decision, Allow), decision
    else:
        # Without rules nothing is floored, and the book's tolerance knows no step.
        allowed = {DenyReason.RECONCILE_REQUIRED_QTY_MISMATCH}
        assert isinstance(decision, Allow) or decision.reason in allowed


@given(
    plan=gate_plans(effects=[Effect.REDUCE, Effect.CLOSE]),
    facts=calm_worlds(),
    limits=position_limits,
)
@example(plan=close(quantity=D("8944.5")), facts=holding(17_889), limits=PositionLimits())
def test_a_close_never_exceeds_its_share_of_the_position_in_whole_steps(plan, facts, limits):
    decision = POSITION_GATE.decide(plan, facts, NOW, limits)
    if isinstance(decision, Deny):
        return
    amount = facts.position.value.amount
    assert decision.quantity <= abs(amount) * plan.close_fraction
    assert decision.quantity % facts.filters.value.market_step == 0
    assert (amount > 0) == (plan.side.sign < 0)
    after = amount + plan.side.sign * decision.quantity
    assert after * amount >= 0, "flipped"


@given(
    plan=gate_plans(effects=[Effect.REDUCE, Effect.CLOSE]),
    facts=some_worlds,
    limits=portfolio_limits,
)
def test_the_portfolio_gate_never_denies_a_reduction_that_the_switches_allow(plan, facts, limits):
    calm = replace(facts, control=control(manual_lane=True))
    decision = PORTFOLIO_GATE.decide(plan, calm, NOW, limits)
    assert isinstance(decision, Allow)
    assert D(0) < D(decision.terms["fraction"]) <= D(1)


@given(
    plan=gate_plans(effects=[Effect.REDUCE, Effect.CLOSE]),
    facts=some_worlds,
    limits=governor_limits,
)
def test_the_governor_never_denies_a_reduction_that_the_switches_allow(plan, facts, limits):
    calm = replace(facts, control=control(manual_lane=True))
    assert GOVERNOR.decide(plan, calm, NOW, limits) == GOVERNOR.grant(plan, calm, NOW, limits)


# Which direction is tighter: -1 where a smaller number is, 1 where a larger one is.
TIGHTER = {
    "max_open_positions": -1,
    "max_notional_per_trade_usdt": -1,
    "max_total_notional_usdt": -1,
    "symbol_cooldown_ms": 1,
    "max_opens_per_hour": -1,
    "max_opens_per_5min": -1,
    "max_input_age_ms": -1,
    "max_volatility_age_ms": -1,
    "stale_after_ms": -1,
    "cooldown_ms": 1,
    "tolerance_pct": -1,
    "allow_increase": -1,
    "risk_off_stress": -1,
    "mode": 1,
    "budget_mode": 1,
    "allocation_mode": 1,
    "max_budget_age_ms": -1,
}
ORDERED_MODES = (GateMode.SHADOW, GateMode.ENFORCE)


def tight_and_loose(one, two):
    """Two sets of limits made of two others: the tighter of each, and the looser of each."""
    tight, loose = {}, {}
    for field in fields(one):
        if field.name in TIGHTER:
            order = ORDERED_MODES.index if field.name.endswith("mode") else lambda value: value
            pair = sorted((getattr(one, field.name), getattr(two, field.name)), key=order)
            loose[field.name], tight[field.name] = pair if TIGHTER[field.name] > 0 else pair[::-1]
    return replace(one, **tight), replace(one, **loose)


@each_gate
@given(data=st.data(), plan=gate_plans(), facts=some_worlds)
@settings(max_examples=120)
def test_tighter_limits_never_allow_more(name, data, plan, facts):
    gate, limits = GATES[name]
    tight, loose = tight_and_loose(data.draw(limits), data.draw(limits))
    strict = gate.decide(plan, facts, NOW, tight)
    if isinstance(strict, Allow):
        lenient = gate.decide(plan, facts, NOW, loose)
        assert isinstance(lenient, Allow), lenient
        assert strict.quantity <= lenient.quantity


@pytest.mark.parametrize("limit", [f.name for f in fields(GovernorLimits)])
def test_every_limit_of_the_governor_has_a_tight_side(limit):
    assert limit in TIGHTER


@each_gate
@given(data=st.data(), plan=gate_plans(lanes=[Lane.AUTOMATED]), facts=some_worlds)
def test_halted_never_lets_an_automated_order_through(name, data, plan, facts):
    gate, limits = GATES[name]
    drawn = data.draw(limits)
    unknown = data.draw(st.booleans())
    halted = Missing("absent") if unknown else control(TradingState.HALTED, manual_lane=True)
    decision = gate.decide(plan, replace(facts, control=halted), NOW, drawn)
    assert isinstance(decision, Deny)
    expected = DenyReason.CONTROL_UNKNOWN if unknown else DenyReason.KILL_SWITCH_ACTIVE
    assert decision.reason is expected


@each_gate
def test_the_properties_are_not_empty(name):
    gate, _ = GATES[name]
    default = {"governor": GovernorLimits, "portfolio": PortfolioLimits, "position": PositionLimits}
    for asked, world in ((plan(), facts()), (close(), holding(10))):
        assert isinstance(gate.decide(asked, world, NOW, default[name]()), Allow)
