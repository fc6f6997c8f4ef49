"""The services that read the exchange for the gates."""

from typing import TYPE_CHECKING, Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring import open_venue
from qtops.wiring.services.assembly import Assembly, Builder, Running

if TYPE_CHECKING:
    from qtops.ports import Venue
    from qtops.services.polling import Poller


def _build_snapshots(service: Service, settings: Settings) -> Running:
    from qtops.adapters.snapshot_store import RedisSnapshotStore
    from qtops.services.metrics.feeders import AccountMetrics
    from qtops.services.snapshots import SnapshotPlan, SnapshotPublisher

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    plan = SnapshotPlan(
        symbols=_allowed(settings),
        positions_s=settings.milliseconds("SNAPSHOT_POSITIONS_SECONDS") / 1000,
        equity_s=settings.milliseconds("SNAPSHOT_EQUITY_SECONDS") / 1000,
        filters_s=settings.milliseconds("SNAPSHOT_FILTERS_SECONDS") / 1000,
    )
    store = RedisSnapshotStore(assembly.link, venue.environment())
    metrics = AccountMetrics(assembly.registry)
    publisher = SnapshotPublisher(venue, store, _poller(assembly, venue), plan, metrics)
    publisher.follow(assembly.account_feed())
    assembly.serve_metrics()
    return Running(service, publisher, assembly.links, venue)


def _build_market_state(service: Service, settings: Settings) -> Running:
    from qtops.adapters.market_store import RedisMarketStore
    from qtops.contracts.volatility import VolatilityPlan
    from qtops.services.market_state import MarketPlan, MarketPublisher

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    plan = MarketPlan(
        symbols=_allowed(settings) | frozenset(settings.names("MARKET_SYMBOLS")),
        volatility=VolatilityPlan(
            half_life_minutes=settings.integer("MARKET_VOLATILITY_HALF_LIFE_MINUTES"),
            min_returns=settings.integer("MARKET_VOLATILITY_MIN_RETURNS"),
        ),
        marks_s=settings.milliseconds("MARKET_MARKS_SECONDS") / 1000,
        klines_s=settings.milliseconds("MARKET_KLINES_SECONDS") / 1000,
    )
    store = RedisMarketStore(assembly.link)
    publisher = MarketPublisher(venue, store, _poller(assembly, venue), plan)
    assembly.serve_metrics()
    return Running(service, publisher, assembly.links, venue)


def _allowed(settings: Settings) -> frozenset[str]:
    """What a gate or the executor may let through."""
    lists = ("P33_ALLOWLIST", "INTENT_EXECUTOR_ALLOWLIST")
    return frozenset(symbol for name in lists for symbol in settings.names(name))


def _poller(assembly: Assembly, venue: "Venue") -> "Poller":
    from qtops.services.metrics.polling import PollMetrics
    from qtops.services.polling import Poller

    metrics = PollMetrics(assembly.registry, assembly.service)
    return Poller(venue, assembly.pulse(), assembly.clock, metrics)


def _build_universe(service: Service, settings: Settings) -> Running:
    from qtops.adapters.universe_store import RedisUniverseStore
    from qtops.services.metrics.feeders import UniverseMetrics
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


def _build_user_stream(service: Service, settings: Settings) -> Running:
    from qtops.adapters.binance.user_stream import BinanceUserStream
    from qtops.adapters.event_log import RedisEventLog
    from qtops.services.metrics.feeders import UserStreamMetrics
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
    Service.MARKET_STATE: _build_market_state,
    Service.UNIVERSE: _build_universe,
    Service.USER_STREAM: _build_user_stream,
}
