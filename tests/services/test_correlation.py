"""Correlations are aligned by time, whatever the series lack."""

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.facts import Known, Missing
from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.services.clusters import ClusterPlan, state_of
from qtops.services.correlation import correlations
from tests.strategies import NOW, D, held, known

START = NOW // INTERVAL_MS * INTERVAL_MS
steps = st.lists(st.integers(-50, 50), min_size=12, max_size=40)


def klines(returns, *, start_ms=START, scale=1):
    """Closes that move by these returns (in basis points), a minute each."""
    price, found = 0.0, [Kline(start_ms, D(100))]
    for number, step in enumerate(returns, start=1):
        price += step / 10_000 * scale
        found.append(Kline(start_ms + number * INTERVAL_MS, D(repr(100 * math.exp(price)))))
    return found


def of(a, b, min_points=2):
    pair = frozenset("AB")
    found = correlations({"A": a, "B": b}, min_points)
    return found.values.get(pair), found.points[pair]


def by_hand(xs, ys):
    """Pearson's formula, written out."""
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    top = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    return top / math.sqrt(sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys))


def test_a_known_correlation():
    """Returns 1 2 3 and 1 3 2: covariance 1/3, variances 2/3, so 0.5; six places, no more."""
    assert of(klines([1, 2, 3]), klines([1, 3, 2])) == (Decimal("0.500000"), 3)
    assert of(klines([1, 2, 3]), klines([3, 2, 1])) == (Decimal("-1.000000"), 3)


@given(steps, steps)
def test_it_is_pearsons_formula(xs, ys):
    size = min(len(xs), len(ys))
    xs, ys = xs[:size], ys[:size]
    value, points = of(klines(xs), klines(ys))
    assert points == size
    if len(set(xs)) == 1 or len(set(ys)) == 1:
        assert value is None, "a price that moves evenly has no correlation"
    else:
        assert abs(float(value) - by_hand(xs, ys)) < 1e-5


@given(steps.filter(lambda xs: len(set(xs)) > 1), st.integers(1, 8))
def test_a_series_that_began_earlier_or_ended_earlier_does_not_slide(xs, shift):
    """The same market in two symbols, one of which lacks the last minutes: they agree wholly.

    Aligned by their tails, as the original did, they would be compared with another time.
    """
    rest = xs[: len(xs) - shift]
    if len(set(rest)) < 2:
        return
    value, points = of(klines(xs), klines(xs)[: len(rest) + 1])
    assert (value, points) == (Decimal("1.000000"), len(rest))


def test_tail_alignment_would_have_been_wrong():
    xs = [10, -10, 10, 10, -10, 10, -10, -10, 10, -10, 10, 10, -10]
    late = klines(xs)[:-1]
    assert of(klines(xs), late)[0] == 1
    assert by_hand(xs[1:], xs[:-1]) < 0


@given(steps.filter(lambda xs: len(set(xs[6:])) > 1), st.integers(2, 5))
def test_a_minute_that_is_missing_drops_out_with_both_its_returns(xs, gap):
    whole = klines(xs)
    value, points = of(whole, [k for n, k in enumerate(whole) if n != gap])
    assert (value, points) == (Decimal("1.000000"), len(xs) - 2)


def test_a_gap_of_one_pair_is_no_gap_of_another():
    whole = klines([1, -2, 3, -1, 2])
    found = correlations({"A": whole, "B": whole, "C": whole[:3]}, 2)
    assert sorted(found.points.values()) == [2, 2, 5]


@given(st.permutations("ABCD"), st.lists(steps, min_size=4, max_size=4))
def test_the_order_of_the_symbols_does_not_matter(order, returns):
    series = {name: klines(xs) for name, xs in zip("ABCD", returns, strict=True)}
    first, again = correlations(series, 3), correlations({s: series[s] for s in order}, 3)
    assert first == again


def test_too_few_points_and_a_still_price_have_no_value():
    assert of(klines([1, 2, 3]), klines([1, 3, 2]), min_points=4) == (None, 3)
    assert of(klines([1, 2, 3]), klines([0, 0, 0])) == (None, 3)
    assert of(klines([1, 2]), klines([1, 2], start_ms=START + 9 * INTERVAL_MS)) == (None, 0)


# --- the state of a book ------------------------------------------------------------------------

PLAN = ClusterPlan()
BOOK = known(held(BTCUSDT=D("0.02"), ETHUSDT=D("0.4")), 5)  # 1000 USDT each
XS = [5, -3, 8, 1, -9, 4, 2, -6, 7, -1]


def series(xs=XS, *, age_ms=0, **changes):
    first = START - (len(xs) + 1) * INTERVAL_MS
    return Known(klines(xs, start_ms=first, **changes), NOW - age_ms)


def state(btc, eth, book=BOOK):
    return state_of(book, {"BTCUSDT": btc, "ETHUSDT": eth}, NOW, PLAN)


def test_a_measured_book():
    found = state(series(), series(scale=2))
    assert (found.why, found.points, found.stress) == ("", 10, 1)
    assert found.sides == {"BTCUSDT": "LONG", "ETHUSDT": "LONG"}
    assert found.observed_at_ms == NOW - 5
    assert found.to_fields()["cluster_stress"] == "1"


def test_what_cannot_be_measured_is_said_and_has_no_number():
    good = series()
    said = {
        "klines of ETHUSDT absent": (good, Missing("absent")),
        "klines of ETHUSDT end 300 s ago, limit 300 s": (good, series(age_ms=300_001)),
        "BTCUSDT and ETHUSDT have 9 returns in common, 10 are needed": (good, series(XS[1:])),
        "a price of BTCUSDT and ETHUSDT stood still": (good, series([0] * 10)),
    }
    for why, pair in said.items():
        found = state(*pair)
        assert found.why == why
        assert found.to_fields()["ready"] == "false"
        assert "cluster_stress" not in found.to_fields()
    assert state(good, series(age_ms=300_000)).why == ""
    unpriced = known(held(BTCUSDT=(1, 0), ETHUSDT=1))
    assert state(good, good, unpriced).why == "no mark price for BTCUSDT"


def test_minutes_before_the_lookback_and_after_now_do_not_count():
    xs = [1, -2] * 200
    assert state(series(xs), series(xs)).points == 360
    future = Known(klines(XS, start_ms=START), NOW)
    assert "returns in common" in state(future, future).why


def test_one_position_or_none_needs_no_prices():
    assert state_of(known(held(BTCUSDT=1)), {}, NOW, PLAN).stress == 1
    assert state_of(known(held()), {}, NOW, PLAN).to_fields()["cluster_stress"] == "0"
