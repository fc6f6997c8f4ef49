"""What several formats say in the same words."""

from qtops.contracts.check import CheckReport, CheckResult, Standing, Verdict
from qtops.reports.markdown import visible

STATES = {
    Standing.HEALTHY: "fine",
    Standing.DEGRADED: "attention",
    Standing.CRITICAL: "broken",
    Standing.UNKNOWN: "attention",
}
_COUNTED = {
    Verdict.FAIL: "failed",
    Verdict.WARN: "warned",
    Verdict.UNKNOWN: "unknown",
    Verdict.PASS: "passed",
}


def summary(report: CheckReport) -> str:
    """`score 83 %, coverage 90 %: 1 failed, 12 passed`."""
    counts = report.counts()
    waived = sum(result.waiver is not None for result in report.results)
    parts = [f"{counts[verdict]} {word}" for verdict, word in _COUNTED.items() if counts[verdict]]
    parts += [f"{waived} of them waived"] if waived else []
    return f"score {percent(report.score.value)}, coverage {report.score.coverage} %: " + ", ".join(
        parts or ["no check"]
    )


def percent(value: int | None) -> str:
    """A score that nothing was seen for is unknown, not zero."""
    return "unknown" if value is None else f"{value} %"


def waived_by(result: CheckResult) -> str:
    """Who accepted it, until when and why; empty for nobody."""
    waiver = result.waiver
    if waiver is None:
        return ""
    return f"waived by {waiver.owner} through {waiver.expires}: {waiver.reason}"


def details(result: CheckResult) -> str:
    """All that a result says below its title, one thing a line."""
    named = {
        "expected": result.expected,
        "actual": result.actual,
        "meaning": result.meaning,
        "fix": result.fix,
    }
    lines = [f"{name}: {visible(text)}" for name, text in named.items() if text]
    return "\n".join(lines + [f"evidence: {visible(line)}" for line in result.evidence])
