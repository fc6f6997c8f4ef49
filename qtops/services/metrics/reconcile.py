"""Reconcile."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from qtops.contracts.reconcile import Standing
from qtops.contracts.values import ZERO


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
