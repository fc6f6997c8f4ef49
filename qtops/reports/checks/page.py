"""A check report as Markdown and as one HTML page without a network."""

from collections.abc import Mapping
from typing import Any

from qtops.contracts.check import CheckReport
from qtops.contracts.codec import fmt_instant
from qtops.reports.checks.words import STATES, percent, summary, waived_by
from qtops.reports.page import render_html, render_markdown


def check_markdown(report: CheckReport, name: str) -> str:
    """Verdict, components, findings; what is waived stands apart."""
    return render_markdown("checks.md", values_of(report, name))


def check_html(report: CheckReport, name: str) -> str:
    """The same as a page; `checks.html` has a block `figure` for a template that extends it."""
    return render_html("checks.html", values_of(report, name))


def values_of(report: CheckReport, name: str) -> Mapping[str, Any]:
    """What the templates need."""
    return {
        "name": name,
        "report": report,
        "at": fmt_instant(report.at_ms),
        "state": STATES[report.standing],
        "summary": summary(report),
        "percent": percent,
        "waived_by": waived_by,
        "open": [one for one in report.findings if one.waiver is None],
        "waived": [one for one in report.findings if one.waiver is not None],
        "passed": [one for one in report.results if one.verdict.value == "pass"],
        "states": {"pass": "fine", "warn": "attention", "fail": "broken", "unknown": "dim"},
        "glyphs": {"fine": "✓", "attention": "!", "broken": "✗", "dim": "?"},
    }
