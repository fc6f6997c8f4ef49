"""Portfolio gate (P2.6): heat, concentration and stress of the whole book.

    w_i            = notional_i / sum of notionals
    heat           = clamp((sum w_i * sigma_i - H_MIN) / (H_MAX - H_MIN), 0, 1)
    concentration  = |net notional| / gross notional
    correlation    = stress of the clusters (P2.7) where it was measured on this book, else a proxy:
                     sum of w_i on the side of the net
    stress         = A * heat + B * concentration + C * correlation

Source: DOMAIN §2.3(a). sigma is the daily standard deviation of log returns. Opens are judged on
the portfolio after the trade. A proposed close is never refused here; in enforce mode a cold
portfolio shrinks it (no panic selling) and a hot one accelerates it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.facts import Facts, Portfolio
from qtops.contracts.plan import FRACTIONS, Plan
from qtops.contracts.snapshot import side_of
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import Action, DenyReason, FactName, GateMode, GateName, Lane
from qtops.gates.base import OPENS, Check, Gate, Need, known
from qtops.gates.common import COMMON_CHECKS

ONE = Decimal(1)
LADDER = (
    Action.FULL_CLOSE_PROPOSED,
    Action.PARTIAL_75,
    Action.PARTIAL_50,
    Action.PARTIAL_25,
)


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """The original's P26_* numbers. Heat bounds are daily volatilities; the weights sum to one."""

    mode: GateMode = GateMode.SHADOW
    heat_min: Decimal = Decimal("0.05")
    heat_max: Decimal = Decimal("0.35")
    full_close_min_stress: Decimal = Decimal("0.55")
    risk_off_stress: Decimal = Decimal("0.80")
    hard_kill_score: Decimal = Decimal("0.85")
    heat_weight: Decimal = Decimal("0.60")
    concentration_weight: Decimal = Decimal("0.25")
    correlation_weight: Decimal = Decimal("0.15")
    cooldown_ms: int = 60_000
    max_input_age_ms: int = 30_000
    max_volatility_age_ms: int = 1_800_000
    max_clusters_age_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Stress:
    """One reading of the portfolio; every part lies in 0..1."""

    heat: Decimal
    concentration: Decimal
    correlation: Decimal
    stress: Decimal
    correlation_from: str = "proxy"

    def terms(self) -> dict[str, str]:
        names = ("stress", "heat", "concentration", "correlation")
        numbers = {name: fmt_decimal(round(getattr(self, name), 6)) for name in names}
        return {**numbers, "correlation_from": self.correlation_from}


def portfolio_stress(
    notionals: Mapping[str, Decimal],
    volatility: Mapping[str, Decimal],
    limits: PortfolioLimits,
    cluster_stress: Decimal | None = None,
) -> Stress:
    """Stress of signed notionals (USDT by symbol). An empty portfolio has none.

    `cluster_stress` takes the place of the proxy where it is given.

    Raises KeyError when a symbol's volatility is not given: an invented one would be a fault.
    """
    gross = sum((abs(n) for n in notionals.values()), ZERO)
    if gross == ZERO:
        return Stress(ZERO, ZERO, ZERO, ZERO)
    net = sum(notionals.values(), ZERO)
    raw = sum((abs(n) / gross * volatility[s] for s, n in notionals.items() if n), ZERO)
    heat = min(max((raw - limits.heat_min) / (limits.heat_max - limits.heat_min), ZERO), ONE)
    concentration = abs(net) / gross
    proxy = sum((abs(n) for n in notionals.values() if n * net > ZERO), ZERO) / gross
    correlation = proxy if cluster_stress is None else cluster_stress
    stress = (
        limits.heat_weight * heat
        + limits.concentration_weight * concentration
        + limits.correlation_weight * correlation
    )
    source = "proxy" if cluster_stress is None else "clusters"
    return Stress(heat, concentration, correlation, stress, source)


def _age(limits: PortfolioLimits) -> int:
    return limits.max_input_age_ms


def _volatility_age(limits: PortfolioLimits) -> int:
    return limits.max_volatility_age_ms


def _clusters_age(limits: PortfolioLimits) -> int:
    return limits.max_clusters_age_ms


_REASON = DenyReason.FAIL_CLOSED_PORTFOLIO_STATE
_PORTFOLIO: Need[PortfolioLimits] = Need(FactName.PORTFOLIO, _REASON, max_age_ms=_age)
_MARK: Need[PortfolioLimits] = Need(FactName.MARK, _REASON, max_age_ms=_age)
_VOLATILITY: Need[PortfolioLimits] = Need(FactName.VOLATILITY, _REASON, max_age_ms=_volatility_age)
_COOLDOWN: Need[PortfolioLimits] = Need(FactName.HEAT_COOLDOWN, DenyReason.COOLDOWN_UNKNOWN)
_CLUSTERS: Need[PortfolioLimits] = Need(FactName.CLUSTERS, _REASON, max_age_ms=_clusters_age)
_ADVICE = (_PORTFOLIO, _VOLATILITY, _COOLDOWN)


def volatilities_complete(
    plan: Plan, facts: Facts, now_ms: int, limits: PortfolioLimits
) -> Deny | None:
    """Every held symbol and the plan's own need a volatility; a gap is not a zero."""
    gaps = _gaps(known(facts.portfolio), known(facts.volatility), plan.symbol)
    return Deny(_REASON, gaps) if gaps else None


