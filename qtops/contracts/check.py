"""What a check says of one thing it looked at, and how many of them add up to a score.

Verdicts are about the world; whether somebody has accepted a fault for a while (a waiver) stands
beside the verdict and never changes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """UNKNOWN: the check could not look, which is never a pass."""

    PASS = "pass"  # noqa: S105  a verdict
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """P0 loses work or money now, P1 lost or will lose it, P2 is wrong, P3 is worth knowing."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @property
    def is_fault(self) -> bool:
        return self is not Severity.P3


WEIGHTS: Final = {Severity.P0: 8, Severity.P1: 4, Severity.P2: 2, Severity.P3: 1}
_POINTS: Final = {
    Verdict.PASS: Decimal(1),
    Verdict.WARN: Decimal("0.5"),
    Verdict.FAIL: Decimal(0),
}
# What outweighs what within one severity: a fault that was seen, then one that may be there.
_GRAVITY: Final = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Waiver:
    """An accepted fault: by whom, why, and through which day (UTC). Patterns are shell globs."""

    check: str
    subject: str
    owner: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One verdict about one subject.

    Args:
        check: what was checked, `component.name`; the id that `--only` and waivers use.
        subject: what it was checked on: a file, a unit, a stream.
        severity: how bad it is when it is not a pass.
        title: one line that says what was found.
        expected: what it should be.
        actual: what it is.
        evidence: where to look: lines, hashes, command output, already free of secrets.
        meaning: what follows from it.
        fix: the command that mends it or leads on; empty where there is none.
        waiver: who accepted it; None for nobody.

    """

    check: str
    subject: str
    verdict: Verdict
    severity: Severity
    title: str
    expected: str = ""
    actual: str = ""
    evidence: tuple[str, ...] = ()
    meaning: str = ""
    fix: str = ""
    waiver: Waiver | None = None

    @property
    def component(self) -> str:
        """The part of the system that the check belongs to."""
        return self.check.partition(".")[0]

    @property
    def is_fault(self) -> bool:
        """Whether it makes the whole unhealthy: seen, not waived, and more than a remark."""
        seen = self.verdict in {Verdict.FAIL, Verdict.WARN}
        return seen and self.waiver is None and self.severity.is_fault


@dataclass(frozen=True, slots=True)
class Score:
    """How well, of what could be seen, and how much that was.

    Every result weighs by its severity (P0 8, P1 4, P2 2, P3 1). A pass earns its weight, a warning
    half of it, a failure nothing, waived or not. `value` is earned over seen, in per cent, rounded
    down; None when nothing was seen. `coverage` is seen over all, so an unknown lowers it and
    never counts as a pass.
    """

    value: int | None
    coverage: int


def score_of(results: Iterable[CheckResult]) -> Score:
    """The published formula; see `Score`."""
    earned, seen, total = Decimal(0), 0, 0
    for result in results:
        weight = WEIGHTS[result.severity]
        total += weight
        if result.verdict is not Verdict.UNKNOWN:
            seen += weight
            earned += weight * _POINTS[result.verdict]
    value = _percent(earned, seen) if seen else None
    return Score(value, _percent(Decimal(seen), total) if total else 0)


def _percent(part: Decimal, whole: int) -> int:
    return int((100 * part / whole).to_integral_value(ROUND_DOWN))


class Standing(StrEnum):
    """The whole in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


# Below this coverage nothing good can be said of the whole.
LEAST_COVERAGE: Final = 50


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every result of one run, and what it comes to. `took_ms` by check."""

    results: tuple[CheckResult, ...]
    at_ms: int
    took_ms: Mapping[str, int] = field(default_factory=dict)

    @property
    def score(self) -> Score:
        return score_of(self.results)

    @property
    def components(self) -> dict[str, Score]:
        """Each component's own score, in the order in which they were checked."""
        names = dict.fromkeys(result.component for result in self.results)
        return {n: score_of(r for r in self.results if r.component == n) for n in names}

    @property
    def standing(self) -> Standing:
        """A fault that was seen decides; without one, too little coverage is UNKNOWN."""
        faults = [result for result in self.results if result.is_fault]
        if any(f.verdict is Verdict.FAIL and f.severity is Severity.P0 for f in faults):
            return Standing.CRITICAL
        if faults:
            return Standing.DEGRADED
        return Standing.HEALTHY if self.score.coverage >= LEAST_COVERAGE else Standing.UNKNOWN

    @property
    def findings(self) -> Sequence[CheckResult]:
        """All that is not a pass: unwaived first, then by severity, then by what was seen."""
        found = [result for result in self.results if result.verdict is not Verdict.PASS]
        return sorted(
            found,
            key=lambda r: (r.waiver is not None, r.severity, _GRAVITY.index(r.verdict), r.check),
        )

    def counts(self) -> dict[Verdict, int]:
        """How many of each verdict, zero included."""
        return {v: sum(result.verdict is v for result in self.results) for v in Verdict}
