"""Every metric that qtops exports. A test holds this list against what the services really show."""

from typing import Final

_VALUES: Final = frozenset(
    {
        # services
        "qtops_breaker_reads_failed_total",
        "qtops_breaker_tripped",
        "qtops_breaker_unseen",
        "qtops_entries_handled_total",
        "qtops_entries_trimmed_unread",
        "quantum_govern_allow_total",
        "quantum_govern_block_total",
        "p26_permit_issued_total",
        "p26_permit_refused_total",
        "p26_heat",
        "p26_stress",
        "p26_concentration",
        "p26_corr_proxy",
        "p33_permit_allow_total",
        "p33_permit_deny_total",
        "p33_exchange_position_amt",
        "p33_ledger_position_amt",
        "intent_executor_processed_total",
        "intent_executor_executed_total",
        "intent_executor_refused_total",
        "intent_executor_unknown_outcome_total",
        "intent_executor_in_flight",
        "qtops_snapshots_published_total",
        "qtops_snapshots_failed_total",
        "qtops_snapshots_last_success_timestamp_seconds",
        "qtops_account_equity_usdt",
        "qtops_account_drawdown_ratio",
        "qtops_account_gross_exposure_usdt",
        "qtops_account_net_exposure_usdt",
        "qtops_market_state_published_total",
        "qtops_market_state_failed_total",
        "qtops_market_state_last_success_timestamp_seconds",
        "gov_p28_would_deny_total",
        "gov_p29_would_deny_total",
        "intent_executor_lookups_total",
        "p27_cluster_stress_max",
        "p27_cluster_stress_sum",
        "p27_clusters_count",
        "p27_corr_ready",
        "p27_fail_closed_total",
        "p27_min_points_per_symbol",
        "p27_symbols_in_matrix",
        "p27_updates_total",
        "p28_budget_value_usd",
        "p28_fail_closed_total",
        "p28_stress_factor",
        "p28_updates_total",
        "p29_allocation_target_usd",
        "qtops_harvest_failed_total",
        "qtops_harvest_kill_score",
        "qtops_harvest_last_success_timestamp_seconds",
        "qtops_harvest_proposals_total",
        "qtops_harvest_r_net",
        "qtops_harvest_skipped_total",
        "qtops_heat_calibrated_total",
        "qtops_heat_differing_total",
        "qtops_heat_value",
        "qtops_user_stream_connected",
        "qtops_user_stream_connects_total",
        "qtops_user_stream_duplicates_total",
        "qtops_user_stream_events_total",
        "qtops_user_stream_last_event_timestamp_seconds",
        "qtops_user_stream_unreadable_total",
        "quantum_apply_dedupe_hits_total",
        "quantum_apply_last_success_epoch",
        "quantum_apply_plan_total",
    }
)
_HISTOGRAMS: Final = frozenset(
    {
        "quantum_govern_time_to_permit_seconds",
        "p26_time_to_permit_seconds",
        "p33_time_to_permit_seconds",
        "intent_executor_plan_to_result_seconds",
    }
)
# `qtops health --textfile`, read by node_exporter.
TEXTFILE: Final = frozenset(
    {
        "qtops_check_status",
        "qtops_health_status",
        "qtops_health_coverage_ratio",
        "qtops_health_redis_latency_seconds",
        "qtops_health_redis_memory_ratio",
        "qtops_health_beat_age_seconds",
        "qtops_health_snapshot_age_seconds",
        "qtops_health_plans_entries",
        "qtops_health_waiting_plans",
        "qtops_health_decisions_entries",
        "qtops_health_lag_entries",
        "qtops_health_pending_entries",
        "qtops_health_oldest_pending_age_seconds",
        "qtops_health_clock_skew_seconds",
        "qtops_health_silence_age_seconds",
        "qtops_health_disk_free_ratio",
        "qtops_health_failed_units",
        "qtops_health_open_operations",
        "qtops_run_last_success_timestamp_seconds",
        "qtops_run_duration_seconds",
    }
)
# `--format prom` of the audits, which a textfile can carry too.
AUDITS: Final = frozenset(
    {
        "qtops_audit_check_status",
        "qtops_audit_findings",
        "qtops_audit_score_ratio",
        "qtops_audit_coverage_ratio",
    }
)
SERVICES: Final = _VALUES | {
    f"{name}_{part}" for name in _HISTOGRAMS for part in ("bucket", "sum", "count")
}
EXPORTED: Final = SERVICES | TEXTFILE | AUDITS
# Prometheus' own, about every target and every alert.
BUILT_IN: Final = frozenset({"up", "ALERTS", "scrape_duration_seconds", "scrape_samples_scraped"})
# Names that begin so are ours: one of them that is not exported is exported by nobody.
OURS: Final = (
    *("qtops_", "quantum_", "gov_", "intent_bridge_", "intent_executor_", "exit_monitor_"),
    *("p26_", "p27_", "p28_", "p29_", "p33_", "p34_"),
)
