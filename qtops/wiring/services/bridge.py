"""The intent bridge, with the limits that the operator set."""

import socket
from typing import Final

from qtops.contracts.registry import Service, Stream
from qtops.settings.model import Settings
from qtops.wiring.services.assembly import Assembly, Builder, Running
from qtops.wiring.universe import allowlist_source


def _build_bridge(service: Service, settings: Settings) -> Running:
    from qtops.adapters.bridge_store import RedisBridgeStore
    from qtops.adapters.inbox import RedisInbox
    from qtops.gates.bridge import BridgeLimits
    from qtops.services.intent_bridge import BridgeConfig, IntentBridge, PausableInbox
    from qtops.services.metrics.feeders import BridgeMetrics

    assembly = Assembly(service, settings)
    limits = BridgeLimits(
        max_age_ms=settings.milliseconds("INTENT_BRIDGE_MAX_AGE_SECONDS"),
        policy_max_age_ms=settings.milliseconds("INTENT_BRIDGE_POLICY_MAX_AGE_SECONDS"),
        position_max_age_ms=settings.milliseconds("P33_STALE_THRESHOLD_SEC"),
        min_hold_ms=settings.milliseconds("MIN_HOLD_SECONDS"),
        max_notional_usdt=settings.decimal("QT_MAX_NOTIONAL_USD"),
        max_exposure_pct=settings.decimal("MAX_EXPOSURE_PCT"),
        flat_eps=settings.decimal("INTENT_BRIDGE_FLAT_EPS"),
        allow_short=settings.boolean("INTENT_BRIDGE_ALLOW_SHORT"),
        allow_increase=settings.boolean("P33_ALLOW_INCREASE"),
        require_ledger=settings.boolean("INTENT_BRIDGE_REQUIRE_LEDGER_FOR_OPEN"),
    )
    metrics = BridgeMetrics(assembly.registry)
    store = RedisBridgeStore(assembly.link)
    consumer = f"{service.value}@{socket.gethostname()}"
    stream = Stream.TRADE_INTENT
    raw = RedisInbox(assembly.link, assembly.connect("blocking"), stream, service, consumer)
    inbox = PausableInbox(raw, store, metrics)
    policy = allowlist_source(service, assembly.link, settings)
    config = BridgeConfig(limits, policy, assembly.link.names.group(stream, service))
    handler = IntentBridge(config, store, inbox, assembly.clock, metrics)
    assembly.serve_metrics()
    return Running(service, assembly.loop(handler, [inbox]), assembly.links)


BUILDERS: Final[dict[Service, Builder]] = {Service.INTENT_BRIDGE: _build_bridge}
