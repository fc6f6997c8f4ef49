"""The services that read the exchange for the gates."""

from typing import Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring import open_venue
from qtops.wiring.services.assembly import Assembly, Builder, Running


def _build_snapshots(service: Service, settings: Settings) -> Running:
    from qtops.adapters.snapshot_store import RedisSnapshotStore
    from qtops.services.metrics import SnapshotMetrics
    from qtops.services.snapshots import SnapshotPlan, SnapshotPublisher

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    symbols = {*settings.names("P33_ALLOWLIST"), *settings.names("INTENT_EXECUTOR_ALLOWLIST")}
    plan = SnapshotPlan(
        symbols=frozenset(symbols),
        positions_s=settings.milliseconds("SNAPSHOT_POSITIONS_SECONDS") / 1000,
        marks_s=settings.milliseconds("SNAPSHOT_MARKS_SECONDS") / 1000,
        volatility_s=settings.milliseconds("SNAPSHOT_VOLATILITY_SECONDS") / 1000,
        filters_s=settings.milliseconds("SNAPSHOT_FILTERS_SECONDS") / 1000,
    )
    store = RedisSnapshotStore(assembly.link)
    metrics = SnapshotMetrics(assembly.registry)
    publisher = SnapshotPublisher(venue, store, assembly.pulse(), assembly.clock, plan, metrics)
    assembly.serve_metrics()
    return Running(service, publisher, assembly.links, venue)


def _build_universe(service: Service, settings: Settings) -> Running:
    from qtops.adapters.universe_store import RedisUniverseStore
    from qtops.services.metrics import UniverseMetrics
    from qtops.services.universe import UniversePlan, UniverseService

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    plan = UniversePlan(
        venue=venue.environment().value,
        refresh_s=settings.milliseconds("UNIVERSE_REFRESH_SEC") / 1000,
        maximum=settings.integer("UNIVERSE_MAX"),
    )
    store = RedisUniverseStore(assembly.link)
    metrics = UniverseMetrics(assembly.registry)
    runnable = UniverseService(venue, store, assembly.pulse(), assembly.clock, plan, metrics)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links, venue)


BUILDERS: Final[dict[Service, Builder]] = {
    Service.SNAPSHOTS: _build_snapshots,
    Service.UNIVERSE: _build_universe,
}
