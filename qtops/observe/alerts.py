"""The alert rules that qtops ships. Every metric in them is exported (`exported.py`)."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

HEALTH_RUN: Final = 'qtops_run_last_success_timestamp_seconds{verb="health"}'
GROUP: Final = "qtops"


@dataclass(frozen=True, slots=True)
class Alert:
    """`hold` is how long it must be true, in Prometheus' spelling; `fix` leads on."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    fix: str


def alerts(snapshot_limit_s: int | Decimal, *, hold: str = "") -> tuple[Alert, ...]:
    """Ours. The position gate refuses from `snapshot_limit_s` on; `hold` replaces every hold."""
    rows = (
        Alert(
            "QtopsServiceDown",
            'up{job="qtops"} == 0',
            "1m",
            "critical",
            "{{ $labels.service }} does not answer Prometheus",
            "qtops health --only heartbeats",
        ),
        Alert(
            "QtopsHealthStale",
            f"time() - {HEALTH_RUN} > 300",
            "1m",
            "critical",
            "health last came to a verdict {{ $value | humanizeDuration }} ago",
            "systemctl status qtops-health.timer",
        ),
        Alert(
            "QtopsHealthAbsent",
            f"absent({HEALTH_RUN})",
            "10m",
            "warning",
            "Prometheus has never seen the textfile of health",
            "qtops install systemd --only health --textfile PATH",
        ),
        Alert(
            "QtopsHealthCritical",
            'qtops_check_status{check!="kill"} == 2',
            "2m",
            "critical",
            "health check {{ $labels.check }} is critical",
            "qtops health --only {{ $labels.check }}",
        ),
        Alert(
            "QtopsKillSwitchNotActive",
            'qtops_check_status{check="kill"} > 0',
            "10m",
            "warning",
            "the kill switch is not ACTIVE, or cannot be read",
            "qtops kill status",
        ),
        Alert(
            "QtopsGateSilent",
            "qtops_health_waiting_plans > 0 and qtops_health_decisions_entries == 0",
            "2m",
            "critical",
            "the {{ $labels.gate }} gate decides nothing, {{ $value }} plans wait",
            "qtops audit permits",
        ),
        Alert(
            "QtopsSnapshotStale",
            'time() - qtops_snapshots_last_success_timestamp_seconds{what="positions"}'
            f" > {snapshot_limit_s}",
            "30s",
            "critical",
            "the positions are {{ $value | humanizeDuration }} old, every order is refused",
            "qtops health --only snapshots,exchange",
        ),
        Alert(
            "QtopsMarksStale",
            'time() - qtops_market_state_last_success_timestamp_seconds{what="marks"} > 30',
            "1m",
            "critical",
            "the mark prices are {{ $value | humanizeDuration }} old, opens are refused",
            "qtops health --only exchange",
        ),
        Alert(
            "QtopsRefusalsHigh",
            "sum(increase(intent_executor_refused_total[15m]))"
            " / sum(increase(intent_executor_processed_total[15m])) > 0.9"
            " and sum(increase(intent_executor_processed_total[15m])) > 10",
            "5m",
            "warning",
            "{{ $value | humanizePercentage }} of the plans of 15 minutes were refused",
            "qtops trace",
        ),
        Alert(
            "QtopsUnknownOutcomes",
            "increase(intent_executor_unknown_outcome_total[10m]) > 0",
            "0s",
            "warning",
            "the exchange left the outcome of an order open; it is looked up",
            "qtops trace",
        ),
        Alert(
            "QtopsEntriesLost",
            "qtops_entries_trimmed_unread > 0",
            "0s",
            "critical",
            "{{ $labels.service }}: {{ $value }} entries were trimmed away before they were read",
            "qtops audit streams",
        ),
    )
    return tuple(replace(row, hold=hold or row.hold) for row in rows)


def rule_file(rows: tuple[Alert, ...]) -> dict[str, Any]:
    """What Prometheus loads by `rule_files`."""
    rules = [
        {
            "alert": row.name,
            "expr": row.expr,
            "for": row.hold,
            "labels": {"severity": row.severity},
            "annotations": {"summary": row.summary, "fix": row.fix},
        }
        for row in rows
    ]
    return {"groups": [{"name": GROUP, "rules": rules}]}
