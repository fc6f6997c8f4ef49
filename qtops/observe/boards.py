"""The Grafana dashboards that qtops ships, as rows of panels. Same input, same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from qtops.observe.mend import VARIABLE_NAME, datasource_variable

_SCHEMA: Final = 38  # Grafana 10; later versions migrate it
_WIDTH: Final = 24
_HEIGHT: Final = 8
_STATUS: Final = (("0", "ok", "green"), ("1", "warning", "yellow"), ("2", "critical", "red"))


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: queries as (PromQL, legend). `kind` is Grafana's; a stat shows the last value."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; three panels a row."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def _decisions(gate: str, allow: str, deny: str, seconds: str) -> tuple[Panel, ...]:
    rates = ((f"sum(rate({allow}[5m]))", "allowed"), (f"sum(rate({deny}[5m]))", "denied"))
    return (
        Panel(f"{gate}: decisions a second", rates, "ops"),
        Panel(f"{gate}: refusals by reason", ((_by("reason", deny), "{{reason}}"),), "ops"),
        Panel(f"{gate}: from plan to decision", _quantiles(seconds), "s"),
    )


def _by(label: str, metric: str) -> str:
    return f"sum by ({label}) (rate({metric}[5m]))"


def _quantiles(histogram: str) -> tuple[tuple[str, str], ...]:
    rate = f"sum by (le) (rate({histogram}_bucket[5m]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"p{q[2:]}") for q in ("0.50", "0.99"))


def _age(metric: str) -> str:
    return f"time() - {metric}"


_OVERVIEW: Final = (
    Panel("Services up", (('up{job="qtops"}', "{{service}}"),), kind="stat"),
    Panel("Health checks", (("qtops_check_status", "{{check}}"),), "status", "stat"),
    Panel("Firing alerts", (('ALERTS{alertstate="firing"}', "{{alertname}}"),), kind="stat"),
    Panel("Equity", (("qtops_account_equity_usdt", "equity"),), "currencyUSD"),
    Panel("Drawdown", (("qtops_account_drawdown_ratio", "drawdown"),), "percentunit"),
    Panel(
        "Exposure",
        (
            ("qtops_account_gross_exposure_usdt", "gross"),
            ("qtops_account_net_exposure_usdt", "net"),
        ),
        "currencyUSD",
    ),
    Panel("Results", ((_by("executed", "intent_executor_executed_total"), "{{executed}}"),), "ops"),
    Panel(
        "Age of the last health pass",
        ((_age('qtops_run_last_success_timestamp_seconds{verb="health"}'), "health"),),
        "s",
    ),
    Panel("Plans that wait for a gate", (("qtops_health_waiting_plans", "{{gate}}"),)),
)
_GATES: Final = (
    *_decisions(
        "Governor",
        "quantum_govern_allow_total",
        "quantum_govern_block_total",
        "quantum_govern_time_to_permit_seconds",
    ),
    *_decisions(
        "Portfolio gate",
        "p26_permit_issued_total",
        "p26_permit_refused_total",
        "p26_time_to_permit_seconds",
    ),
    *_decisions(
        "Position gate",
        "p33_permit_allow_total",
        "p33_permit_deny_total",
        "p33_time_to_permit_seconds",
    ),
    Panel("Heat and stress", (("p26_heat", "heat"), ("p26_stress", "stress")), "percentunit"),
    Panel(
        "Concentration and correlation",
        (("p26_concentration", "concentration"), ("p26_corr_proxy", "correlation")),
        "percentunit",
    ),
    Panel(
        "Exchange minus book",
        (("p33_exchange_position_amt - p33_ledger_position_amt", "{{symbol}}"),),
        text="What is not zero here, the position gate refuses.",
    ),
)
_REFUSED: Final = (
    "sum(rate(intent_executor_refused_total[15m]))"
    " / sum(rate(intent_executor_processed_total[15m]))"
)
_EXECUTOR: Final = (
    Panel("Plans in hand", (("intent_executor_in_flight", "plans"),)),
    Panel("Results", ((_by("executed", "intent_executor_executed_total"), "{{executed}}"),), "ops"),
    Panel("Not sent, by reason", ((_by("reason", "intent_executor_refused_total"), "{{reason}}"),)),
    Panel("From plan to result", _quantiles("intent_executor_plan_to_result_seconds"), "s"),
    Panel(
        "Outcomes that had to be looked up",
        (("increase(intent_executor_unknown_outcome_total[10m])", "10 min"),),
    ),
    Panel(
        "Share refused",
        ((_REFUSED, "15 min"),),
        "percentunit",
    ),
)
_FEEDS: Final = (
    Panel(
        "Age of what was read of the exchange",
        (
            (_age("qtops_snapshots_last_success_timestamp_seconds"), "{{what}}"),
            (_age("qtops_market_state_last_success_timestamp_seconds"), "{{what}}"),
        ),
        "s",
    ),
    Panel(
        "Readings that failed",
        (
            (_by("what", "qtops_snapshots_failed_total"), "{{what}}"),
            (_by("what", "qtops_market_state_failed_total"), "{{what}}"),
        ),
        "ops",
    ),
    Panel("Entries handled", ((_by("service", "qtops_entries_handled_total"), "{{service}}"),)),
    Panel("Entries not given yet", (("qtops_health_lag_entries", "{{stream}} {{service}}"),)),
    Panel("Entries not settled", (("qtops_health_pending_entries", "{{stream}} {{service}}"),)),
    Panel("Entries lost unread", (("qtops_entries_trimmed_unread", "{{service}}"),)),
    Panel("Redis round trip", (("qtops_health_redis_latency_seconds", "redis"),), "s"),
    Panel("Clock of the exchange", (("qtops_health_clock_skew_seconds", "ahead of ours"),), "s"),
    Panel("Disk free", (("qtops_health_disk_free_ratio", "{{mount}}"),), "percentunit"),
)
BOARDS: Final = (
    Board("qtops-overview", "qtops: overview", _OVERVIEW),
    Board("qtops-gates", "qtops: gates", _GATES),
    Board("qtops-executor", "qtops: executor", _EXECUTOR),
    Board("qtops-feeds", "qtops: feeds, streams, host", _FEEDS),
)


def dashboard(board: Board) -> dict[str, Any]:
    """As Grafana's provisioning reads it."""
    return {
        "uid": board.uid,
        "id": None,
        "title": board.title,
        "tags": ["qtops"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [datasource_variable()]},
        "panels": [_panel(panel, place) for place, panel in enumerate(board.panels)],
    }


def _panel(panel: Panel, place: int) -> dict[str, Any]:
    across = _WIDTH // 3
    x, y = place % 3 * across, place // 3 * _HEIGHT
    source = {"type": "prometheus", "uid": f"${{{VARIABLE_NAME}}}"}
    return {
        "id": place + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "gridPos": {"x": x, "y": y, "w": across, "h": _HEIGHT},
        "datasource": source,
        "fieldConfig": {"defaults": _defaults(panel.unit), "overrides": []},
        "targets": _targets(panel.queries, source),
    }


def _defaults(unit: str) -> dict[str, Any]:
    if unit != "status":
        return {"unit": unit}
    words = {value: {"text": text, "color": color} for value, text, color in _STATUS}
    return {"mappings": [{"type": "value", "options": words}]}


def _targets(queries: Sequence[tuple[str, str]], source: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"refId": chr(ord("A") + n), "datasource": source, "expr": expr, "legendFormat": legend}
        for n, (expr, legend) in enumerate(queries)
    ]
