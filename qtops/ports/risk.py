"""What the measures of portfolio risk read and write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from qtops.contracts.facts import Fact, Facts
from qtops.contracts.market import Kline
from qtops.contracts.risk import ClusterState, SymbolBudget
from qtops.contracts.vocabulary import FactName


class RiskStore(Protocol):
    """Facts of the whole portfolio, prices of its symbols, and what is made of them."""

    async def facts(self, wanted: frozenset[FactName]) -> tuple[int, Facts]:
        """(now in Redis server ms, the facts)."""
        ...

    async def klines(self, symbols: Iterable[str]) -> Mapping[str, Fact[Sequence[Kline]]]:
        """Each symbol's minutes, oldest first, observed when the newest of them ended."""
        ...

    async def write_clusters(self, state: ClusterState) -> None:
        """Whole: nothing of the state before stays."""
        ...

    async def write_budgets(self, budgets: Sequence[SymbolBudget], observed_at_ms: int) -> None:
        """All symbols' budgets and targets in one transaction."""
        ...
