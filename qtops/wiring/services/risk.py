"""The services that measure the risk of the whole portfolio."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running
from qtops.wiring.services.gates import portfolio_limits


def _build_clusters(service: Service, settings: Settings) -> Running:
    from qtops.adapters.risk_store import RedisRiskStore
    from qtops.services.clusters import ClusterMonitor, ClusterPlan
    from qtops.services.metrics.risk import ClusterMetrics
    from qtops.services.periodic import PeriodicService

    assembly = Assembly(service, settings)
    plan = ClusterPlan(
        lookback_minutes=settings.integer("P27_LOOKBACK"),
        min_points=settings.integer("P27_MIN_POINTS"),
        least_correlation=settings.decimal("P27_CLUSTER_CORR_MIN"),
        max_kline_age_ms=settings.milliseconds("P27_MAX_KLINE_AGE_SEC"),
    )
    store = RedisRiskStore(assembly.link)
    monitor = ClusterMonitor(store, plan, ClusterMetrics(assembly.registry))
    every_s = settings.milliseconds("P27_UPDATE_SEC") / 1000
    runnable = PeriodicService(monitor.measure, every_s, assembly.pulse(), assembly.clock)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


def _build_risk_budget(service: Service, settings: Settings) -> Running:
    from qtops.adapters.risk_store import RedisRiskStore
    from qtops.gates.budget import BudgetLimits
    from qtops.services.metrics.risk import BudgetMetrics
    from qtops.services.periodic import PeriodicService
    from qtops.services.risk_budget import RiskBudget

    assembly = Assembly(service, settings)
    heat = portfolio_limits(settings)
    limits = BudgetLimits(
        share_of_equity=settings.decimal("P28_BUDGET_PCT"),
        min_usdt=settings.decimal("P28_MIN_BUDGET_USDT"),
        max_usdt=settings.decimal("P28_MAX_BUDGET_USDT"),
        low_volatility=settings.decimal("P28_VOL_LOW"),
        high_volatility=settings.decimal("P28_VOL_HIGH"),
        extreme_volatility=settings.decimal("P28_VOL_EXTREME"),
        symbol_cap=settings.decimal("P29_SYMBOL_CAP"),
        cluster_cap=settings.decimal("P29_CLUSTER_CAP"),
        max_portfolio_age_ms=heat.max_input_age_ms,
        max_volatility_age_ms=heat.max_volatility_age_ms,
        max_clusters_age_ms=heat.max_clusters_age_ms,
    )
    symbols = {*settings.names("P33_ALLOWLIST"), *settings.names("INTENT_EXECUTOR_ALLOWLIST")}
    metrics = BudgetMetrics(assembly.registry)
    budget = RiskBudget(RedisRiskStore(assembly.link), sorted(symbols), limits, heat, metrics)
    every_s = settings.milliseconds("P28_UPDATE_SEC") / 1000
    runnable = PeriodicService(budget.compute, every_s, assembly.pulse(), assembly.clock)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {
    Service.CLUSTERS: _build_clusters,
    Service.RISK_BUDGET: _build_risk_budget,
}
