"""Reconcile: books against the exchange."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring import open_venue
from qtops.wiring.services.assembly import Assembly, Builder, Running


def _build_reconcile(service: Service, settings: Settings) -> Running:
    from qtops.adapters.reconcile_store import RedisReconcileStore
    from qtops.gates.reconcile import ReconcileLimits
    from qtops.services.metrics.reconcile import ReconcileMetrics
    from qtops.services.reconcile import ReconcilePlan, Reconciler

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    symbols = {*settings.names("P34_ALLOWLIST"), *settings.names("INTENT_EXECUTOR_ALLOWLIST")}
    plan = ReconcilePlan(
        namespace=settings.text("QTOPS_NAMESPACE"),
        symbols=frozenset(symbols),
        loop_s=settings.milliseconds("P34_LOOP_SEC") / 1000,
        freshness_ms=settings.milliseconds("P34_FRESHNESS_SEC"),
        hold_ttl_ms=settings.milliseconds("P34_HOLD_TTL_SEC"),
        limits=ReconcileLimits(
            confirm_ms=settings.milliseconds("P34_CONFIRM_SEC"),
            evidence_ms=settings.milliseconds("P34_EVIDENCE_SEC"),
        ),
    )
    runnable = Reconciler(
        venue=venue,
        store=RedisReconcileStore(assembly.link),
        pulse=assembly.pulse(),
        clock=assembly.clock,
        plan=plan,
        metrics=ReconcileMetrics(assembly.registry),
    )
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links, venue)


BUILDERS: Final[dict[Service, Builder]] = {Service.RECONCILE: _build_reconcile}
