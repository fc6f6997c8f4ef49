"""Prometheus metrics, under the original's names where it had them. One registry per process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qtops.contracts.decision import Allow, Decision
from qtops.contracts.facts import Facts, Known
from qtops.contracts.portfolio_state import PortfolioState
from qtops.contracts.reconcile import Standing
from qtops.contracts.registry import Service
from qtops.contracts.universe import UniverseMeta
from qtops.contracts.values import ZERO
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
        self._would_deny = {
            term: Counter(f"gov_{term}_total", "Opens that enforce mode denies.", registry=registry)
            for term in (_WOULD_DENY if gate is GateName.GOVERNOR else ())
        }

    def observe(self, symbol: str, decision: Decision, facts: Facts, seconds: float) -> None:
        """Count one decision and keep the facts behind it visible."""
        self._seconds.observe(max(seconds, 0))
        if isinstance(decision, Allow):
            self._allow.inc()
            for term in self._would_deny.keys() & decision.terms.keys():
                self._would_deny[term].inc()
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
        "p26_corr_proxy": ("Correlation in the stress: clusters or the proxy.", []),
    },
    GateName.POSITION: {
        "p33_exchange_position_amt": ("Exchange position at the last decision.", ["symbol"]),
        "p33_ledger_position_amt": ("Book at the last decision.", ["symbol"]),
    },
}
_WOULD_DENY = ("p28_would_deny", "p29_would_deny")
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


class ReconcileMetrics:
    """What reconcile counts, under the original's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._drift = Counter(
            "p34_reconcile_drift_total", "Differences found.", ["symbol"], registry=registry
        )
        self._hold = Gauge(
            "p34_reconcile_hold_active", "1 while held.", ["symbol"], registry=registry
        )
        self._diff = Gauge(
            "p34_reconcile_diff_amt", "Exchange minus book.", ["symbol"], registry=registry
        )
        self._repairs = Counter(
            "p34_reconcile_auto_repair_total", "Books repaired.", ["symbol"], registry=registry
        )
        self._fix_age = Gauge(
            "p34_reconcile_last_fix_age_sec", "Since the last repair.", registry=registry
        )
        self._failed = Counter(
            "qtops_reconcile_failed_total", "Looks that failed.", registry=registry
        )

    def stands(self, standing: Standing) -> None:
        if standing.exchange is not None:
            self._diff.labels(standing.symbol).set(
                float(standing.exchange - (standing.book or ZERO))
            )
        self._hold.labels(standing.symbol).set(1 if standing.state.holds else 0)

    def drift(self, symbol: str) -> None:
        self._drift.labels(symbol).inc()

    def repaired(self, symbol: str) -> None:
        self._repairs.labels(symbol).inc()

    def fix_age(self, age_s: float) -> None:
        self._fix_age.set(age_s)

    def failed(self) -> None:
        self._failed.inc()


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
