"""A check report as Prometheus text. Labels are checks and components, never subjects."""

from decimal import Decimal
from typing import Final

from qtops.contracts.check import CheckReport, Score, Severity, Verdict
from qtops.reports.exposition import Families

_RANK: Final = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN)
_WORST: Final = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.PASS)


def prometheus_text(report: CheckReport, name: str) -> str:
    """Every sample says which audit it is of, so that several files can lie side by side."""
    families, run = Families(), {"audit": name.removeprefix("audit ")}
    text = "The worst result of a check, waived or not: 0 pass, 1 warn, 2 fail, 3 unknown."
    for check in dict.fromkeys(result.check for result in report.results):
        verdicts = {result.verdict for result in report.results if result.check == check}
        worst = min(verdicts, key=_WORST.index)
        labels = run | {"check": check}
        families.add("qtops_audit_check_status", text, _RANK.index(worst), labels)
    for component, score in report.components.items():
        _add_score(families, score, run | {"component": component})
    _add_score(families, report.score, run | {"component": "all"})
    text = "Results that are not a pass."
    for severity in Severity:
        for is_waived in (False, True):
            count = sum(
                result.severity is severity and (result.waiver is not None) is is_waived
                for result in report.findings
            )
            labels = run | {"severity": severity.value, "waived": str(is_waived).lower()}
            families.add("qtops_audit_findings", text, count, labels)
    families.add_run(name, report.at_ms, sum(report.took_ms.values()))
    return families.text()


def _add_score(families: Families, score: Score, labels: dict[str, str]) -> None:
    """No sample for a score that is unknown: zero would be a claim."""
    hundred = Decimal(100)
    if score.value is not None:
        text = "What of the weight that was seen is well."
        families.add("qtops_audit_score_ratio", text, score.value / hundred, labels)
    text = "What of the weight was seen."
    families.add("qtops_audit_coverage_ratio", text, score.coverage / hundred, labels)
