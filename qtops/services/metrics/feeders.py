"""What comes in: account, universe, user data stream, intents."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qtops.contracts.portfolio_state import PortfolioState
from qtops.contracts.universe import UniverseMeta
from qtops.services.metrics import LATENCY_BUCKETS


class AccountMetrics:
    """The account at the last snapshot; NaN is not known."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges = {
            name: Gauge(f"qtops_account_{name}", text, registry=registry)
            for name, text in (
                ("equity_usdt", "Margin balance, unrealised profit included."),
                ("drawdown_ratio", "Part of the highest equity that is lost."),
                ("gross_exposure_usdt", "Sum of absolute notionals at mark prices."),
                ("net_exposure_usdt", "Sum of signed notionals at mark prices."),
            )
        }

    def shows(self, state: PortfolioState) -> None:
        values = {
            "equity_usdt": state.equity_usdt,
            "drawdown_ratio": state.drawdown,
            "gross_exposure_usdt": state.gross_exposure_usdt,
            "net_exposure_usdt": state.net_exposure_usdt,
        }
        for name, value in values.items():
            self._gauges[name].set(float("nan") if value is None else float(value))


class UniverseMetrics:
    """What is served as tradable, and how the readings went."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._symbols = Gauge("qtops_universe_symbols", "Tradable symbols.", registry=registry)
        self._stale = Gauge(
            "qtops_universe_stale", "1 while the last reading was not taken.", registry=registry
        )
        self._observed = Gauge(
            "qtops_universe_observed_timestamp_seconds",
            "When the list that is served was read, UTC; 0 is never.",
            registry=registry,
        )
        self._published = Counter(
            "qtops_universe_published", "Readings published.", registry=registry
        )
        self._failed = Counter(
            "qtops_universe_failed", "Readings that were not taken.", ["where"], registry=registry
        )

    def published(self, meta: UniverseMeta) -> None:
        self._published.inc()
        self.held(meta)

    def held(self, meta: UniverseMeta) -> None:
        self._symbols.set(meta.count)
        self._stale.set(meta.stale)
        self._observed.set((meta.observed_at_ms or 0) / 1000)

    def failed(self, where: str) -> None:
        self._failed.labels(where).inc()


class UserStreamMetrics:
    """What came over the exchange's user data stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"qtops_user_stream_{name}", text, labels, registry=registry)

        self._events = counter("events", "Events written.", "kind")
        self._duplicates = counter("duplicates", "Events that had been written before.")
        self._unreadable = counter("unreadable", "Messages that could not be read.")
        self._connects = counter("connects", "Connections made.")
        self._connected = Gauge(
            "qtops_user_stream_connected", "1 while the stream is connected.", registry=registry
        )
        self._last = Gauge(
            "qtops_user_stream_last_event_timestamp_seconds",
            "The exchange's time of the newest event, UTC.",
            registry=registry,
        )

    def connected(self) -> None:
        self._connects.inc()
        self._connected.set(1)

    def disconnected(self) -> None:
        self._connected.set(0)

    def received(self, kind: str, event_ms: int) -> None:
        self._events.labels(kind).inc()
        self._last.set(event_ms / 1000)

    def duplicate(self) -> None:
        self._duplicates.inc()

    def unreadable(self) -> None:
        self._unreadable.inc()


class BridgeMetrics:
    """What became of intents."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._plans = Counter("intent_bridge_plans", "Intents made plans.", registry=registry)
        self._refused = Counter(
            "intent_bridge_refused", "Intents refused, by reason.", ["reason"], registry=registry
        )
        self._undecodable = Counter(
            "intent_bridge_undecodable", "Intents moved to the dlq.", registry=registry
        )
        self._paused = Gauge(
            "intent_bridge_paused", "1 while an operator holds the lease.", registry=registry
        )
        self._seconds = Histogram(
            "intent_bridge_decision_seconds",
            "From the intent's entry to the decision.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def decided(self, reason: str, seconds: float) -> None:
        """`reason` is empty for a plan."""
        (self._refused.labels(reason) if reason else self._plans).inc()
        self._seconds.observe(max(seconds, 0))

    def undecodable(self) -> None:
        self._undecodable.inc()

    def paused(self, *, paused: bool) -> None:
        self._paused.set(1 if paused else 0)
