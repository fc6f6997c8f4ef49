"""The ways through the system, judged hop by hop: what `audit system` shows as a diagram."""

from dataclasses import dataclass
from enum import StrEnum


class HopState(StrEnum):
    """ABSENT: no unit, heartbeat or stream of it is here."""

    WORKING = "working"
    IDLE = "idle"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class HopReport:
    """One hop and why it is judged so. `fix` leads on where it is broken.

    `reads` and `writes` are those of its streams that exist.
    """

    name: str
    state: HopState
    why: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PathReport:
    """One path with its hops in order."""

    letter: str
    title: str
    to_exchange: bool
    hops: tuple[HopReport, ...]

    @property
    def first_broken(self) -> HopReport | None:
        return next((hop for hop in self.hops if hop.state is HopState.BROKEN), None)
