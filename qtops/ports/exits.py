"""The exit monitor's side of Redis: one look, one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from qtops.contracts.control import ControlChange
from qtops.contracts.exit_episode import Episode
from qtops.contracts.exit_event import ExitEvent
from qtops.contracts.facts import ControlState, Fact, Portfolio
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import GateMode


@dataclass(frozen=True, slots=True)
class ExitView:
    """One look. `claims` is how far the executor is with each last plan; absent means not begun.

    `mode` is the operator's word; None is none, or one that cannot be read: the setting holds.
    `raw` is what `commit` compares. An episode that cannot be read is left out, and begins anew.
    """

    now_ms: int
    portfolio: Fact[Portfolio]
    control: Fact[ControlState]
    marks: Mapping[str, Fact[Decimal]]
    episodes: Mapping[str, Episode]
    claims: Mapping[str, str]
    raw: Mapping[bytes, bytes]
    mode: GateMode | None = None


@dataclass(frozen=True, slots=True)
class ExitCommit:
    """What one look led to. The episodes replace all that were there."""

    episodes: Mapping[str, Episode]
    plans: Sequence[Plan]
    events: Sequence[ExitEvent]


class ExitStore(Protocol):
    """Where the exit monitor reads positions and publishes exits."""

    async def look(self) -> ExitView: ...

    async def commit(self, view: ExitView, commit: ExitCommit) -> bool:
        """All of it in one transaction; False when another monitor wrote since the look."""
        ...


@dataclass(frozen=True, slots=True)
class ManualClose:
    """A close that an operator asked for. The lane of the plan says whether it is forced.

    `lane_ms`: how long the manual lane is opened for; 0 leaves it alone. One that an operator holds
    open (`lane_is_open`) keeps its own life.
    """

    plan: Plan
    event: ExitEvent
    records: Sequence[ControlChange]
    lane_ms: int = 0
    lane_is_open: bool = False


class ManualCloseStore(Protocol):
    """Where a manual close sees positions, is published and is written down."""

    async def look(self) -> ExitView: ...

    async def publish(self, close: ManualClose) -> None:
        """Plan, event, records and lane in one transaction."""
        ...

    async def record(self, change: ControlChange) -> None:
        """A call that led to nothing."""
        ...
