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
    publisher.follow(assembly.account_feed())
    assembly.serve_metrics()
    return Running(service, publisher, assembly.links, venue)


def _build_user_stream(service: Service, settings: Settings) -> Running:
    from qtops.adapters.binance.user_stream import BinanceUserStream
    from qtops.adapters.event_log import RedisEventLog
    from qtops.services.metrics import UserStreamMetrics
    from qtops.services.user_stream import UserStreamService

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    url = settings.text("QTOPS_EXCHANGE_STREAM_URL")
    runnable = UserStreamService(
        BinanceUserStream(venue, url, assembly.clock),
        RedisEventLog(assembly.link),
        assembly.pulse(),
        assembly.clock,
        UserStreamMetrics(assembly.registry),
    )
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links, venue)


BUILDERS: Final[dict[Service, Builder]] = {
    Service.SNAPSHOTS: _build_snapshots,
    Service.USER_STREAM: _build_user_stream,
}
