"""Exposure, peak and drawdown: known numbers, and nothing where something is not known."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.facts import Missing, Portfolio, Position
from qtops.contracts.portfolio_state import PortfolioState, with_peak
from qtops.errors import DecodeError
from tests.strategies import D, amounts, positive, symbols, times_ms

signed = st.decimals(-100_000, 100_000, places=4)
positions = st.dictionaries(symbols, st.builds(Position, amounts, positive, positive), max_size=4)
LONG_AND_SHORT = {
    "BTCUSDT": Position(D("0.5"), D(1), D(60_000)),
    "ETHUSDT": Position(D(-4), D(1), D(3_000)),
}


def state(equity=None, peak=None):
    return PortfolioState.of(Portfolio(LONG_AND_SHORT, equity, peak), 1)


def test_exposure_is_at_marks_gross_and_net():
    seen = state()
    assert seen.gross_exposure_usdt == 42_000
    assert seen.net_exposure_usdt == 18_000
    assert seen.position_count == 2


@pytest.mark.parametrize(
    ("equity", "peak", "usdt", "fraction"),
    [
        pytest.param(D(9_000), D(10_000), D(1_000), D("0.1"), id="below-the-peak"),
        pytest.param(D(10_000), D(10_000), D(0), D(0), id="at-the-peak"),
        pytest.param(D(-500), D(10_000), D(10_500), D("1.05"), id="more-than-all-is-lost"),
        pytest.param(D(0), D(0), D(0), None, id="nothing-was-ever-there"),
        pytest.param(D(-1), D(-1), D(0), None, id="a-peak-below-zero"),
        pytest.param(None, D(10_000), None, None, id="no-equity"),
        pytest.param(D(9_000), None, None, None, id="no-peak"),
        pytest.param(None, None, None, None, id="neither"),
    ],
)
def test_drawdown_is_known_only_where_both_are(equity, peak, usdt, fraction):
    seen = state(equity, peak)
    assert (seen.drawdown_usdt, seen.drawdown) == (usdt, fraction)
    written = seen.to_fields()
    assert ("drawdown_usd" in written, "drawdown" in written) == (
        usdt is not None,
        fraction is not None,
    )


@pytest.mark.parametrize(
    ("equity", "stored", "peak"),
    [
        pytest.param(D(5), None, D(5), id="the-first-is-the-highest"),
        pytest.param(D(5), D(4), D(5), id="a-new-high"),
        pytest.param(D(5), D(6), D(6), id="below"),
        pytest.param(D(5), Missing("unreadable"), None, id="unreadable-stays-unknown"),
        pytest.param(None, D(6), None, id="without-equity-nothing-is-said"),
        pytest.param(D(-5), None, D(-5), id="below-zero"),
    ],
)
def test_the_peak(equity, stored, peak):
    assert with_peak(Portfolio({}, equity), stored).peak_equity_usdt == peak


@given(st.lists(signed, min_size=1))
def test_a_drawdown_is_the_distance_to_the_highest_so_far(equities):
    peak: Decimal | None = None
    for number, equity in enumerate(equities, 1):
        seen = with_peak(Portfolio({}, equity), peak)
        peak = seen.peak_equity_usdt
        assert peak == max(equities[:number])
        assert PortfolioState.of(seen, 1).drawdown_usdt == max(equities[:number]) - equity


@given(positions, st.none() | signed, st.none() | signed, st.none() | times_ms, times_ms)
def test_a_state_survives_the_wire(held, equity, peak, equity_at_ms, at_ms):
    seen = PortfolioState.of(Portfolio(held, equity, peak, equity_at_ms), at_ms)
    assert PortfolioState.from_fields(seen.to_fields()) == seen


@pytest.mark.parametrize(
    ("field", "value"),
    [("equity_usd", "rich"), ("peak_equity_usd", "NaN"), ("gross_exposure_usd", "")],
)
def test_a_number_that_is_none_is_refused(field, value):
    with pytest.raises(DecodeError):
        PortfolioState.from_fields({**state(D(1), D(2)).to_fields(), field: value})
