"""Golden outputs: the monitoring line and the Prometheus text, read back by the official parser."""

from decimal import Decimal

from prometheus_client.parser import text_string_to_metric_families

from qtops.contracts.health import Check, Figure, Finding, Health, Status, unseen
from qtops.reports.health import nagios_lines, prometheus_text

SILENT = Finding(Status.FAIL, "portfolio gate silent for 94 s, 12 plans waiting", "qtops audit x")
HEALTH = Health(
    (
        Check("redis", "", (), (Figure("redis_latency_ms", Decimal("0.4"), 50, 500),)),
        Check("permits", "", (SILENT,), (Figure("plans_entries", 12),)),
        Check(
            "streams",
            "",
            (),
            (
                Figure("lag_entries", 12, 100, 1000, {"stream": "apply.plan", "service": "a"}),
                Figure("lag_entries", 3, 100, 1000, {"stream": "apply.plan", "service": "b"}),
            ),
        ),
        Check("exchange", "", (), (Figure("clock_skew_ms", -3, 1000, 2500),)),
        Check(
            "disk",
            "",
            (),
            (
                Figure("disk_free_ratio", Decimal("0.5"), Decimal("0.1"), Decimal("0.05")),
                Figure("disk_free_ratio", Decimal("0.2"), Decimal("0.1"), Decimal("0.05")),
            ),
        ),
        unseen("units", "a | b\nc", is_expected=True),
    )
)


def test_the_first_line_is_the_verdict_and_the_figures():
    assert nagios_lines(HEALTH) == [
        (
            "CRITICAL - portfolio gate silent for 94 s, 12 plans waiting |"
            " redis_latency_ms=0.4;50;500 plans_entries=12 lag_entries=12;100;1000"
            " clock_skew_ms=-3;-1000:1000;-2500:2500 disk_free_ratio=0.2;0.1:;0.05:"
        ),
        "CRITICAL: portfolio gate silent for 94 s, 12 plans waiting; next: qtops audit x",
        "UNKNOWN: units unknown: a / b c",
    ]


def test_a_figure_that_could_not_be_had_is_u():
    figures = (Figure("lag_entries", None, 100, 1000), Figure("lag_entries", 1, 100, 1000))
    line = nagios_lines(Health((Check("streams", "", (), figures),)))[0]
    assert line == "OK - 1 of 1 checks healthy | lag_entries=U;100;1000"


def test_a_check_without_figures_has_no_bar():
    assert nagios_lines(Health((Check("kill", "ACTIVE"),))) == ["OK - 1 of 1 checks healthy"]


PROM = """\
# HELP qtops_check_status How one check stands: 0 ok, 1 warning, 2 critical, 3 unknown.
# TYPE qtops_check_status gauge
qtops_check_status{check="streams"} 0
qtops_check_status{check="disk"} 2
# HELP qtops_health_status The worst check that counts: 0 ok, 1 warning, 2 critical, 3 unknown.
# TYPE qtops_health_status gauge
qtops_health_status 2
# HELP qtops_health_coverage_ratio Checks that could look.
# TYPE qtops_health_coverage_ratio gauge
qtops_health_coverage_ratio 1.000
# HELP qtops_health_lag_entries Entries a consumer group was not given yet.
# TYPE qtops_health_lag_entries gauge
qtops_health_lag_entries{stream="apply.plan"} 12
# HELP qtops_health_oldest_pending_age_seconds Age of the oldest entry given and not settled.
# TYPE qtops_health_oldest_pending_age_seconds gauge
qtops_health_oldest_pending_age_seconds 1.5
# HELP qtops_health_disk_free_ratio Free share of a file system, of bytes or inodes, \
whichever is scarcer.
# TYPE qtops_health_disk_free_ratio gauge
qtops_health_disk_free_ratio{mount="/a\\"b\\\\c"} 0.0450
# HELP qtops_run_last_success_timestamp_seconds When a run last came to a verdict.
# TYPE qtops_run_last_success_timestamp_seconds gauge
qtops_run_last_success_timestamp_seconds{verb="health"} 1769477662.123
# HELP qtops_run_duration_seconds How long the run took.
# TYPE qtops_run_duration_seconds gauge
qtops_run_duration_seconds{verb="health"} 0.25
"""


def prom_sample():
    lag = Figure("lag_entries", 12, 100, 1000, {"stream": "apply.plan"})
    gone = Figure("lag_entries", None, 100, 1000, {"stream": "trade.intent"})
    age = Figure("oldest_pending_age_ms", 1500)
    full = Figure("disk_free_ratio", Decimal("0.0450"), labels={"mount": '/a"b\\c'})
    disk = Check("disk", "", (Finding(Status.FAIL, "full"),), (full,))
    health = Health((Check("streams", "", (), (lag, gone, age)), disk))
    return prometheus_text(health, now_ms=1_769_477_662_123, took_ms=250)


def test_the_exposition_in_seconds_and_without_what_is_unknown():
    assert prom_sample() == PROM


def test_the_official_parser_reads_it_and_finds_no_time_stamp():
    families = list(text_string_to_metric_families(prom_sample()))
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) == 9
    assert all(sample.timestamp is None for sample in samples)
    assert samples[-3].labels == {"mount": '/a"b\\c'}
