"""Every alert fires when it should and not otherwise, as Prometheus' own tool sees it."""

import shutil
import subprocess

import pytest
import yaml

from qtops.observe.alerts import HEALTH_RUN, alerts, rule_file
from qtops.observe.bundle import bundle
from qtops.observe.scrape import RULES_FILE

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
ROWS = alerts(10)
MARKS = 'qtops_market_state_last_success_timestamp_seconds{what="marks"}'
POSITIONS = 'qtops_snapshots_last_success_timestamp_seconds{what="positions"}'
PROCESSED = "intent_executor_processed_total"
REFUSED = 'intent_executor_refused_total{reason="permit_missing"}'
WAITING = 'qtops_health_waiting_plans{gate="governor"}'
DECIDED = 'qtops_health_decisions_entries{gate="governor"}'
NOW = "0+15x80"  # the clock itself, sample by sample
# alert: what makes it fire by the minute, what must not, the minute.
CASES = {
    "QtopsServiceDown": (
        {'up{job="qtops",service="governor"}': "0x80"},
        {'up{job="qtops",service="governor"}': "0 1x80", 'up{job="node"}': "0x80"},
        3,
    ),
    "QtopsHealthStale": ({HEALTH_RUN: "0x80"}, {HEALTH_RUN: NOW}, 8),
    "QtopsHealthAbsent": ({"up": "1x80"}, {HEALTH_RUN: "0x80"}, 12),
    "QtopsHealthCritical": (
        {'qtops_check_status{check="disk"}': "2x80"},
        {
            'qtops_check_status{check="disk"}': "1x80",
            'qtops_check_status{check="units"}': "3x80",
            'qtops_check_status{check="kill"}': "2x80",
        },
        4,
    ),
    "QtopsKillSwitchNotActive": (
        {'qtops_check_status{check="kill"}': "3x80"},
        {
            'qtops_check_status{check="kill"}': "1x30 0x50",
            'qtops_check_status{check="disk"}': "2x80",
        },
        12,
    ),
    "QtopsGateSilent": (
        {WAITING: "4x80", DECIDED: "0x80"},
        {WAITING: "4x80", DECIDED: "1x80"},
        4,
    ),
    "QtopsSnapshotStale": ({POSITIONS: "0x80"}, {POSITIONS: NOW}, 2),
    "QtopsMarksStale": ({MARKS: "0x80"}, {MARKS: NOW}, 3),
    "QtopsRefusalsHigh": (
        {PROCESSED: "0+1x80", REFUSED: "0+1x80"},
        {PROCESSED: "0+2x80", REFUSED: "0+1x80"},
        20,
    ),
    "QtopsUnknownOutcomes": (
        {"intent_executor_unknown_outcome_total": "0x4 1x76"},
        {"intent_executor_unknown_outcome_total": "1x80"},
        5,
    ),
    "QtopsEntriesLost": (
        {'qtops_entries_trimmed_unread{service="governor"}': "1x80"},
        {'qtops_entries_trimmed_unread{service="governor"}': "0x80"},
        1,
    ),
}  # fmt: skip


def test_every_alert_has_a_case():
    assert set(CASES) == {row.name for row in ROWS}


def test_few_plans_are_no_ratio(tmp_path):
    few = {PROCESSED: "0 1x80", REFUSED: "0 1x80"}
    assert promtool(tmp_path, [case("QtopsRefusalsHigh", few, 20, 0)]) == ""


def case(name, series, minute, firing):
    expr = f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)'
    return {
        "interval": "15s",
        "input_series": [{"series": s, "values": values} for s, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": firing}],
            }
        ],
    }


def promtool(folder, cases):
    """What promtool finds wrong."""
    (folder / "rules.yml").write_text(yaml.safe_dump(rule_file(ROWS)))
    plan = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": cases}
    (folder / "tests.yml").write_text(yaml.safe_dump(plan))
    command = ["promtool", "test", "rules", str(folder / "tests.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_each_fires_and_stays_silent_as_it_should(tmp_path):
    cases = []
    for name, (broken, fine, minute) in CASES.items():
        cases += [case(name, broken, minute, 1), case(name, fine, minute, 0)]
    assert promtool(tmp_path, cases) == ""


def test_promtool_would_say_if_one_did_not(tmp_path):
    broken, _, minute = CASES["QtopsServiceDown"]
    assert "FAILED" in promtool(tmp_path, [case("QtopsServiceDown", broken, minute, 0)])


def test_none_fires_before_it_has_held(tmp_path):
    waiting = [row.name for row in ROWS if row.hold != "0s"]
    assert promtool(tmp_path, [case(name, CASES[name][0], 0, 0) for name in waiting]) == ""


def test_promtool_takes_the_configuration_and_the_rules(tmp_path):
    files = bundle({"governor": "127.0.0.1:8044"}, {"node": "127.0.0.1:9100"}, 10)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    command = ["promtool", "check", "config", "--lint=all", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ROWS)} rules found" in done.stdout
    assert RULES_FILE in done.stdout
