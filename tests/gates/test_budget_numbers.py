"""Budgets and targets against numbers worked out by hand (DOMAIN §2.5, §2.6)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.facts import Clusters, Missing, Portfolio
from qtops.gates.budget import BudgetLimits, budgets, drawdown_factor, regime_of
from qtops.gates.portfolio import PortfolioLimits
from tests.strategies import NOW, SYMBOLS, D, facts, held, known

LIMITS, HEAT = BudgetLimits(), PortfolioLimits()
# One long of 0.2 BTC: heat (0.20 - 0.05) / 0.30 = 0.5.
SIGMA = {"BTCUSDT": D("0.20"), "ETHUSDT": D("0.01"), "TRXUSDT": D("0.004"), "XRPUSDT": D("0.025")}
BOOK = replace(held(BTCUSDT=D("0.2")), equity_usdt=D(10_000), peak_equity_usdt=D(10_100))


def clusters(stress, *members):
    return known(Clusters(D(stress), {"BTCUSDT": "LONG"}, members))


def world(**changes):
    base = {"portfolio": known(BOOK), "volatility": known(SIGMA), "clusters": clusters("0.5")}
    return facts(**{**base, **changes})


def made(symbols=tuple(SIGMA), limits=LIMITS, **changes):
    found, why = budgets(world(**changes), sorted(symbols), NOW, limits, HEAT)
    return {b.symbol: b for b in found}, why


# By hand: stress = 0.4 * 0.5 + 0.4 * 0.5 + 0.2 * level; budget = 200 * (1 - stress)
HAND = {
    "BTCUSDT": ("0.6", "80", "EXTREME", "19.2"),  # 80 * 0.6 * 0.4
    "ETHUSDT": ("0.466", "106.8", "NORMAL", "57.0312"),  # 106.8 * 1 * 0.534
    "TRXUSDT": ("0.4", "120", "LOW", "86.4"),  # 120 * 1.2 * 0.6
    "XRPUSDT": ("0.534", "93.2", "HIGH", "26.05872"),  # 93.2 * 0.6 * 0.466
}


@pytest.mark.parametrize("symbol", HAND)
def test_a_budget_is_what_the_hand_works_out(symbol):
    found, why = made()
    stress, budget, regime, target = HAND[symbol]
    mine = found[symbol]
    assert (mine.terms["stress"], mine.budget_usdt, mine.regime) == (D(stress), D(budget), regime)
    assert mine.target_usdt == D(target)
    assert why == ""


@pytest.mark.parametrize(
    ("sigma", "regime"),
    [
        ("0.0049", "LOW"),
        ("0.005", "NORMAL"),
        ("0.02", "NORMAL"),
        ("0.0201", "HIGH"),
        ("0.03", "HIGH"),
        ("0.0301", "EXTREME"),
    ],
)
def test_a_regime_on_each_side_of_its_bounds(sigma, regime):
    assert regime_of(D(sigma), LIMITS) == regime


@pytest.mark.parametrize(
    ("drawdown", "factor"),
    [
        ("0", "1"),
        ("0.0499", "1"),
        ("0.05", "0.7"),
        ("0.1499", "0.7"),
        ("0.15", "0.4"),
        (None, "0.4"),
    ],
)
def test_a_drawdown_factor_on_each_side_of_its_bounds(drawdown, factor):
    assert drawdown_factor(None if drawdown is None else D(drawdown)) == D(factor)


def test_a_drawdown_that_is_not_known_is_said():
    found, _ = made(portfolio=known(replace(BOOK, peak_equity_usdt=None)))
    assert found["TRXUSDT"].target_usdt == D("86.4") * D("0.4")
    assert found["TRXUSDT"].reasons == ("drawdown unknown",)


def test_a_flat_account_has_budgets():
    flat = Portfolio({}, D(10_000), D(0))
    found, _ = made(["ETHUSDT"], portfolio=known(flat), clusters=clusters("0"))
    assert found["ETHUSDT"].budget_usdt == D(200) * (1 - D("0.066"))


def test_the_largest_budget_and_the_floor():
    rich = known(replace(BOOK, equity_usdt=D(10**6)))
    assert made(portfolio=rich)[0]["TRXUSDT"].budget_usdt == D(10_000)
    floor = replace(LIMITS, min_usdt=D(150))
    assert made(limits=floor)[0]["BTCUSDT"].budget_usdt == D(150)
    assert made(limits=replace(LIMITS, min_usdt=D(500)))[0]["BTCUSDT"].budget_usdt == D(200)


def test_full_stress_leaves_nothing():
    hot = {**SIGMA, "BTCUSDT": D("0.35")}
    found, _ = made(volatility=known(hot), clusters=clusters("1"))
    assert found["BTCUSDT"].budget_usdt == 0


def test_one_symbol_takes_at_most_its_share_of_all_budgets():
    found, _ = made(["TRXUSDT"])
    assert found["TRXUSDT"].target_usdt == D("0.40") * D(120)
    assert found["TRXUSDT"].reasons == ("symbol cap",)


def test_a_cluster_takes_at_most_its_share_and_is_scaled_as_a_whole():
    cap = replace(LIMITS, cluster_cap=D("0.2"))
    found, _ = made(limits=cap, clusters=clusters("0.5", ("ETHUSDT", "TRXUSDT")))
    eth, trx, btc = (found[s] for s in ("ETHUSDT", "TRXUSDT", "BTCUSDT"))
    assert abs(eth.target_usdt + trx.target_usdt - D("0.2") * 400) < D("1e-20")
    assert abs(eth.target_usdt / trx.target_usdt - D("57.0312") / D("86.4")) < D("1e-20")
    assert "cluster cap" in eth.reasons
    assert btc.target_usdt == D("19.2")


LOST = {
    "no-portfolio": ({"portfolio": Missing("absent")}, "portfolio absent"),
    "no-equity": ({"portfolio": known(replace(BOOK, equity_usdt=None))}, "no equity"),
    "equity-of-zero": ({"portfolio": known(replace(BOOK, equity_usdt=D(0)))}, "no equity"),
    "no-volatilities": ({"volatility": Missing("absent")}, "volatility absent"),
    "no-volatility-of-a-held-symbol": (
        {"volatility": known({"ETHUSDT": D("0.01")})},
        "no volatility for the held BTCUSDT",
    ),
    "no-price-of-a-held-symbol": (
        {"portfolio": known(replace(held(BTCUSDT=(1, 0)), equity_usdt=D(1)))},
        "no mark price for the held BTCUSDT",
    ),
    "clusters-not-ready": (
        {"clusters": Missing("not ready: no klines")},
        "clusters not ready: no klines",
    ),
    "old-portfolio": ({"portfolio": known(BOOK, 30_001)}, "portfolio is 30001 ms old"),
    "old-volatility": ({"volatility": known(SIGMA, 1_800_001)}, "volatility is 1800001 ms old"),
    "old-clusters": ({"clusters": known(clusters("0.5").value, 120_001)}, "clusters is 120001 ms"),
}


@pytest.mark.parametrize(("changes", "said"), LOST.values(), ids=LOST.keys())
def test_a_missing_input_leaves_no_number(changes, said):
    found, why = made(**changes)
    assert found == {}
    assert said in why


def test_inputs_at_their_age_limits_still_count():
    old = {
        "portfolio": known(BOOK, 30_000),
        "volatility": known(SIGMA, 1_800_000),
        "clusters": known(clusters("0.5").value, 120_000),
    }
    assert made(**old)[0].keys() == SIGMA.keys()


def test_a_symbol_without_a_volatility_has_no_budget_and_the_others_do():
    found, why = made(["ETHUSDT", "NEWUSDT"])
    assert found.keys() == {"ETHUSDT"}
    assert why == "no volatility for NEWUSDT"


shares = st.decimals(0, 1, places=2)


@given(
    equity=st.decimals("0.01", 10**7, places=2),
    sigma=st.fixed_dictionaries({s: st.decimals(0, 1, places=3) for s in SYMBOLS}),
    stress=shares,
    gain=st.none() | st.decimals(0, 10**6, places=2),
    floor=st.decimals(0, 1000, places=0),
)
def test_a_budget_never_exceeds_its_share_of_equity(equity, sigma, stress, gain, floor):
    peak = None if gain is None else equity + gain
    book = replace(BOOK, equity_usdt=equity, peak_equity_usdt=peak)
    found, _ = made(
        SYMBOLS,
        replace(LIMITS, min_usdt=floor),
        portfolio=known(book),
        volatility=known(sigma),
        clusters=clusters(stress, tuple(SYMBOLS)),
    )
    assert found.keys() == set(SYMBOLS)
    whole = sum(b.budget_usdt for b in found.values())
    for b in found.values():
        assert 0 <= b.budget_usdt <= min(equity * D("0.02"), D(10_000))
        assert 0 <= b.target_usdt <= D("0.40") * whole
    assert sum(b.target_usdt for b in found.values()) <= D("0.60") * whole + D("1e-15")
