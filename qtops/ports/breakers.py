"""What the breakers read and write in Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from qtops.contracts.breakers import BreakerState
from qtops.gates.breakers import Sent
from qtops.gates.last_hop import Admission


@dataclass(frozen=True, slots=True)
class BreakerReading:
    """One moment. `record` is empty unless it is about the value and epoch that hold.

    `feeds` holds when each feed that is there was last true; `amounts` the positions by symbol.
    """

    now_ms: int
    kill: str
    epoch: str
    record: Mapping[str, str] = field(default_factory=dict)
    stored: BreakerState | None = None
    feeds: Mapping[str, int] = field(default_factory=dict)
    equity_usdt: Decimal | None = None
    amounts: Mapping[str, Decimal] = field(default_factory=dict)


class BreakerStore(Protocol):
    """`breaker:state`, and what the breakers judge."""

    async def now_ms(self) -> int:
        """The Redis server's clock."""
        ...

    async def read(self, symbols: Sequence[str]) -> BreakerReading:
        """`symbols`: whose marks show that the market feed lives."""
        ...

    async def sent_after(self, entry_id: str) -> tuple[str, Sequence[Sent]]:
        """(id of the newest result, ends of plans that sent an order), newer than `entry_id`."""
        ...

    async def admissions(self) -> Mapping[str, Admission]:
        """Every claim there is, by its client order id."""
        ...

    async def write(self, state: BreakerState) -> None: ...
