"""Prometheus metrics, under the original's names where it had them. One registry per process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qtops.contracts.decision import Allow, Decision
from qtops.contracts.facts import Facts, Known
from qtops.contracts.registry import Service
from qtops.contracts.vocabulary import GateName

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)


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


class GateMetrics:
    """Decisions of one gate. Subclasses spell the original's names."""

    def __init__(self, registry: CollectorRegistry, gate: GateName) -> None:
        allow, deny, seconds = _GATE_NAMES[gate]
        self._allow = Counter(allow, "Plans permitted.", registry=registry)
        self._deny = Counter(deny, "Plans refused, by reason.", ["reason"], registry=registry)
        self._seconds = Histogram(
            seconds,
            "From the plan's entry in the stream to the decision.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._gauges = {
            name: Gauge(name, help_text, labels, registry=registry)
            for name, (help_text, labels) in _GAUGES[gate].items()
        }

    def observe(self, symbol: str, decision: Decision, facts: Facts, seconds: float) -> None:
        """Count one decision and keep the facts behind it visible."""
        self._seconds.observe(max(seconds, 0))
        if isinstance(decision, Allow):
            self._allow.inc()
        else:
            self._deny.labels(decision.reason.value).inc()
        for name, value in _gauge_values(decision, facts).items():
            gauge = self._gauges.get(name)
            if gauge is not None:
                (gauge.labels(symbol) if name.startswith("p33_") else gauge).set(value)


_GATE_NAMES = {
    GateName.GOVERNOR: (
        "quantum_govern_allow_total",
        "quantum_govern_block_total",
        "quantum_govern_time_to_permit_seconds",
    ),
    GateName.PORTFOLIO: (
        "p26_permit_issued_total",
        "p26_permit_refused_total",
        "p26_time_to_permit_seconds",
    ),
    GateName.POSITION: (
        "p33_permit_allow_total",
        "p33_permit_deny_total",
        "p33_time_to_permit_seconds",
    ),
}
_GAUGES: dict[GateName, dict[str, tuple[str, list[str]]]] = {
    GateName.GOVERNOR: {},
    GateName.PORTFOLIO: {
        "p26_heat": ("Portfolio heat, 0 to 1.", []),
        "p26_stress": ("Portfolio stress, 0 to 1.", []),
        "p26_concentration": ("Absolute net over gross notional.", []),
        "p26_corr_proxy": ("Share of notional on the net side.", []),
    },
    GateName.POSITION: {
        "p33_exchange_position_amt": ("Exchange position at the last decision.", ["symbol"]),
        "p33_ledger_position_amt": ("Book at the last decision.", ["symbol"]),
    },
}
_TERM_GAUGES = {
    "heat": "p26_heat",
    "stress": "p26_stress",
    "concentration": "p26_concentration",
    "correlation": "p26_corr_proxy",
}


def _gauge_values(decision: Decision, facts: Facts) -> dict[str, float]:
    values: dict[str, float] = {}
    if isinstance(decision, Allow):
        terms = decision.terms
        values |= {g: float(terms[t]) for t, g in _TERM_GAUGES.items() if t in terms}
    if isinstance(facts.position, Known):
        values["p33_exchange_position_amt"] = float(facts.position.value.amount)
    if isinstance(facts.book, Known):
        values["p33_ledger_position_amt"] = float(facts.book.value)
    return values


class SnapshotMetrics:
    """What the publisher took from the exchange; `what` is positions, marks, filters, …"""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._published = Counter(
            "qtops_snapshots_published", "Readings published.", ["what"], registry=registry
        )
        self._failed = Counter(
            "qtops_snapshots_failed", "Readings that failed.", ["what"], registry=registry
        )
        self._last = Gauge(
            "qtops_snapshots_last_success_timestamp_seconds",
            "When a reading was last published, UTC.",
            ["what"],
            registry=registry,
        )

    def published(self, what: str, at_ms: int) -> None:
        self._published.labels(what).inc()
        self._last.labels(what).set(at_ms / 1000)

    def failed(self, what: str) -> None:
        self._failed.labels(what).inc()


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


class ExecutorMetrics:
    """What the executor counts; the original kept these in a Redis hash."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._processed = Counter("intent_executor_processed_total", "Plans.", registry=registry)
        self._executed = Counter(
            "intent_executor_executed_total", "Results.", ["executed"], registry=registry
        )
        self._refused = Counter(
            "intent_executor_refused_total", "Plans not sent.", ["reason"], registry=registry
        )
        self._unknown = Counter(
            "intent_executor_unknown_outcome_total",
            "Requests whose outcome had to be looked up.",
            registry=registry,
        )
        self._seconds = Histogram(
            "intent_executor_plan_to_result_seconds",
            "From the plan's entry to its result.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge("intent_executor_in_flight", "Plans in hand.", registry=registry)

    def settled(self, *, executed: bool, error: str, seconds: float) -> None:
        self._processed.inc()
        self._executed.labels("true" if executed else "false").inc()
        if not executed:
            self._refused.labels(error.partition(":")[0] or "none").inc()
        self._seconds.observe(max(seconds, 0))

    def unknown_outcome(self) -> None:
        self._unknown.inc()

    def in_flight(self, count: int) -> None:
        self._in_flight.set(count)
