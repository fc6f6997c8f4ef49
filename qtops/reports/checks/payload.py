"""A check report as JSON's types, and with its strings cleaned."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from qtops.contracts.check import CheckReport, CheckResult, Score
from qtops.contracts.codec import fmt_instant


def check_payload(report: CheckReport) -> dict[str, Any]:
    """Every result, passes too; `findings` are the others, ranked."""
    return {
        "timestamp": fmt_instant(report.at_ms),
        "standing": report.standing.value,
        "score": report.score.value,
        "coverage": report.score.coverage,
        "counts": {verdict.value: count for verdict, count in report.counts().items()},
        "components": {name: _score(score) for name, score in report.components.items()},
        "findings": [result_payload(result) for result in report.findings],
        "results": [result_payload(result) for result in report.results],
        "took_ms": dict(report.took_ms),
    }


def _score(score: Score) -> dict[str, int | None]:
    return {"score": score.value, "coverage": score.coverage}


def result_payload(result: CheckResult) -> dict[str, Any]:
    """One result."""
    waiver = result.waiver
    return {
        "check": result.check,
        "component": result.component,
        "subject": result.subject,
        "verdict": result.verdict.value,
        "severity": result.severity.value,
        "title": result.title,
        "expected": result.expected,
        "actual": result.actual,
        "evidence": list(result.evidence),
        "meaning": result.meaning,
        "fix": result.fix,
        "waiver": None
        if waiver is None
        else {
            "owner": waiver.owner,
            "reason": waiver.reason,
            "expires": waiver.expires.isoformat(),
        },
    }


def cleaned(report: CheckReport, redact: Callable[[str], str]) -> CheckReport:
    """The same report with every text of it masked, before any format escapes it."""
    return replace(report, results=tuple(_cleaned(one, redact) for one in report.results))


def _cleaned(result: CheckResult, redact: Callable[[str], str]) -> CheckResult:
    waiver = result.waiver
    return replace(
        result,
        subject=redact(result.subject),
        title=redact(result.title),
        expected=redact(result.expected),
        actual=redact(result.actual),
        evidence=tuple(redact(line) for line in result.evidence),
        meaning=redact(result.meaning),
        fix=redact(result.fix),
        waiver=waiver and replace(waiver, reason=redact(waiver.reason)),
    )
