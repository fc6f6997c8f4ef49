"""What analytics reads and writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from qtops.contracts.account_event import OrderChange
from qtops.contracts.analytics import Attribution, Execution, Progress
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.result import Result


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an order came from: the plan's source, and when the plan was published."""

    source: str
    planned_ms: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What was added since the progress, and what it adds to.

    `origins` and `marks` know the orders of these results and fills, by client order id; `new_…`
    are those of the plans and decisions that were read just now.
    """

    now_ms: int
    progress: Progress
    cursors: Mapping[str, str]
    decisions: Sequence[DecisionRecord] = ()
    results: Sequence[Result] = ()
    fills: Sequence[OrderChange] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    new_origins: Mapping[str, Origin] = field(default_factory=dict)
    new_marks: Mapping[str, Decimal] = field(default_factory=dict)
    undecodable: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What is written, all in one transaction with the progress."""

    progress: Progress
    now_ms: int
    executions: Mapping[str, Execution]
    attributions: Mapping[tuple[str, str], Attribution]
    origins: Mapping[str, Origin]
    marks: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Standing:
    """What was counted so far. Without a progress the service has never run."""

    now_ms: int
    progress: Progress | None
    executions: Mapping[str, Execution]
    attributions: Mapping[tuple[str, str], Attribution]


class AnalyticsStore(Protocol):
    """Streams as they grow, and the sums over them."""

    async def tail(self) -> Tail:
        """What is new; a fill or a result comes only when what led to it has been read."""
        ...

    async def execution(self, symbol: str) -> Execution:
        """So far; nothing yet is zero, unreadable is a RedisError."""
        ...

    async def attribution(self, symbol: str, source: str) -> Attribution:
        """So far; nothing yet is zero, unreadable is a RedisError."""
        ...

    async def write(self, totals: Totals) -> bool:
        """False: somebody else counted since `tail`, nothing was written."""
        ...
