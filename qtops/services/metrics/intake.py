"""The intake of signals."""

from prometheus_client import CollectorRegistry, Counter


class IntakeMetrics:
    """What became of the requests that asked to trade."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, label: str) -> Counter:
            return Counter(f"qtops_intake_{name}", text, [label], registry=registry)

        self._accepted = counter("accepted", "Signals published as intents.", "shape")
        self._ignored = counter("ignored", "Messages that ask for nothing.", "shape")
        self._refused = counter("refused", "Requests refused, by reason.", "reason")

    def accepted(self, shape: str) -> None:
        self._accepted.labels(shape).inc()

    def ignored(self, shape: str) -> None:
        self._ignored.labels(shape).inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()
