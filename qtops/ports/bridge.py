"""What the intent bridge reads and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Facts
from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import FactName
from qtops.ports.inbox import Delivery


class Written(StrEnum):
    """What became of an outcome."""

    DONE = "done"
    ALREADY = "already"  # acknowledged before: it is written down
    MOVED = "moved"  # the intent became a plan meanwhile: decide again
    PAUSED = "paused"  # the lease is held: nothing was written, the entry stays pending


@dataclass(frozen=True, slots=True)
class Bridged:
    """One decision to be written: plan (or none), seen marker, record, acknowledgement."""

    delivery: Delivery
    identity: str
    seen_in: str
    record: DecisionRecord
    plan: Plan | None


class BridgeStore(Protocol):
    """What the intent bridge reads and writes."""

    async def paused(self) -> bool:
        """Whether an operator holds the bridge's lease."""
        ...

    async def seen(self, identities: Sequence[str]) -> list[str]:
        """For each: the entry as which it became a plan; empty when it did not."""
        ...

    async def facts(
        self, intents: Sequence[Intent], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        """(now in Redis server µs, facts for each intent), in one round trip."""
        ...

    async def write(self, outcomes: Sequence[Bridged]) -> list[Written]:
        """Each whole or not at all, in order, in one round trip."""
        ...
