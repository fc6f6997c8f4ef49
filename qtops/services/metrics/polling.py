"""Services that ask at a pace."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.registry import Service


class PollMetrics:
    """What a service took from the exchange; `what` is positions, marks, filters, …"""

    def __init__(self, registry: CollectorRegistry, service: Service) -> None:
        name = f"qtops_{service.value.replace('-', '_')}"
        self._published = Counter(
            f"{name}_published", "Readings published.", ["what"], registry=registry
        )
        self._failed = Counter(
            f"{name}_failed", "Readings that failed.", ["what"], registry=registry
        )
        self._last = Gauge(
            f"{name}_last_success_timestamp_seconds",
            "When a reading was last published, UTC.",
            ["what"],
            registry=registry,
        )

    def published(self, what: str, at_ms: int) -> None:
        self._published.labels(what).inc()
        self._last.labels(what).set(at_ms / 1000)

    def failed(self, what: str) -> None:
        self._failed.labels(what).inc()
