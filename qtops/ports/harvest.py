"""What the harvest chain reads and writes: kernel, heat calibration, apply layer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.episode import Episode, PlanFate
from qtops.contracts.facts import Fact, Portfolio
from qtops.contracts.harvest import CalibratedProposal, HarvestProposal
from qtops.contracts.market import Kline
from qtops.gates.apply import ApplyFacts, Verdict
from qtops.gates.heat import HeatFacts
from qtops.ports.inbox import Delivery


@dataclass(frozen=True, slots=True)
class HarvestReading:
    """One look at the world. An episode that cannot be read is in `unreadable` (symbol → why)."""

    now_ms: int
    portfolio: Fact[Portfolio]
    episodes: Mapping[str, Episode]
    unreadable: Mapping[str, str]
    klines: Mapping[str, Fact[Sequence[Kline]]]
    fates: Mapping[str, PlanFate]


@dataclass(frozen=True, slots=True)
class Harvested:
    """What one look made of one position. `publish`: it goes to the stream too."""

    proposal: HarvestProposal
    episode: Episode
    publish: bool


class HarvestStore(Protocol):
    """The kernel's side."""

    async def read(self) -> HarvestReading: ...

    async def write(self, harvested: Sequence[Harvested], flat: Collection[str]) -> bool:
        """Hashes, episodes and stream entries in one transaction; episodes of `flat` end.

        False, with nothing written, when another process changed the episodes since `read`.
        """
        ...


class HeatStore(Protocol):
    """Heat calibration's side."""

    async def facts(self) -> HeatFacts: ...

    async def pass_on(
        self, delivery: Delivery, calibrated: CalibratedProposal, record: DecisionRecord
    ) -> None:
        """The calibrated proposal, its record and the acknowledgement in one transaction."""
        ...


class ApplyStore(Protocol):
    """The apply layer's side."""

    async def facts(self, calibrated: CalibratedProposal) -> ApplyFacts: ...

    async def apply(
        self,
        delivery: Delivery,
        calibrated: CalibratedProposal,
        facts: ApplyFacts,
        verdict: Verdict,
        record: DecisionRecord | None,
    ) -> bool:
        """Plan, marker, record and acknowledgement at once; False when the marker has moved."""
        ...
