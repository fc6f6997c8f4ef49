"""The automatic breakers."""

import socket
from typing import TYPE_CHECKING, Final

from qtops.contracts.registry import Service
from qtops.settings.model import Settings
from qtops.wiring import open_venue
from qtops.wiring.services.assembly import Assembly, Builder, Running

if TYPE_CHECKING:
    from qtops.gates.breakers import BreakerLimits
    from qtops.services.breakers import Alert


def _build_breakers(service: Service, settings: Settings) -> Running:
    from qtops.adapters.breaker_store import RedisBreakerStore
    from qtops.adapters.control_store import RedisControlStore
    from qtops.contracts.breakers import OWNER
    from qtops.services.breakers import BreakerPlan, Breakers, BreakerService, Hand
    from qtops.services.metrics.breakers import BreakerMetrics
    from qtops.services.order_watch import OrderWatch, WatchPlan

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    lists = ("P33_ALLOWLIST", "INTENT_EXECUTOR_ALLOWLIST", "P34_ALLOWLIST")
    symbols = frozenset(symbol for name in lists for symbol in settings.names(name))
    store = RedisBreakerStore(assembly.link)
    metrics = BreakerMetrics(assembly.registry)
    sweep_s = settings.milliseconds("BREAKER_SWEEP_SECONDS") / 1000
    watching = WatchPlan(settings.text("QTOPS_NAMESPACE"), symbols, sweep_s)
    watch = OrderWatch(venue, store, assembly.account_feed(), assembly.clock, watching, metrics)
    hand = Hand(
        RedisControlStore(assembly.link),
        f"{OWNER}{socket.gethostname()}",
        _alert(settings.secret("QTOPS_ALERT_URL").reveal()),
    )
    every_s = settings.milliseconds("BREAKER_SECONDS") / 1000
    plan = BreakerPlan(tuple(sorted(symbols)), _limits(settings))
    breakers = Breakers(store, hand, watch, plan, metrics)
    runnable = BreakerService(breakers, watch, every_s, assembly.pulse(), assembly.clock)
    assembly.serve_metrics()
    return Running(service, runnable, assembly.links, venue)


def _limits(settings: Settings) -> "BreakerLimits":
    from qtops.gates.breakers import BreakerLimits
    from qtops.gates.last_hop import ForeignRule

    return BreakerLimits(
        errors=settings.integer("BREAKER_ERRORS"),
        error_window_ms=settings.milliseconds("BREAKER_ERRORS_SECONDS"),
        burst=settings.integer("BREAKER_BURST"),
        burst_window_ms=settings.milliseconds("BREAKER_BURST_SECONDS"),
        daily_loss_pct=settings.decimal("BREAKER_DAILY_LOSS_PCT"),
        drawdown_pct=settings.decimal("BREAKER_DRAWDOWN_PCT"),
        losses=settings.integer("BREAKER_LOSSES"),
        skew_ms=settings.milliseconds("BREAKER_SKEW_MS"),
        stale_ms=settings.milliseconds("BREAKER_STALE_SECONDS"),
        foreign=ForeignRule(settings.text("BREAKER_FOREIGN")),
    )


def _alert(url: str) -> "Alert":
    async def tell(text: str) -> None:
        from qtops.adapters.dead_man import ping

        if url:
            await ping(url, text, is_fault=True)

    return tell


BUILDERS: Final[dict[Service, Builder]] = {Service.BREAKERS: _build_breakers}
