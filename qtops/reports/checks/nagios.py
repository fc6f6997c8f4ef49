"""A check report as a monitoring plugin's output, with its exit code."""

from typing import Final

from qtops.contracts.check import CheckReport, CheckResult, Standing
from qtops.reports.checks.words import summary
from qtops.reports.markdown import visible

CODES: Final = {
    Standing.HEALTHY: 0,
    Standing.DEGRADED: 1,
    Standing.CRITICAL: 2,
    Standing.UNKNOWN: 3,
}
_WORDS: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def nagios_text(report: CheckReport, name: str) -> str:
    """`CRITICAL - audit env: …| figures`, then a line for each finding that is not waived."""
    score = "U" if report.score.value is None else f"{report.score.value}%"
    figures = f"score={score};;;0;100 coverage={report.score.coverage}%;;;0;100"
    head = f"{_WORDS[CODES[report.standing]]} - {_inline(f'{name}: {summary(report)}')}"
    findings = [_finding(one) for one in report.findings if one.waiver is None]
    return "".join(f"{line}\n" for line in (f"{head} | {figures}", *findings))


def _finding(result: CheckResult) -> str:
    words = f"{result.severity} {result.verdict}: {result.subject}: {result.title}"
    return _inline(f"{words}; next: {result.fix}" if result.fix else words)


def _inline(text: str) -> str:
    """The bar separates figures, so the words may not have one."""
    return visible(text).replace("|", "/")
