"""SARIF 2.1.0: a rule a check, a result a result, waivers as suppressions.

The level follows the severity: P0 and P1 error, P2 warning, P3 note; a verdict of WARN is at most
a warning. A pass has kind `pass` and an unknown kind `open`, which the standard gives no level.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from qtops import __version__
from qtops.contracts.check import CheckReport, CheckResult, Severity, Verdict
from qtops.contracts.codec import fmt_instant
from qtops.reports.checks.words import details, waived_by
from qtops.reports.markdown import visible

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {
    Severity.P0: "error",
    Severity.P1: "error",
    Severity.P2: "warning",
    Severity.P3: "note",
}


def sarif_json(report: CheckReport, name: str) -> str:
    """One log with one run."""
    worst: dict[str, CheckResult] = {}
    for result in (*report.findings, *report.results):
        worst.setdefault(result.check, result)
    rules = list(worst)
    run = {
        "tool": {
            "driver": {
                "name": "qtops",
                "semanticVersion": __version__,
                "rules": [_rule(result) for result in worst.values()],
            }
        },
        "automationDetails": {"id": f"qtops/{name.replace(' ', '-')}/"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": fmt_instant(report.at_ms)}],
        "results": [_result(result, rules.index(result.check)) for result in report.results],
        "properties": {
            "standing": report.standing.value,
            "score": report.score.value,
            "coverage": report.score.coverage,
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rule(worst: CheckResult) -> dict[str, Any]:
    """`worst` is the gravest result of the check; its fix is the rule's help."""
    return {
        "id": worst.check,
        "shortDescription": {"text": worst.check.replace(".", ": ").replace("_", " ")},
        "help": {"text": visible(worst.fix or worst.meaning or "nothing to mend")},
        "defaultConfiguration": {"level": _LEVELS[worst.severity]},
    }


def _result(result: CheckResult, index: int) -> dict[str, Any]:
    kind, level = _kind_and_level(result)
    told = visible(result.title)
    more = details(result)
    found: dict[str, Any] = {
        "ruleId": result.check,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": f"{told}\n{more}" if more else told},
        "locations": [_location(result.subject)],
        "partialFingerprints": {"qtops/v1": _fingerprint(result)},
        "properties": {"verdict": result.verdict.value, "severity": result.severity.value},
    }
    if result.waiver:
        words = visible(waived_by(result))
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": words}]
    return found


def _kind_and_level(result: CheckResult) -> tuple[str, str]:
    if result.verdict is Verdict.PASS:
        return "pass", "none"
    if result.verdict is Verdict.UNKNOWN:
        return "open", "none"
    level = _LEVELS[result.severity]
    return "fail", "warning" if result.verdict is Verdict.WARN and level == "error" else level


def _location(subject: str) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": visible(subject)}]}
    path = Path(subject.partition("#")[0])  # a subject may name a key or function behind it
    if path.is_absolute():
        location["physicalLocation"] = {"artifactLocation": {"uri": path.as_uri()}}
    return location


def _fingerprint(result: CheckResult) -> str:
    """The same for the same fault in the next run, whatever its figures then are."""
    return sha256(f"{result.check}\0{result.subject}".encode()).hexdigest()
