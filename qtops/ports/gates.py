"""What gates and the snapshot publisher read and write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Facts, Portfolio, Reservation
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.venue import Filters
from qtops.contracts.vocabulary import FactName
from qtops.ports.inbox import Delivery


@dataclass(frozen=True, slots=True)
class Promise:
    """A reservation, made only if the reservations still stand at `expected_version`.

    `next_version` is drawn at random: the next promise of a batch expects it, and must not meet it
    by chance where this one was not made and somebody else's was. A counter would let it.
    """

    reservation: Reservation
    expected_version: int
    next_version: int


@dataclass(frozen=True, slots=True)
class Issue:
    """One decision to be written: permit or denial, its record, and the acknowledgement."""

    delivery: Delivery
    permit: Permit
    record: DecisionRecord
    promise: Promise | None = None


class GateStore(Protocol):
    """What a gate reads and writes."""

    async def facts(
        self, plans: Sequence[Plan], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        """(now in Redis server µs, facts for each plan), in one round trip."""
        ...

    async def issue(self, issues: Sequence[Issue]) -> list[bool]:
        """Write in order, in one round trip. False: the reservations moved, decide again."""
        ...

    async def prune(self, states: Mapping[str, str]) -> int:
        """Drop reservations (plan id → the state they must still be in)."""
        ...


class SnapshotStore(Protocol):
    """Where the snapshot publisher writes what the exchange shows."""

    async def now_ms(self) -> int: ...

    async def positions(
        self, portfolio: Portfolio, symbols: frozenset[str], observed_at_ms: int, *, tell: bool
    ) -> Portfolio:
        """All of one reading at once; `symbols` without a position are written flat.

        Raises the account's peak where equity is higher, and returns the portfolio with the peak.
        `tell` appends its state to `portfolio.state` too.
        """
        ...

    async def filters(self, rules: Mapping[str, Filters], observed_at_ms: int) -> None: ...
