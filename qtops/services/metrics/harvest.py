"""Metrics of the harvest chain, under the original's names where it had them."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.harvest import CalibratedProposal, HarvestProposal


class HarvestMetrics:
    """What the kernel sees of each position, and what it proposed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._proposed = Counter(
            "qtops_harvest_proposals", "Closes proposed.", ["action"], registry=registry
        )
        self._skipped = Counter(
            "qtops_harvest_skipped", "Positions not judged.", ["reason"], registry=registry
        )
        self._failed = Counter("qtops_harvest_failed", "Looks that failed.", registry=registry)
        self._r = Gauge("qtops_harvest_r_net", "Net R.", ["symbol"], registry=registry)
        self._k = Gauge("qtops_harvest_kill_score", "Kill score.", ["symbol"], registry=registry)
        self._last = Gauge(
            "qtops_harvest_last_success_timestamp_seconds",
            "When the positions were last judged, UTC.",
            registry=registry,
        )

    def judged(self, proposal: HarvestProposal, *, published: bool) -> None:
        self._r.labels(proposal.symbol).set(float(proposal.r_net))
        self._k.labels(proposal.symbol).set(float(proposal.kill_score))
        if published:
            self._proposed.labels(proposal.action.value).inc()

    def skipped(self, reason: str) -> None:
        self._skipped.labels(reason).inc()

    def gone(self, symbol: str) -> None:
        """A closed position leaves no last value behind."""
        for gauge in (self._r, self._k):
            gauge.remove_by_labels({"symbol": symbol})

    def failed(self) -> None:
        self._failed.inc()

    def succeeded(self, now_ms: int) -> None:
        self._last.set(now_ms / 1000)


class HeatMetrics:
    """Calibration; `p26_heat` is the portfolio gate's own and another number."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calibrated = Counter(
            "qtops_heat_calibrated", "Proposals passed on.", ["bucket", "mode"], registry=registry
        )
        self._differing = Counter(
            "qtops_heat_differing",
            "Proposals that calibration shrank, or would have.",
            ["mode"],
            registry=registry,
        )
        self._heat = Gauge("qtops_heat_value", "Heat at the last proposal.", registry=registry)

    def observe(self, calibrated: CalibratedProposal) -> None:
        mode = calibrated.mode.value
        self._calibrated.labels(calibrated.bucket.value, mode).inc()
        if calibrated.differs:
            self._differing.labels(mode).inc()
        heat = calibrated.heat_value
        self._heat.set(float("nan") if heat is None else float(heat))


class ApplyMetrics:
    """Plans of the apply layer, by what they ask for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._plans = Counter(
            "quantum_apply_plan_total", "Plans.", ["symbol", "decision"], registry=registry
        )
        self._duplicates = Counter(
            "quantum_apply_dedupe_hits_total", "Proposals already planned.", registry=registry
        )
        self._last = Gauge(
            "quantum_apply_last_success_epoch",
            "When a proposal was last handled, UTC seconds.",
            registry=registry,
        )

    def planned(self, symbol: str, decision: str) -> None:
        self._plans.labels(symbol, decision).inc()

    def duplicate(self) -> None:
        self._duplicates.inc()

    def handled(self, now_ms: int) -> None:
        self._last.set(now_ms / 1000)
