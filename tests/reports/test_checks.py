"""A check report in every format, parsed back by that format's own reader."""

import json
from datetime import date
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from qtops.contracts.check import CheckReport, CheckResult, Severity, Verdict, Waiver
from qtops.reports.checks.junit import junit_xml
from qtops.reports.checks.nagios import CODES, nagios_text
from qtops.reports.checks.page import check_html, check_markdown
from qtops.reports.checks.payload import check_payload, cleaned
from qtops.reports.checks.prometheus import prometheus_text
from qtops.reports.checks.sarif import sarif_json

NASTY = 'a|b <script>alert(1)</script> & "q" ]]> \x1b[31m\x00 ```\n# head'
WAIVER = Waiver("env.owner", "*", "ops", "moved in March", date(2026, 3, 1))


def result(check, verdict, severity=Severity.P1, subject="/etc/quantum/a.env", **more):
    return CheckResult(check, subject, verdict, severity, more.pop("title", "as it is"), **more)


RESULTS = (
    result("env.syntax", Verdict.PASS),
    result(
        "env.secrets", Verdict.FAIL, Severity.P0, title=NASTY, fix="chmod 600 /etc/quantum/a.env"
    ),
    result("env.secrets", Verdict.PASS, Severity.P0, "b b.env"),
    result("env.owner", Verdict.FAIL, Severity.P2, waiver=WAIVER, meaning="m", expected="root"),
    result("repos.upstream", Verdict.WARN, Severity.P3, "/home/qt", evidence=("3 ahead",)),
    result("repos.dirty", Verdict.WARN, Severity.P1, "/home/qt", actual="2 files"),
    result("repos.units", Verdict.UNKNOWN, Severity.P2, "-", title="no systemd"),
)
REPORT = CheckReport(RESULTS, 1_769_477_662_123, {"env.syntax": 12, "repos.units": 7})
FORMATS = {
    "junit": junit_xml,
    "sarif": sarif_json,
    "markdown": check_markdown,
    "html": check_html,
    "nagios": nagios_text,
    "prom": prometheus_text,
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("report", [REPORT, CheckReport((), 0)], ids=["full", "empty"])
def test_no_format_lets_a_control_character_through_or_lacks_its_last_newline(write, report):
    text = write(report, "audit env")
    assert text.endswith("\n")
    assert all(c.isprintable() or c == "\n" for c in text)


def test_junit_counts_what_the_exit_code_counts():
    root = ET.fromstring(junit_xml(REPORT, "audit env"))
    assert root.tag == "testsuites"
    counters = {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counters == {"tests": "7", "failures": "2", "errors": "1", "skipped": "1"}
    kinds = {
        (case.get("classname"), case.get("name")): [child.tag for child in case]
        for case in root.iter("testcase")
    }
    assert kinds == {
        ("env", "syntax /etc/quantum/a.env"): [],
        ("env", "secrets /etc/quantum/a.env"): ["failure"],
        ("env", "secrets b b.env"): [],
        ("env", "owner /etc/quantum/a.env"): ["skipped"],
        ("repos", "upstream /home/qt"): ["system-out"],
        ("repos", "dirty /home/qt"): ["failure"],
        ("repos", "units -"): ["error"],
    }
    assert "waived by ops through 2026-03-01: moved in March" in root.find(".//skipped").get(
        "message"
    )
    assert "<script>" in root.find(".//failure").get("message"), "escaped once, read back whole"


def test_sarif_has_the_shape_that_the_schema_requires():
    log = json.loads(sarif_json(REPORT, "audit env"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "qtops"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["help"]["text"]
        assert rule["shortDescription"]["text"]
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]
        assert found["message"]["text"]
        assert found["kind"] in {"pass", "open", "fail"}
        assert (found["kind"] == "fail") == (found["level"] != "none"), "3.27.9 of the standard"
        assert len(found["partialFingerprints"]["qtops/v1"]) == 64
    levels = [(found["ruleId"], found["kind"], found["level"]) for found in run["results"]]
    assert levels == [
        ("env.syntax", "pass", "none"),
        ("env.secrets", "fail", "error"),
        ("env.secrets", "pass", "none"),
        ("env.owner", "fail", "warning"),
        ("repos.upstream", "fail", "note"),
        ("repos.dirty", "fail", "warning"),
        ("repos.units", "open", "none"),
    ]


def test_sarif_names_files_waivers_and_the_fix():
    (run,) = json.loads(sarif_json(REPORT, "audit env"))["runs"]
    help_by_rule = {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]}
    assert help_by_rule["env.secrets"] == "chmod 600 /etc/quantum/a.env"
    suppressed = [found for found in run["results"] if "suppressions" in found]
    assert [found["ruleId"] for found in suppressed] == ["env.owner"]
    location = run["results"][1]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "file:///etc/quantum/a.env"
    assert "physicalLocation" not in run["results"][6]["locations"][0]


def test_a_fingerprint_outlives_the_figures_of_one_run():
    def print_of(**more):
        report = CheckReport((result("env.owner", Verdict.FAIL, **more),), 0)
        (run,) = json.loads(sarif_json(report, "audit env"))["runs"]
        return run["results"][0]["partialFingerprints"]["qtops/v1"]

    assert print_of(title="3 files", actual="3") == print_of(title="4 files", actual="4")
    assert print_of(subject="/a") != print_of(subject="/b")


def test_prometheus_takes_the_worst_of_a_check_and_says_no_score_it_does_not_know():
    families = {
        family.name: family
        for family in text_string_to_metric_families(prometheus_text(REPORT, "audit env"))
    }
    status = {s.labels["check"]: s.value for s in families["qtops_audit_check_status"].samples}
    assert status == {
        "env.syntax": 0,
        "env.secrets": 2,
        "env.owner": 2,
        "repos.upstream": 1,
        "repos.dirty": 1,
        "repos.units": 3,
    }
    scores = {s.labels["component"] for s in families["qtops_audit_score_ratio"].samples}
    assert scores == {"env", "repos", "all"}
    waived = [s for s in families["qtops_audit_findings"].samples if s.labels["waived"] == "true"]
    assert {s.labels["severity"]: s.value for s in waived} == {"P0": 0, "P1": 0, "P2": 1, "P3": 0}
    unseen = CheckReport((result("x.y", Verdict.UNKNOWN),), 0)
    assert "score_ratio" not in prometheus_text(unseen, "audit env")


@pytest.mark.parametrize(
    ("results", "word", "code"),
    [
        ((result("a.b", Verdict.PASS),), "OK", 0),
        ((result("a.b", Verdict.WARN),), "WARNING", 1),
        ((result("a.b", Verdict.FAIL),), "WARNING", 1),
        ((result("a.b", Verdict.FAIL, Severity.P0),), "CRITICAL", 2),
        ((result("a.b", Verdict.UNKNOWN),), "UNKNOWN", 3),
        ((), "UNKNOWN", 3),
    ],
)
def test_nagios_word_and_code(results, word, code):
    report = CheckReport(results, 0)
    assert nagios_text(report, "audit env").startswith(f"{word} - audit env: ")
    assert CODES[report.standing] == code


def test_nagios_has_one_bar_and_leaves_waived_findings_out():
    lines = nagios_text(REPORT, "audit env").splitlines()
    assert sum(line.count("|") for line in lines) == 1
    assert len(lines) == 1 + len(REPORT.findings) - 1
    assert "env.owner" not in "".join(lines)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_html_is_one_page_that_loads_nothing_and_obeys_no_text():
    page = Tags()
    page.feed(check_html(REPORT, "audit env"))
    tags = {tag for tag, _ in page.seen}
    assert tags.isdisjoint({"script", "link", "img", "iframe"})
    assert not any(
        name.startswith("on") or name == "src" for _, attrs in page.seen for name in attrs
    )
    assert "<script>alert(1)</script>" in page.text
    assert "waived by ops through 2026-03-01: moved in March" in page.text


def test_markdown_tells_findings_waived_and_passed_apart():
    tokens = MarkdownIt("commonmark").enable("table").parse(check_markdown(REPORT, "audit env"))
    heads = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert heads == ["Audit env: critical", "Findings", "Waived", "Passed"]
    assert not [t for t in tokens if t.type in {"html_block", "fence"}]


def test_the_payload_is_json_and_ranks_the_findings():
    payload = json.loads(json.dumps(check_payload(REPORT)))
    assert [f["check"] for f in payload["findings"]] == [
        "env.secrets",
        "repos.dirty",
        "repos.units",
        "repos.upstream",
        "env.owner",
    ]
    assert payload["components"]["env"] == {"score": 54, "coverage": 100}, "12 of 22"
    assert payload["findings"][-1]["waiver"]["expires"] == "2026-03-01"


def test_cleaning_reaches_every_text():
    texts = dict.fromkeys(("subject", "title", "expected", "actual", "meaning", "fix"), "s3cret")
    waiver = Waiver("a.b", "*", "ops", "s3cret", date(2026, 3, 1))
    dirty = CheckResult(
        "a.b",
        verdict=Verdict.FAIL,
        severity=Severity.P1,
        evidence=("s3cret",),
        waiver=waiver,
        **texts,
    )
    clean = cleaned(CheckReport((dirty,), 0), lambda text: text.replace("s3cret", "***"))
    assert "s3cret" not in json.dumps(check_payload(clean))
    assert json.dumps(check_payload(clean)).count("***") == 2 * (len(texts) + 2)
