"""What is said to be exported is exported, and dashboards and rules name nothing else."""

import json

from prometheus_client.parser import text_string_to_metric_families

import qtops.reports.health as health_report
from qtops.contracts.check import CheckReport, CheckResult, Severity, Verdict
from qtops.contracts.health import Check, Figure, Health
from qtops.observe.bundle import bundle
from qtops.observe.exported import AUDITS, BUILT_IN, EXPORTED, OURS, SERVICES, TEXTFILE
from qtops.observe.promql import metric_names
from qtops.reports.checks.prometheus import prometheus_text
from tests.services.test_metrics import exported

PARTS = ("_bucket", "_sum", "_count")


def families(text):
    return {family.name for family in text_string_to_metric_families(text)}


def test_the_services_export_exactly_what_is_listed():
    histograms = {n.removesuffix("_bucket") for n in SERVICES if n.endswith("_bucket")}
    listed = {n for n in SERVICES if not n.startswith(tuple(histograms))} | histograms
    assert listed == exported()
    assert {f"{n}{part}" for n in histograms for part in PARTS} <= SERVICES


def test_the_textfile_of_health_carries_exactly_what_is_listed():
    figures = tuple(Figure(name, 1) for name in health_report._HELP)
    text = health_report.prometheus_text(
        Health((Check("redis", "", (), figures),)), now_ms=1, took_ms=1
    )
    assert families(text) == TEXTFILE


def test_the_textfile_of_an_audit_carries_what_is_listed():
    result = CheckResult("env.x", "a", Verdict.FAIL, Severity.P1, "x")
    found = families(prometheus_text(CheckReport((result,), 1), "audit env"))
    assert found - TEXTFILE == AUDITS


def expressions():
    files = bundle({"governor": "127.0.0.1:8044"}, {"node": "127.0.0.1:9100"}, 10)
    for name, text in files.items():
        if name.endswith(".json"):
            for panel in json.loads(text)["panels"]:
                yield from (target["expr"] for target in panel["targets"])


def test_dashboards_and_rules_name_only_what_is_exported():
    from qtops.observe.alerts import alerts

    named = {name for text in expressions() for name in metric_names(text)}
    named |= {name for row in alerts(10) for name in metric_names(row.expr)}
    assert named - EXPORTED - BUILT_IN == set()
    assert len(named) > 30


def test_every_name_of_ours_has_one_of_our_prefixes():
    assert [name for name in EXPORTED if not name.startswith(OURS)] == []
