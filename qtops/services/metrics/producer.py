"""What the reference producer asked for."""

from prometheus_client import CollectorRegistry, Counter

from qtops.contracts.intent import Intent


class ProducerMetrics:
    """Intents by symbol and side."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._intents = Counter(
            "qtops_producer_intents", "Intents published.", ["symbol", "side"], registry=registry
        )

    def published(self, intent: Intent) -> None:
        self._intents.labels(intent.symbol, intent.side.value).inc()
