"""What the live view reads: the health reading, the switches, positions, newest decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qtops.contracts.facts import Known, Missing, Portfolio
from qtops.contracts.vitals import RedisVitals
from qtops.ports.control import ControlReading
from qtops.ports.sources import StreamEntry


@dataclass(frozen=True, slots=True)
class TopReading:
    """One reading. `minute` are the decisions of the last minute, `is_cut` when there were more."""

    vitals: RedisVitals
    control: ControlReading
    portfolio: Known[Portfolio] | Missing
    newest: Sequence[StreamEntry]
    minute: Sequence[StreamEntry]
    is_cut: bool = False


class TopSource(Protocol):
    """Reads only."""

    async def read(self) -> TopReading:
        """RedisError when there is no answer."""
        ...
