"""The executor."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qtops.services.metrics import LATENCY_BUCKETS


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
        self._lookups = Counter(
            "intent_executor_lookups_total",
            "Questions for an order's state, by what prompted them: a timer or an event.",
            ["trigger"],
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

    def lookup(self, *, woken: bool) -> None:
        self._lookups.labels("event" if woken else "timer").inc()

    def in_flight(self, count: int) -> None:
        self._in_flight.set(count)
