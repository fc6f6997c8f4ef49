"""The automatic breakers."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.breakers import BreakerStatus, Look


class BreakerMetrics:
    """The last look at each breaker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tripped = Gauge(
            "qtops_breaker_tripped",
            "1 while it holds opens back.",
            ["breaker"],
            registry=registry,
        )
        self._unseen = Gauge(
            "qtops_breaker_unseen",
            "1 while what it judges cannot be read.",
            ["breaker"],
            registry=registry,
        )
        self._failed = Counter(
            "qtops_breaker_reads_failed_total",
            "Questions to the exchange that failed.",
            registry=registry,
        )

    def looked(self, looks: Sequence[Look]) -> None:
        for look in looks:
            name = look.breaker.value
            self._tripped.labels(name).set(look.status is BreakerStatus.TRIPPED)
            self._unseen.labels(name).set(look.status is BreakerStatus.UNSEEN)

    def failed(self) -> None:
        self._failed.inc()
