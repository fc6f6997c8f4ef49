"""Every stream service."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.registry import Service


class LoopMetrics:
    """What every stream service counts."""

    def __init__(self, registry: CollectorRegistry, service: Service) -> None:
        self._handled = Counter(
            "qtops_entries_handled", "Stream entries handled.", ["service"], registry=registry
        ).labels(service.value)
        self._lost = Gauge(
            "qtops_entries_trimmed_unread",
            "Pending entries that were trimmed away before they were read.",
            ["service"],
            registry=registry,
        ).labels(service.value)

    def handled(self, count: int) -> None:
        self._handled.inc(count)

    def lost(self, count: int) -> None:
        self._lost.set(count)
