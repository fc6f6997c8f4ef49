"""Metrics of clusters and budgets, under the original's names."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.risk import ClusterState, SymbolBudget

UNKNOWN = float("nan")


class ClusterMetrics:
    """The last measurement. A stress that was not measured is NaN, never 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, registry=registry)

        self._sum = gauge("p27_cluster_stress_sum", "Stress of all clusters, 0 to 1.")
        self._max = gauge("p27_cluster_stress_max", "Stress of the worst cluster, 0 to 1.")
        self._count = gauge("p27_clusters_count", "Clusters of the book.")
        self._ready = gauge("p27_corr_ready", "1 while the clusters are measured.")
        self._symbols = gauge("p27_symbols_in_matrix", "Symbols held.")
        self._points = gauge("p27_min_points_per_symbol", "Returns of the pair with the fewest.")
        self._updates = Counter("p27_updates_total", "Measurements.", registry=registry)
        self._closed = Counter(
            "p27_fail_closed_total", "Measurements that could not be made.", registry=registry
        )

    def observe(self, state: ClusterState) -> None:
        self._updates.inc()
        self._ready.set(0 if state.why else 1)
        self._symbols.set(len(state.sides))
        self._points.set(UNKNOWN if state.points is None else state.points)
        if state.why:
            self._closed.inc()
            for stale in (self._sum, self._max, self._count):
                stale.set(UNKNOWN)
            return
        self._sum.set(float(state.stress))
        self._max.set(float(max((c.stress for c in state.clusters), default=0)))
        self._count.set(len(state.clusters))


class BudgetMetrics:
    """The last computation; a symbol without a budget has no sample."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["symbol"], registry=registry)

        self._budget = gauge("p28_budget_value_usd", "Budget of the symbol, USDT.")
        self._stress = gauge("p28_stress_factor", "Stress behind the budget, 0 to 1.")
        self._target = gauge("p29_allocation_target_usd", "Allocation target of the symbol, USDT.")
        self._updates = Counter("p28_updates_total", "Computations.", registry=registry)
        self._closed = Counter(
            "p28_fail_closed_total", "Computations that gave no budget.", registry=registry
        )

    def observe(self, budgets: Sequence[SymbolBudget]) -> None:
        self._updates.inc()
        if not budgets:
            self._closed.inc()
        for gauge in (self._budget, self._stress, self._target):
            gauge.clear()
        for budget in budgets:
            self._budget.labels(budget.symbol).set(float(budget.budget_usdt))
            self._stress.labels(budget.symbol).set(float(budget.terms["stress"]))
            self._target.labels(budget.symbol).set(float(budget.target_usdt))
