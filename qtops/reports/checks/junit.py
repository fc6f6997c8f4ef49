"""JUnit XML: a suite a component, a case a result.

JUnit knows no warning, so red means what the exit code means: a fault (P0 to P2, not waived) is a
`failure`, whether it failed or warned. A remark (P3) is `system-out`, an unknown an `error`, what
is waived is `skipped` with the waiver's words.
"""

from xml.etree import ElementTree as ET

from qtops.contracts.check import CheckReport, CheckResult, Verdict
from qtops.contracts.codec import fmt_instant
from qtops.reports.checks.words import details, waived_by
from qtops.reports.markdown import visible


def junit_xml(report: CheckReport, name: str) -> str:
    """One document. Characters that XML forbids are spelled out."""
    root = ET.Element("testsuites", name=visible(f"qtops {name}"))
    root.set("time", f"{sum(report.took_ms.values()) / 1000:.3f}")
    for component in report.components:
        suite = ET.SubElement(root, "testsuite", name=visible(component))
        suite.set("timestamp", fmt_instant(report.at_ms))
        for result in report.results:
            if result.component == component:
                suite.append(_case(result))
        _count(suite)
    _count(root)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(result: CheckResult) -> ET.Element:
    name = f"{result.check.partition('.')[2]} {result.subject}"
    case = ET.Element("testcase", classname=visible(result.component), name=visible(name))
    tag = _tag(result)
    if not tag:
        return case
    about = ET.SubElement(case, tag)
    title = visible(f"{result.severity} {result.title}")
    if tag == "system-out":
        about.text = f"{result.verdict}: {title}\n{details(result)}"
        return case
    about.set("message", visible(waived_by(result)) or title)
    if tag != "skipped":
        about.set("type", result.severity.value)
    about.text = f"{title}\n{details(result)}"
    return case


def _tag(result: CheckResult) -> str:
    if result.verdict is Verdict.PASS:
        return ""
    if result.waiver:
        return "skipped"
    if result.verdict is Verdict.UNKNOWN:
        return "error"
    return "failure" if result.is_fault else "system-out"


def _count(element: ET.Element) -> None:
    element.set("tests", str(len(element.findall(".//testcase"))))
    for tag, counter in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        element.set(counter, str(len(element.findall(f".//{tag}"))))
