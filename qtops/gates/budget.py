"""Risk budget (P2.8) and allocation target (P2.9) of each symbol, in USDT.

    stress = 0.4 * heat + 0.4 * cluster stress + 0.2 * level of the symbol's volatility
    budget = min(clamp(equity * 0.02 * (1 - stress), min, max), equity * 0.02)
    target = budget * regime * clamp(1 - stress, 0.3, 1) * drawdown factor, then the caps:
             a symbol at most 40 % and a cluster at most 60 % of the sum of the budgets

Source: DOMAIN §2.5, §2.6. Heat is the portfolio gate's. The original's floor of 500 gave a budget
at full stress and more than its share to a small account: the floor is 0 unless set, and never
lifts a budget above the share. A cluster over its cap is scaled down as a whole. An input that is
missing leaves no number at all, with one exception: without a drawdown its factor is the smallest.
There is no factor for performance while nothing measures it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from qtops.contracts.facts import Clusters, Facts, Portfolio
from qtops.contracts.portfolio_state import PortfolioState
from qtops.contracts.risk import SymbolBudget
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import DenyReason, FactName
from qtops.gates.base import Need, known
from qtops.gates.portfolio import PortfolioLimits, portfolio_stress

ONE = Decimal(1)
HEAT_WEIGHT, CLUSTER_WEIGHT = Decimal("0.4"), Decimal("0.4")
VOLATILITY_WEIGHT = Decimal("0.2")
LEAST_CALM = Decimal("0.3")
# regime → (level in the stress, factor of the target)
REGIMES = {
    "LOW": (ZERO, Decimal("1.2")),
    "NORMAL": (Decimal("0.33"), ONE),
    "HIGH": (Decimal("0.67"), Decimal("0.6")),
    "EXTREME": (ONE, Decimal("0.6")),
}
MOST_CAREFUL = Decimal("0.4")
# A drawdown below the first leaves its factor.
DRAWDOWNS = ((Decimal("0.05"), ONE), (Decimal("0.15"), Decimal("0.7")))


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The original's P28_* and P29_* numbers; volatilities are daily, ages in ms."""

    share_of_equity: Decimal = Decimal("0.02")
    min_usdt: Decimal = ZERO
    max_usdt: Decimal = Decimal(10_000)
    low_volatility: Decimal = Decimal("0.005")
    high_volatility: Decimal = Decimal("0.02")
    extreme_volatility: Decimal = Decimal("0.03")
    symbol_cap: Decimal = Decimal("0.40")
    cluster_cap: Decimal = Decimal("0.60")
    max_portfolio_age_ms: int = 30_000
    max_volatility_age_ms: int = 1_800_000
    max_clusters_age_ms: int = 120_000


def _portfolio_age(limits: BudgetLimits) -> int:
    return limits.max_portfolio_age_ms


def _volatility_age(limits: BudgetLimits) -> int:
    return limits.max_volatility_age_ms


def _clusters_age(limits: BudgetLimits) -> int:
    return limits.max_clusters_age_ms


_REASON = DenyReason.P28_BUDGET_UNKNOWN
NEEDS: tuple[Need[BudgetLimits], ...] = (
    Need(FactName.PORTFOLIO, _REASON, max_age_ms=_portfolio_age),
    Need(FactName.VOLATILITY, _REASON, max_age_ms=_volatility_age),
    Need(FactName.CLUSTERS, _REASON, max_age_ms=_clusters_age),
)


def budgets(
    facts: Facts,
    symbols: Sequence[str],
    now_ms: int,
    limits: BudgetLimits,
    heat_limits: PortfolioLimits,
) -> tuple[list[SymbolBudget], str]:
    """(budget and target of every symbol that can have one, why some or all have none)."""
    absent = [d.detail for n in NEEDS if (d := n.absence(facts, now_ms, limits)) is not None]
    if absent:
        return [], "; ".join(absent)
    portfolio, sigma = known(facts.portfolio), known(facts.volatility)
    gap = _gap(portfolio, sigma)
    if gap:
        return [], gap
    heat = portfolio_stress(portfolio.notionals(), sigma, heat_limits).heat
    clusters = known(facts.clusters)
    made = [
        _budget(symbol, portfolio, sigma[symbol], (heat, clusters.stress), limits)
        for symbol in symbols
        if symbol in sigma
    ]
    unmeasured = sorted(set(symbols) - sigma.keys())
    why = f"no volatility for {', '.join(unmeasured[:5])}" if unmeasured else ""
    return _capped(made, clusters, limits), why