def _gaps(portfolio: Portfolio, volatility: Mapping[str, Decimal], *symbols: str) -> str:
    """What the numbers lack, in words; empty when they are complete."""
    held = {s: p for s, p in portfolio.positions.items() if p.amount != ZERO}
    unknown = sorted((held.keys() | set(symbols)) - volatility.keys())
    if unknown:
        return f"no volatility for {', '.join(unknown[:5])}"
    unpriced = sorted(s for s, p in held.items() if p.mark_price <= ZERO)
    return f"no mark price for {', '.join(unpriced[:5])}" if unpriced else ""


def stress_below_risk_off(
    plan: Plan, facts: Facts, now_ms: int, limits: PortfolioLimits
) -> Deny | None:
    """In enforce mode no open may leave the portfolio at or above the risk-off stress."""
    stress = stress_after(plan, facts, now_ms, limits)
    if limits.mode is GateMode.ENFORCE and stress.stress >= limits.risk_off_stress:
        return Deny(
            DenyReason.PORTFOLIO_RISK_OFF,
            f"stress {fmt_decimal(round(stress.stress, 4))} >= {limits.risk_off_stress}",
        )
    return None


def stress_after(plan: Plan, facts: Facts, now_ms: int, limits: PortfolioLimits) -> Stress:
    """Stress of the portfolio as it would stand after an open."""
    notionals = known(facts.portfolio).notionals()
    added = plan.side.sign * plan.quantity * known(facts.mark)
    notionals[plan.symbol] = notionals.get(plan.symbol, ZERO) + added
    clusters = cluster_stress(notionals, facts, now_ms, limits)
    return portfolio_stress(notionals, known(facts.volatility), limits, clusters)


def cluster_stress(
    notionals: Mapping[str, Decimal], facts: Facts, now_ms: int, limits: PortfolioLimits
) -> Decimal | None:
    """The measured stress of the clusters if it is fresh and covers this book, else None.

    It covers a book whose every position it saw on the same side; an open of another symbol is
    judged by the proxy, since nobody measured how it moves with the rest.
    """
    if _CLUSTERS.absence(facts, now_ms, limits) is not None:
        return None
    clusters = known(facts.clusters)
    covered = all(clusters.sides.get(s) == side_of(n) for s, n in notionals.items() if n != ZERO)
    return clusters.stress if covered else None


def grant(plan: Plan, facts: Facts, now_ms: int, limits: PortfolioLimits) -> Decision:
    """The final action and the fraction of the position it allows; shadow mode changes nothing."""
    if not plan.reduce_only:
        stress = stress_after(plan, facts, now_ms, limits)
        terms = {"final_action": plan.action.value, "fraction": "1", **stress.terms()}
        return Allow(plan.quantity, {"mode": limits.mode.value, "gate_reason": "pass", **terms})
    action, reason, stress_now = calibrate(plan, facts, now_ms, limits)
    final = action if limits.mode is GateMode.ENFORCE else plan.action
    terms = {
        "mode": limits.mode.value,
        "action_proposed": plan.action.value,
        "final_action": final.value,
        "calibrated_action": action.value,
        "fraction": fmt_decimal(FRACTIONS.get(final, ONE)),
        "gate_reason": reason,
        **(stress_now.terms() if stress_now else {}),
    }
    return Allow(plan.quantity, terms)


def calibrate(
    plan: Plan, facts: Facts, now_ms: int, limits: PortfolioLimits
) -> tuple[Action, str, Stress | None]:
    """What the policy would make of a proposed close: (action, reason, stress).

    Reconcile closes and the operator's own plans pass as they are; so does everything while an
    input is missing, because a missing input never holds a verified reduction back.
    """
    if plan.is_reconcile or plan.lane is Lane.MANUAL:
        return plan.action, "pass_operator", None
    absent = _absent(facts, now_ms, limits)
    if absent:
        return plan.action, f"pass_input_missing: {absent}", None
    notionals = known(facts.portfolio).notionals()
    clusters = cluster_stress(notionals, facts, now_ms, limits)
    stress = portfolio_stress(notionals, known(facts.volatility), limits, clusters)
    action, reason = _by_stress(plan, stress.stress, limits)
    last_ms = known(facts.heat_cooldown)
    if last_ms is not None and now_ms - last_ms < limits.cooldown_ms:
        lower = LADDER[min(LADDER.index(action) + 1, len(LADDER) - 1)]
        return lower, "cooldown_downgrade", stress
    return action, reason, stress


def _absent(facts: Facts, now_ms: int, limits: PortfolioLimits) -> str:
    for need in _ADVICE:
        denial = need.absence(facts, now_ms, limits)
        if denial is not None:
            return denial.detail
    return _gaps(known(facts.portfolio), known(facts.volatility))


def _by_stress(plan: Plan, stress: Decimal, limits: PortfolioLimits) -> tuple[Action, str]:
    if plan.action is Action.FULL_CLOSE_PROPOSED and stress < limits.full_close_min_stress:
        if plan.kill_score is not None and plan.kill_score >= limits.hard_kill_score:
            return Action.PARTIAL_75, "forbid_full_close_portfolio_cold_ks_hard"
        return Action.PARTIAL_50, "forbid_full_close_portfolio_cold"
    small = plan.action in {Action.PARTIAL_25, Action.PARTIAL_50}
    if small and stress >= limits.risk_off_stress:
        return Action.PARTIAL_75, "riskoff_accelerate"
    return plan.action, "pass"


PORTFOLIO_GATE: Gate[PortfolioLimits] = Gate(
    name=GateName.PORTFOLIO,
    checks=(
        *COMMON_CHECKS,
        Check(volatilities_complete, OPENS, (_PORTFOLIO, _VOLATILITY)),
        Check(stress_below_risk_off, OPENS, (_PORTFOLIO, _VOLATILITY, _MARK)),
    ),
    grant=grant,
    advice=_ADVICE,
    fallbacks=(_CLUSTERS,),
)
