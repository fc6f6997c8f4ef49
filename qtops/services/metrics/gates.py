"""The three gates."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from qtops.contracts.decision import Allow, Decision
from qtops.contracts.facts import Facts, Known
from qtops.contracts.vocabulary import GateName
from qtops.services.metrics import LATENCY_BUCKETS


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
