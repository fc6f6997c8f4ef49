"""What the reference producer reads and writes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from qtops.contracts.facts import Fact
from qtops.contracts.intent import Intent


class ProducerStore(Protocol):
    """Mark prices in, intents out."""

    async def marks(self, symbols: Sequence[str]) -> tuple[int, Mapping[str, Fact[Decimal]]]:
        """(now in Redis server ms, each symbol's mark)."""
        ...

    async def publish(self, intents: Sequence[Intent]) -> None:
        """All of them in one transaction."""
        ...
