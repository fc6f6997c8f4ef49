"""The volatility against the same formula in floating point, and what it must not depend on."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.volatility import VolatilityPlan, daily_volatility

PLAN = VolatilityPlan(half_life_minutes=60, min_returns=2)
CLOSE_TO = Decimal("1e-9")
prices = st.decimals("0.01", "100000", places=2).filter(lambda d: d > 0)


def klines(closes, times=None):
    when = range(len(closes)) if times is None else times
    return [Kline(n * INTERVAL_MS, Decimal(str(c))) for n, c in zip(when, closes, strict=True)]


def reference(closes, times, half_life):
    """Every minute of a gap carries its share of the squared return; a plain weighted mean."""
    squares = np.repeat(np.diff(np.log(closes)) ** 2 / np.diff(times), np.diff(times))
    weights = 0.5 ** (np.arange(len(squares))[::-1] / half_life)
    return float(np.sqrt(1440 * np.average(squares, weights=weights)))


@pytest.mark.parametrize("half_life", [1, 11, 60, 720])
@pytest.mark.parametrize("gaps", [False, True])
def test_it_is_the_exponentially_weighted_mean_of_squared_returns(half_life, gaps):
    rng = np.random.default_rng(7)
    closes = np.round(3000 * np.exp(np.cumsum(rng.normal(0, 0.0008, 361))), 2)
    steps = rng.integers(1, 9, 361) if gaps else np.ones(361, dtype=int)
    times = np.cumsum(steps)
    plan = VolatilityPlan(half_life, min_returns=2)
    sigma = daily_volatility(klines(closes, times.tolist()), plan)
    assert float(sigma) == pytest.approx(reference(closes, times, half_life), rel=1e-8)


def test_a_steady_swing_is_scaled_to_a_day():
    """Returns of +ln 2 and -ln 2: whatever the weights, the mean square is (ln 2)^2."""
    expected = Decimal(2).ln() * Decimal(1440).sqrt()
    assert abs(daily_volatility(klines([1, 2, 1, 2, 1]), PLAN) - expected) < CLOSE_TO


def test_a_return_over_a_gap_is_spread_over_its_minutes():
    """Four minutes at once, of twice the size: the same variance for each minute."""
    steady = daily_volatility(klines([1, 2, 1, 2]), PLAN)
    gap = daily_volatility(klines([1, 4, 1, 4], [0, 4, 8, 12]), PLAN)
    assert abs(steady - gap) < CLOSE_TO


def test_the_recent_past_counts_more():
    calm_then_wild = [100] * 60 + [100, 101] * 30
    wild_then_calm = calm_then_wild[::-1]
    plan = VolatilityPlan(30, min_returns=2)
    wild, calm = (daily_volatility(klines(c), plan) for c in (calm_then_wild, wild_then_calm))
    assert wild > 2 * calm


@pytest.mark.parametrize(("returns", "known"), [(0, False), (29, False), (30, True)])
def test_too_few_returns_have_no_volatility(returns, known):
    closes = klines([100 + n % 2 for n in range(returns + 1)])
    assert (daily_volatility(closes, VolatilityPlan(min_returns=30)) is not None) is known


def test_nothing_has_no_volatility():
    assert daily_volatility([], PLAN) is None


def test_a_price_that_stands_still_has_none_of_it():
    assert daily_volatility(klines([5] * 10), PLAN) == 0


@given(st.lists(prices, min_size=3, max_size=20), st.decimals("0.001", "1000", places=3))
def test_volatility_does_not_depend_on_the_unit_of_price(closes, factor):
    scaled = [close * factor for close in closes]
    before, after = daily_volatility(klines(closes), PLAN), daily_volatility(klines(scaled), PLAN)
    assert abs(before - after) < CLOSE_TO
