"""Metrics of analytics. Gates, reasons and windows are closed sets; symbols are those traded."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.analytics import WINDOWS_MS
from qtops.ports.analytics import Tail, Totals


class AnalyticsMetrics:
    """What was counted, and the windows as they stand."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counted = Counter(
            "qtops_analytics_counted_total", "Entries counted.", ["what"], registry=registry
        )
        self._decisions = Gauge(
            "qtops_analytics_decisions",
            "Decisions in the window.",
            ["window", "answer"],
            registry=registry,
        )
        self._slippage = Gauge(
            "qtops_analytics_slippage_bps_mean",
            "Mean slippage of the newest executions; above zero is worse.",
            ["symbol"],
            registry=registry,
        )

    def observe(self, tail: Tail, totals: Totals) -> None:
        counted = {
            "decision": len(tail.decisions),
            "execution": sum(result.executed for result in tail.results),
            "fill": len(tail.fills),
            "undecodable": tail.undecodable,
        }
        for what, number in counted.items():
            self._counted.labels(what).inc(number)
        for window in WINDOWS_MS:
            counts = totals.progress.histogram.window(window, totals.now_ms).counts()
            for answer in ("allow", "deny"):
                self._decisions.labels(window, answer).set(counts[answer])
        for symbol, execution in totals.executions.items():
            mean = execution.figures().get("slippage_bps_mean")
            if mean is not None:
                self._slippage.labels(symbol).set(float(mean))