def _gap(portfolio: Portfolio, sigma: Mapping[str, Decimal]) -> str:
    if portfolio.equity_usdt is None or portfolio.equity_usdt <= ZERO:
        return "no equity"
    held = {s: p for s, p in portfolio.positions.items() if p.amount != ZERO}
    unknown = sorted(held.keys() - sigma.keys())
    if unknown:
        return f"no volatility for the held {', '.join(unknown[:5])}"
    unpriced = sorted(s for s, p in held.items() if p.mark_price <= ZERO)
    return f"no mark price for the held {', '.join(unpriced[:5])}" if unpriced else ""


def regime_of(sigma: Decimal, limits: BudgetLimits) -> str:
    """LOW, NORMAL, HIGH or EXTREME; a volatility at a bound belongs to the middle."""
    if sigma > limits.extreme_volatility:
        return "EXTREME"
    if sigma > limits.high_volatility:
        return "HIGH"
    return "LOW" if sigma < limits.low_volatility else "NORMAL"


def drawdown_factor(drawdown: Decimal | None) -> Decimal:
    """1 below 5 %, 0.7 below 15 %, else 0.4; 0.4 where it is not known."""
    if drawdown is None:
        return MOST_CAREFUL
    return next((factor for bound, factor in DRAWDOWNS if drawdown < bound), MOST_CAREFUL)


def _budget(
    symbol: str,
    portfolio: Portfolio,
    sigma: Decimal,
    shared: tuple[Decimal, Decimal],
    limits: BudgetLimits,
) -> SymbolBudget:
    heat, cluster = shared
    equity = portfolio.equity_usdt or ZERO
    regime = regime_of(sigma, limits)
    level, factor = REGIMES[regime]
    stress = HEAT_WEIGHT * heat + CLUSTER_WEIGHT * cluster + VOLATILITY_WEIGHT * level
    share = equity * limits.share_of_equity
    clamped = min(max(share * (ONE - stress), limits.min_usdt), limits.max_usdt)
    budget = min(clamped, share)
    lost = PortfolioState.of(portfolio, 0).drawdown
    drawdown = drawdown_factor(lost)
    calm = min(max(ONE - stress, LEAST_CALM), ONE)
    terms = {
        "stress": stress,
        "heat": heat,
        "cluster_stress": cluster,
        "volatility": sigma,
        "volatility_level": level,
        "equity_usdt": equity,
        "regime_factor": factor,
        "calm_factor": calm,
        "drawdown_factor": drawdown,
    }
    reasons = () if lost is not None else ("drawdown unknown",)
    target = budget * factor * calm * drawdown
    return SymbolBudget(symbol, budget, target, terms, regime, reasons)


def _capped(
    made: Sequence[SymbolBudget], clusters: Clusters, limits: BudgetLimits
) -> list[SymbolBudget]:
    """Targets under the caps: first each symbol's, then each cluster's, scaled as a whole."""
    whole = sum((b.budget_usdt for b in made), ZERO)
    found = {b.symbol: _at_most(b, limits.symbol_cap * whole, "symbol cap") for b in made}
    for members in clusters.members:
        mine = [found[symbol] for symbol in members if symbol in found]
        together = sum((b.target_usdt for b in mine), ZERO)
        cap = limits.cluster_cap * whole
        if together > cap:
            for b in mine:
                found[b.symbol] = _at_most(b, b.target_usdt * cap / together, "cluster cap")
    return list(found.values())


def _at_most(budget: SymbolBudget, cap: Decimal, reason: str) -> SymbolBudget:
    if budget.target_usdt <= cap:
        return budget
    return replace(budget, target_usdt=cap, reasons=(*budget.reasons, reason))
