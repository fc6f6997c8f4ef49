"""The exit rules as a table, and what must hold for every price."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.control import in_rollout
from qtops.contracts.facts import ControlState, Known, Missing, Position
from qtops.contracts.vocabulary import GateMode, TradingState
from qtops.gates.exit_control import Level, Ruling, rule_exit
from qtops.gates.exit_rules import (
    ENTRY_UNKNOWN,
    Exit,
    ExitLimits,
    ExitRule,
    Held,
    Hold,
    better,
    distances,
    judge,
    usable_mark,
)

D = Decimal
LIMITS = ExitLimits()
WITHIN = Hold("within_limits")
PRICES = st.decimals(min_value="50", max_value="150", places=2)


def held(amount="1", best="100", entry="100"):
    return Held(Position(D(amount), D(entry)), D(best))


def fired(verdict):
    return verdict.rule if isinstance(verdict, Exit) else None


@pytest.mark.parametrize(
    ("amount", "best", "mark", "rule"),
    [
        ("1", "100", "98.51", None),
        ("1", "100", "98.5", ExitRule.STOP_LOSS),
        ("1", "100", "102.49", None),
        ("1", "102.5", "102.5", ExitRule.TAKE_PROFIT),
        ("1", "102", "100.48", None),
        ("1", "102", "100.47", ExitRule.TRAILING_STOP),
        ("1", "100.5", "98.5", ExitRule.STOP_LOSS),  # both: the loss has the first word
        ("-1", "100", "101.49", None),
        ("-1", "100", "101.5", ExitRule.STOP_LOSS),
        ("-1", "97.5", "97.5", ExitRule.TAKE_PROFIT),
        ("-1", "98", "99.46", None),
        ("-1", "98", "99.47", ExitRule.TRAILING_STOP),
    ],
)
def test_which_rule_fires(amount, best, mark, rule):
    assert fired(judge(held(amount, best), D(mark), LIMITS)) == rule


def test_the_trailing_stop_waits_for_a_profit():
    tight = ExitLimits(trailing_pct=D("0.5"))
    assert judge(held(), D("99.2"), tight) == WITHIN
    assert fired(judge(held(best="100.1"), D("99.2"), tight)) is ExitRule.TRAILING_STOP


def test_without_an_entry_price_nothing_is_measured():
    assert judge(held(entry="0"), D(1), LIMITS) == ENTRY_UNKNOWN


@given(best=PRICES, mark=PRICES)
def test_a_short_is_a_long_in_the_mirror(best, mark):
    def mirrored(price):
        return 200 - price

    no_trail = ExitLimits(trailing_pct=D(1000))
    long, short = held("1", str(best)), held("-1", str(mirrored(best)))
    assert judge(long, mark, no_trail) == judge(short, mirrored(mark), no_trail)
    assert better(D(1), best, mark) == mirrored(better(D(-1), mirrored(best), mirrored(mark)))
    assert long.is_armed == short.is_armed


@given(best=PRICES, mark=PRICES, amount=st.sampled_from(["1", "-1"]))
def test_a_loss_beyond_the_stop_always_exits_as_a_loss(best, mark, amount):
    position = held(amount, str(best))
    if position.gain_pct(mark) <= -LIMITS.stop_loss_pct:
        assert fired(judge(position, mark, LIMITS)) is ExitRule.STOP_LOSS


def test_a_mark_that_is_old_or_not_there_is_not_a_mark():
    assert usable_mark(Known(D(5), 1_000), 11_000, LIMITS) == D(5)
    assert usable_mark(Known(D(5), 1_000), 11_001, LIMITS) == "mark_stale"
    assert usable_mark(Missing("absent"), 0, LIMITS) == "mark_absent"
    assert usable_mark(Missing("unreadable: x"), 0, LIMITS) == "mark_unreadable"


def control(state):
    return Known(ControlState(state, 1, "TESTNET", manual_lane=False), 0)


@pytest.mark.parametrize(
    ("kill", "mode", "pct", "ruling"),
    [
        (Missing("absent"), GateMode.ENFORCE, 100, (False, Level.KILL)),
        (control(TradingState.HALTED), GateMode.SHADOW, 0, (False, Level.KILL)),
        (control(TradingState.REDUCING), GateMode.ENFORCE, 100, (True, Level.DEFAULT)),
        (control(TradingState.ACTIVE), GateMode.SHADOW, 0, (False, Level.MODE)),
        (control(TradingState.ACTIVE), GateMode.ENFORCE, 0, (False, Level.ROLLOUT)),
        (control(TradingState.ACTIVE), GateMode.ENFORCE, 99, (True, Level.ROLLOUT)),
        (control(TradingState.ACTIVE), GateMode.ENFORCE, 100, (True, Level.DEFAULT)),
    ],
)
def test_the_first_level_with_something_to_say_decides(kill, mode, pct, ruling):
    allowed, decided_by = ruling
    assert rule_exit(kill, mode, pct, "BTCUSDT") == Ruling(allowed=allowed, decided_by=decided_by)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "TRXUSDT", "SOLUSDT"])
def test_exits_roll_out_by_the_hash_of_opens(symbol):
    active = control(TradingState.ACTIVE)
    for pct in range(100):
        ruling = rule_exit(active, GateMode.ENFORCE, pct, symbol)
        assert ruling.allowed == in_rollout(symbol, pct)


@pytest.mark.parametrize("amount", ["2", "-2"])
@pytest.mark.parametrize("moved", range(-4, 5))
def test_a_rule_fires_when_no_distance_to_it_is_left(amount, moved):
    """The distances say the same as the rules: none left, and only then, one fires."""
    held = Held(Position(Decimal(amount), Decimal(100)), Decimal(100))
    mark = Decimal(100 + moved)
    held = replace(held, best=better(Decimal(amount), held.best, mark))
    left = distances(held, mark, ExitLimits())
    fires = isinstance(judge(held, mark, ExitLimits()), Exit)
    assert fires == any(away is not None and away <= 0 for away in left.values())
    assert (left[ExitRule.TRAILING_STOP] is not None) == held.is_armed


def test_without_an_entry_price_no_distance_is_known():
    held = Held(Position(Decimal(1)), Decimal(100))
    assert set(distances(held, Decimal(100), ExitLimits()).values()) == {None}
