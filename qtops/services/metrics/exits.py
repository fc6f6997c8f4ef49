"""The exit monitor."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ExitMetrics:
    """What the exit monitor sees and does. `blind` counts positions that no rule can judge."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._positions = Gauge("exit_monitor_positions", "Open positions.", registry=registry)
        self._blind = Gauge(
            "exit_monitor_positions_unjudged", "Positions without a usable mark.", registry=registry
        )
        self._published = Counter(
            "exit_monitor_exits_published_total", "Exits published.", ["rule"], registry=registry
        )
        self._withheld = Counter(
            "exit_monitor_exits_withheld_total",
            "Exits that a level of control held back.",
            ["level"],
            registry=registry,
        )
        self._errors = Counter("exit_monitor_errors_total", "Looks that failed.", registry=registry)

    def looked(self, positions: int, blind: int) -> None:
        self._positions.set(positions)
        self._blind.set(blind)

    def published(self, rule: str) -> None:
        self._published.labels(rule).inc()

    def withheld(self, level: str) -> None:
        self._withheld.labels(level).inc()

    def failed(self) -> None:
        self._errors.inc()
