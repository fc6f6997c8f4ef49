"""Clusters (P2.7): measures how the held symbols move together, and writes the stress of it.

What cannot be measured is said (`ready` false, `why`), and never a zero. No position, and one
position alone, need no measurement: nothing has no stress, and a symbol moves with itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from qtops.contracts.facts import Fact, Known, Missing, Portfolio
from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.risk import ClusterState
from qtops.contracts.snapshot import side_of
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import FactName
from qtops.gates.clusters import clusters_of
from qtops.ports import RiskStore
from qtops.services.correlation import Correlations, correlations
from qtops.services.metrics.risk import ClusterMetrics


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What is measured: minutes looked back, returns needed, the threshold, the oldest price."""

    lookback_minutes: int = 360
    min_points: int = 10
    least_correlation: Decimal = Decimal("0.70")
    max_kline_age_ms: int = 300_000


class ClusterMonitor:
    """One measurement for each call of `measure`."""

    def __init__(self, store: RiskStore, plan: ClusterPlan, metrics: ClusterMetrics) -> None:
        self._store = store
        self._plan = plan
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.clusters")

    async def measure(self) -> None:
        """Read the book and its prices, and write the state of the clusters whole."""
        now_ms, facts = await self._store.facts(frozenset({FactName.PORTFOLIO}))
        state = await self._state(facts.portfolio, now_ms)
        await self._store.write_clusters(state)
        self._metrics.observe(state)
        if state.why:
            self._log.warning("clusters.not_ready", why=state.why)

    async def _state(self, portfolio: Fact[Portfolio], now_ms: int) -> ClusterState:
        if isinstance(portfolio, Missing):
            return ClusterState(now_ms, {}, why=f"portfolio {portfolio.why}")
        klines: Mapping[str, Fact[Sequence[Kline]]] = {}
        held = [s for s, p in portfolio.value.positions.items() if p.amount != ZERO]
        if len(held) > 1:
            klines = await self._store.klines(held)
        return state_of(portfolio, klines, now_ms, self._plan)


def state_of(
    portfolio: Known[Portfolio],
    klines: Mapping[str, Fact[Sequence[Kline]]],
    now_ms: int,
    plan: ClusterPlan,
) -> ClusterState:
    """The clusters of the book, or why they cannot be measured. As old as the book.

    `klines` are those of the held symbols; one position or none needs no prices.
    """
    held = {s: p for s, p in portfolio.value.positions.items() if p.amount != ZERO}
    sides = {symbol: side_of(position.amount) for symbol, position in held.items()}
    when = portfolio.observed_at_ms
    unpriced = sorted(s for s, p in held.items() if p.mark_price <= ZERO)
    if unpriced:
        return ClusterState(when, sides, why=f"no mark price for {', '.join(unpriced[:5])}")
    series: dict[str, Sequence[Kline]] = {}
    gaps: list[str] = []
    for symbol, fact in sorted(klines.items()):
        found = _recent(fact, now_ms, plan)
        if isinstance(found, str):
            gaps.append(f"klines of {symbol} {found}")
        else:
            series[symbol] = found
    if gaps:
        return ClusterState(when, sides, why="; ".join(gaps[:5]))
    measured = correlations(series, plan.min_points)
    points = min(measured.points.values(), default=None)
    why = _unmeasured(measured, plan)
    if why:
        return ClusterState(when, sides, points=points, why=why)
    found_clusters = clusters_of(
        portfolio.value.notionals(), measured.values, plan.least_correlation
    )
    return ClusterState(when, sides, found_clusters, points)


def _recent(fact: Fact[Sequence[Kline]], now_ms: int, plan: ClusterPlan) -> Sequence[Kline] | str:
    """The minutes within the lookback, or why there are none to go by."""
    if isinstance(fact, Missing):
        return fact.why
    age_ms = now_ms - fact.observed_at_ms
    if age_ms > plan.max_kline_age_ms:
        return f"end {age_ms // 1000} s ago, limit {plan.max_kline_age_ms // 1000} s"
    # One minute more than there are returns.
    first_ms = now_ms - (plan.lookback_minutes + 1) * INTERVAL_MS
    last_ms = now_ms - INTERVAL_MS
    return [kline for kline in fact.value if first_ms <= kline.open_time_ms <= last_ms]


def _unmeasured(measured: Correlations, plan: ClusterPlan) -> str:
    missing = [pair for pair in measured.points if pair not in measured.values]
    if not missing:
        return ""
    pair = min(missing, key=lambda p: (measured.points[p], sorted(p)))
    names, points = " and ".join(sorted(pair)), measured.points[pair]
    if points < plan.min_points:
        return f"{names} have {points} returns in common, {plan.min_points} are needed"
    return f"a price of {names} stood still"
