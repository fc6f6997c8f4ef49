"""The formula of the portfolio gate against numbers worked out by hand (DOMAIN §2.3a)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.gates.portfolio import PortfolioLimits, portfolio_stress
from tests.strategies import D

LIMITS = PortfolioLimits()

# notionals, volatilities; heat, concentration, correlation, stress
HAND = {
    # 3/4 * 0.10 + 1/4 * 0.20 = 0.125; (0.125 - 0.05) / 0.30 = 0.25; net 1000 / gross 1000
    "two-longs": ({"A": 750, "B": 250}, {"A": "0.10", "B": "0.20"}, "0.25 1 1 0.55"),
    # net 500 of gross 1000: concentration 0.5; the long side is 0.75 of gross
    "long-and-short": (
        {"A": 750, "B": -250},
        {"A": "0.10", "B": "0.20"},
        "0.25 0.5 0.75 0.3875",
    ),
    # net short: what counts as aligned is the short side
    "net-short": ({"A": -750, "B": 250}, {"A": "0.10", "B": "0.20"}, "0.25 0.5 0.75 0.3875"),
    # net 0: nothing is aligned with it
    "balanced": ({"A": 500, "B": -500}, {"A": "0.20", "B": "0.20"}, "0.5 0 0 0.3"),
    "heat-is-never-below-zero": ({"A": 100}, {"A": "0.01"}, "0 1 1 0.4"),
    "heat-at-its-lower-bound": ({"A": 100}, {"A": "0.05"}, "0 1 1 0.4"),
    "heat-at-its-upper-bound": ({"A": 100}, {"A": "0.35"}, "1 1 1 1"),
    "heat-is-never-above-one": ({"A": 100}, {"A": "2"}, "1 1 1 1"),
    "three-positions": (
        {"A": 600, "B": 300, "C": -100},
        {"A": "0.08", "B": "0.14", "C": "0.30"},
        # 0.6*0.08 + 0.3*0.14 + 0.1*0.30 = 0.12 -> 7/30; net 800/1000; aligned 0.9
        "0.23333333333333 0.8 0.9 0.475",
    ),
    "empty": ({}, {}, "0 0 0 0"),
    "flat": ({"A": 0}, {}, "0 0 0 0"),
}


@pytest.mark.parametrize(("notionals", "sigma", "numbers"), HAND.values(), ids=HAND.keys())
def test_stress_is_what_the_hand_works_out(notionals, sigma, numbers):
    stress = portfolio_stress(
        {s: D(n) for s, n in notionals.items()}, {s: D(v) for s, v in sigma.items()}, LIMITS
    )
    found = (stress.heat, stress.concentration, stress.correlation, stress.stress)
    for value, expected in zip(found, numbers.split(), strict=True):
        assert abs(value - D(expected)) < D("1e-13")


def test_a_volatility_that_is_not_given_is_a_fault_and_not_a_zero():
    with pytest.raises(KeyError):
        portfolio_stress({"A": D(1)}, {}, LIMITS)


names = st.sampled_from(["A", "B", "C"])
books = st.dictionaries(names, st.decimals(-1000, 1000, places=2))
sigmas = st.fixed_dictionaries({name: st.decimals(0, 1, places=3) for name in "ABC"})


@given(book=books, sigma=sigmas)
def test_every_part_lies_between_zero_and_one(book, sigma):
    stress = portfolio_stress(book, sigma, LIMITS)
    for part in (stress.heat, stress.concentration, stress.correlation, stress.stress):
        assert 0 <= part <= 1 + D("1e-20")
    assert all("E" not in term for term in stress.terms().values())


@given(book=books, sigma=sigmas, factor=st.integers(1, 1000))
def test_stress_does_not_depend_on_the_size_of_the_account(book, sigma, factor):
    small = portfolio_stress(book, sigma, LIMITS).stress
    large = portfolio_stress({s: n * factor for s, n in book.items()}, sigma, LIMITS).stress
    assert abs(small - large) < D("1e-20")


@given(book=books, sigma=sigmas)
def test_stress_is_the_same_for_the_mirrored_book(book, sigma):
    mirrored = {s: -n for s, n in book.items()}
    assert portfolio_stress(book, sigma, LIMITS) == portfolio_stress(mirrored, sigma, LIMITS)


@given(book=books, sigma=sigmas, name=names, more=st.decimals(0, 1, places=3))
def test_a_hotter_symbol_never_cools_the_portfolio(book, sigma, name, more):
    hotter = {**sigma, name: sigma[name] + more}
    before = portfolio_stress(book, sigma, LIMITS).stress
    assert portfolio_stress(book, hotter, LIMITS).stress >= before - D("1e-20")
