"""What `qtops health` says: figures, findings, one check each, and how they add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """How one check stands. UNKNOWN: it could not look, which is never OK."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def number(self) -> int:
        """0, 1, 2, 3, as monitoring plugins and the exported metric count."""
        return list(Status).index(self)


# What outweighs what: a fault that was seen outweighs one that may be there.
_MILD_TO_GRAVE: Final = (Status.OK, Status.UNKNOWN, Status.WARN, Status.FAIL)


def worst(statuses: Iterable[Status]) -> Status:
    """The gravest; OK when there are none."""
    return max(statuses, key=_MILD_TO_GRAVE.index, default=Status.OK)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; its name ends in its unit. `value` None: it could not be had."""

    name: str
    value: int | Decimal | None
    warn: int | Decimal | None = None
    fail: int | Decimal | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and the command that leads on.

    `is_expected`: this machine cannot show it (no systemd); it lowers the coverage alone.
    """

    status: Status
    what: str
    fix: str = ""
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One component. `summary` is what was seen; findings are what is wrong with it."""

    name: str
    summary: str
    findings: tuple[Finding, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def status(self) -> Status:
        return worst(finding.status for finding in self.findings)

    @property
    def counts(self) -> bool:
        """Whether the check has a say in the whole."""
        return not (self.findings and all(finding.is_expected for finding in self.findings))


@dataclass(frozen=True, slots=True)
class Health:
    """One pass over the selected checks, in the order in which they lead the verdict."""

    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst that counts. When nothing counts, nothing was seen: UNKNOWN."""
        counting = [check.status for check in self.checks if check.counts]
        return worst(counting) if counting else Status.UNKNOWN

    @property
    def seen(self) -> int:
        """How many checks could look."""
        return sum(check.status is not Status.UNKNOWN for check in self.checks)

    @property
    def findings(self) -> list[tuple[Check, Finding]]:
        """Every finding, gravest first."""
        every = [(check, finding) for check in self.checks for finding in check.findings]
        return sorted(every, key=lambda pair: -_MILD_TO_GRAVE.index(pair[1].status))

    @property
    def headline(self) -> str:
        """The worst finding in words, and how many more there are."""
        counting = [
            f for check, f in self.findings if check.counts or self.status is Status.UNKNOWN
        ]
        if self.status is Status.OK or not counting:
            return f"{self.seen} of {len(self.checks)} checks healthy"
        more = f" (+{len(counting) - 1} more)" if len(counting) > 1 else ""
        return counting[0].what + more

    @property
    def figures(self) -> list[Figure]:
        return [figure for check in self.checks for figure in check.figures]


def unseen(name: str, why: str, fix: str = "", *, is_expected: bool = False) -> Check:
    """A check that could not look, with the reason."""
    finding = Finding(Status.UNKNOWN, f"{name} unknown: {why}", fix, is_expected)
    return Check(name, "not seen", (finding,))
