"""The harvest kernel: numbers by hand at each boundary, and what holds for every input."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.episode import Episode, PlanFate, Step
from qtops.contracts.facts import Position
from qtops.contracts.harvest import HarvestProposal
from qtops.contracts.vocabulary import Action
from qtops.gates.harvest import (
    WEIGHTS,
    HarvestLimits,
    assess,
    break_even_stop,
    kill_score,
    ladder_step,
    next_attempt,
    r_net,
    settle_steps,
)
from qtops.gates.regime import NEEDED, Regime, efficiency, regime
from tests.gates.harvest_world import EPISODE, NOW, D, klines, long_at

LIMITS = HarvestLimits()
CALM = Regime(D(0), D(0), D(0))
MINUTE = 60_000


# --- R ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (long_at("104.1"), "2"),  # (4.1 - 0.1) / 2, whatever the amount
        (long_at("104.1", amount=7_000), "2"),
        (long_at(100), "-0.05"),  # the cost alone
        (long_at("95.9", amount=-10), "2"),  # a short earns on the way down
        (long_at(104, amount=-10), "-2.05"),
    ],
)
def test_r_is_profit_after_cost_per_unit_of_risk(position, expected):
    assert r_net(position, LIMITS) == D(expected)


@pytest.mark.parametrize(
    ("r", "step"),
    [
        ("1.9999", Action.HOLD),
        ("2", Action.PARTIAL_25),
        ("3.9999", Action.PARTIAL_25),
        ("4", Action.PARTIAL_50),
        ("5.9999", Action.PARTIAL_50),
        ("6", Action.PARTIAL_75),
        ("60", Action.PARTIAL_75),
        ("-3", Action.HOLD),
    ],
)
def test_the_ladder_steps_at_2_4_and_6_r(r, step):
    assert ladder_step(D(r)) is step


@pytest.mark.parametrize(
    ("amount", "r", "stop"),
    [(10, "1.5", "100.2"), (-10, "1.5", "99.8"), (10, "1.4999", None)],
)
def test_a_break_even_stop_is_proposed_from_1_5_r(amount, r, stop):
    found = break_even_stop(long_at(103, amount=amount), D(r))
    assert found == (D(stop) if stop else None)


# --- kill score ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ({}, "0.5"),
        ({"k_regime_flip": 1}, "0.7311"),
        ({"k_sigma_spike": 2}, "0.7311"),
        ({"k_sigma_spike": 3}, "0.7311"),  # capped at 2
        ({"k_ts_drop": "0.5"}, "0.5622"),
        ({"k_ts_drop": 2}, "0.5622"),  # capped at 0.5
        ({"k_age_penalty": 1}, "0.5744"),
        ({"k_age_penalty": 9}, "0.5744"),  # a day at most
        (
            {"k_regime_flip": 1, "k_sigma_spike": 2, "k_ts_drop": "0.5", "k_age_penalty": 1},
            "0.9276",
        ),
    ],
)
def test_the_kill_score_by_hand(components, expected):
    score = kill_score({name: D(value) for name, value in components.items()})
    assert round(score, 4) == D(expected)


numbers = st.decimals(-100, 100, places=4)


@given(
    st.dictionaries(st.sampled_from(sorted(WEIGHTS)), numbers),
    st.sampled_from(sorted(WEIGHTS)),
    st.decimals(0, 10, places=4),
)
def test_the_kill_score_is_bounded_and_never_falls_with_a_component(parts, name, more):
    score = kill_score(parts)
    assert D("0.5") <= score < D("0.9277")
    without = {n: v for n, v in parts.items() if n != name}
    assert kill_score(without) <= score
    assert kill_score({**parts, name: parts.get(name, D(0)) + more}) >= score


# --- assessment ---------------------------------------------------------------------------------
def test_a_flip_alone_is_enough_for_a_full_close():
    seen = assess(EPISODE, long_at(100), Regime(D(1), D(0), D(0)), NOW, LIMITS)
    assert seen.action is Action.FULL_CLOSE_PROPOSED
    assert seen.kill_score == D("0.73105858")
    assert seen.components["k_regime_flip"] == 1


def test_a_full_close_goes_before_a_step():
    seen = assess(EPISODE, long_at(110), Regime(D(1), D(0), D(0)), NOW, LIMITS)
    assert seen.action is Action.FULL_CLOSE_PROPOSED


def test_the_threshold_itself_closes():
    at = kill_score({"k_sigma_spike": D(1), "k_age_penalty": D(0)})
    limits = HarvestLimits(kill_threshold=at)
    spike = Regime(D(0), D(0), D(1))
    assert assess(EPISODE, long_at(100), spike, NOW, limits).action is Action.FULL_CLOSE_PROPOSED
    above = HarvestLimits(kill_threshold=at + D("1e-12"))
    assert assess(EPISODE, long_at(100), spike, NOW, above).action is Action.HOLD


SHARES = {Action.HOLD: 0, Action.PARTIAL_25: 25, Action.PARTIAL_50: 50, Action.PARTIAL_75: 75}
SHARES[Action.FULL_CLOSE_PROPOSED] = 100


@given(
    st.decimals(1, 200, places=2),
    st.booleans(),
    st.builds(Regime, *(st.decimals(0, 3, places=3) for _ in range(3))),
    st.integers(0, 10**9),
)
def test_missing_klines_never_make_a_larger_close(mark, is_long, seen, age_ms):
    position = long_at(mark, amount=10 if is_long else -10)
    episode = Episode("BTCUSDT", is_long, D(100), NOW)
    whole = assess(episode, position, seen, NOW + age_ms, LIMITS)
    blind = assess(episode, position, "absent", NOW + age_ms, LIMITS)
    assert SHARES[blind.action] <= SHARES[whole.action]
    assert blind.reason_codes[0] == "klines_absent"
    assert set(blind.components) == {"k_age_penalty"}


# --- identity and attempts ----------------------------------------------------------------------
def test_an_intent_has_one_name_however_the_price_moves():
    again = Episode.from_json("BTCUSDT", EPISODE.to_json())
    assert again.plan_id(Action.PARTIAL_25, 1) == EPISODE.plan_id(Action.PARTIAL_25, 1)
    names = {EPISODE.plan_id(action, n) for action in SHARES if action is not Action.HOLD
             for n in (1, 2)}  # fmt: skip
    assert len(names) == 8
    assert not any(":" in name for name in names)


@pytest.mark.parametrize(
    "other",
    [
        Episode("BTCUSDT", is_long=False, entry_price=D(100), first_seen_ms=NOW),
        Episode("BTCUSDT", is_long=True, entry_price=D(101), first_seen_ms=NOW),
        Episode("BTCUSDT", is_long=True, entry_price=D(100), first_seen_ms=NOW + 1),
        Episode("ETHUSDT", is_long=True, entry_price=D(100), first_seen_ms=NOW),
    ],
)
def test_another_position_has_other_names(other):
    assert other.trace_id(Action.PARTIAL_25) != EPISODE.trace_id(Action.PARTIAL_25)


@pytest.mark.parametrize(
    ("position", "same"),
    [
        (long_at(120, amount=3), True),  # reduced: the entry price stays
        (long_at(100, entry=101), False),  # added to
        (long_at(100, amount=-10), False),
    ],
)
def test_an_episode_lasts_while_side_and_entry_do(position, same):
    assert EPISODE.continues(position) is same


def after(action, attempt=1, *, done=False, at_ms=NOW):
    step = Step(attempt, EPISODE.plan_id(action, attempt), at_ms, done)
    return EPISODE.with_step(action, step)


P25, P50, FULL = Action.PARTIAL_25, Action.PARTIAL_50, Action.FULL_CLOSE_PROPOSED


@pytest.mark.parametrize(
    ("episode", "action", "fate", "after_ms", "expected"),
    [
        (EPISODE, Action.HOLD, PlanFate.ABSENT, 0, "hold"),
        (EPISODE, P25, PlanFate.ABSENT, 0, 1),
        (after(P25), P25, PlanFate.OPEN, 10**9, "attempt_open"),
        (after(P25), P25, PlanFate.REFUSED, 299_999, "retry_later"),
        (after(P25), P25, PlanFate.REFUSED, 300_000, 2),
        (after(P25), P25, PlanFate.ABSENT, 300_000, 2),
        (after(P25, 2), P25, PlanFate.REFUSED, 599_999, "retry_later"),
        (after(P25, 2), P25, PlanFate.REFUSED, 600_000, 3),
        (after(P25, 99), P25, PlanFate.REFUSED, 900_000, 100),  # a quarter of an hour at most
        (after(P25, done=True), P25, PlanFate.EXECUTED, 10**9, "step_executed"),
        (after(P25, done=True), P50, PlanFate.ABSENT, 0, 1),
        (after(P50, done=True), P25, PlanFate.ABSENT, 0, "step_executed"),
        (after(FULL, done=True), FULL, PlanFate.EXECUTED, 299_999, "retry_later"),
        (after(FULL, done=True), FULL, PlanFate.EXECUTED, 300_000, 2),  # something was left
        (after(FULL, done=True), P25, PlanFate.ABSENT, 0, 1),
    ],
)
def test_a_step_is_done_once_and_a_refused_one_comes_back(
    episode, action, fate, after_ms, expected
):
    assert next_attempt(episode, action, fate, NOW + after_ms, LIMITS) == expected


def test_a_step_that_was_filled_stays_done_when_its_claim_is_gone():
    plan_id = EPISODE.plan_id(P25, 1)
    done = settle_steps(after(P25), {plan_id: PlanFate.EXECUTED})
    assert done.steps[P25].done
    assert settle_steps(done, {plan_id: PlanFate.ABSENT}).steps[P25].done
    assert not settle_steps(after(P25), {plan_id: PlanFate.REFUSED}).steps[P25].done


# --- regime -------------------------------------------------------------------------------------
UP = [100 + i for i in range(NEEDED)]
THERE_AND_BACK = [100 + i for i in range(61)] + [159 - i for i in range(60)]


def test_efficiency_is_net_move_over_the_way():
    assert efficiency([D(c) for c in (100, 104, 102, 103)]) == D(3) / 7
    assert efficiency([D(100)] * 5) == 0


@pytest.mark.parametrize(
    ("closes", "is_long", "flip", "drop"),
    [
        (UP, True, 0, 0),
        (UP, False, 1, 0),
        (THERE_AND_BACK, True, 1, 2),  # from +1 to -1
        (THERE_AND_BACK, False, 0, 0),
    ],
)
def test_flip_and_drop_by_hand(closes, is_long, flip, drop):
    seen = regime(klines(closes), NOW, is_long=is_long)
    assert (seen.flip, seen.ts_drop) == (flip, drop)


def test_a_spike_is_the_last_half_hour_against_two_hours():
    swings = [100 + (i % 2) for i in range(NEEDED)]
    assert regime(klines(swings), NOW, is_long=True).sigma_spike < D("0.05")
    wild = swings[:-30] + [100 + 10 * (i % 2) for i in range(30)]
    assert D("0.8") < regime(klines(wild), NOW, is_long=True).sigma_spike < D("1.1")
    assert regime(klines([100] * NEEDED), NOW, is_long=True).sigma_spike == 0


@pytest.mark.parametrize(
    ("rows", "now_ms", "why"),
    [
        (klines(UP[1:]), NOW, "too_few"),
        (klines(UP), NOW + 6 * MINUTE, "old"),
        ([*klines(UP, NOW - 31 * MINUTE)[:-1], *klines([1], NOW)], NOW, "gaps"),
    ],
)
def test_closes_that_do_not_say_enough_say_nothing(rows, now_ms, why):
    assert regime(rows, now_ms, is_long=True) == why


def test_the_oldest_and_widest_closes_that_still_count():
    assert isinstance(regime(klines(UP), NOW + 5 * MINUTE, is_long=True), Regime)
    wide = [*klines(UP, NOW - 30 * MINUTE)[:-1], *klines([1], NOW)]
    assert isinstance(regime(wide, NOW, is_long=True), Regime)


prices = st.decimals("1e-10", "1e10", places=10)


@given(prices, prices, st.decimals("-1e9", "1e9", places=3).filter(bool))
def test_any_assessment_can_be_written_and_read(entry, mark, amount):
    position = Position(amount, entry, mark)
    episode = Episode("BTCUSDT", amount > 0, entry, NOW)
    seen = assess(episode, position, CALM, NOW + 1, LIMITS)
    named = replace(seen, plan_id="p", trace_id="t", action=Action.PARTIAL_25)
    assert HarvestProposal.from_fields(named.to_fields()) == named
