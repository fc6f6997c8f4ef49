"""Risk budget (P2.8) and allocation (P2.9): writes what each symbol may hold.

When an input is missing nothing is written, and what was written before grows old: the governor
refuses it after a minute, Redis drops it after five.
"""

from collections.abc import Sequence

import structlog

from qtops.contracts.facts import Known
from qtops.contracts.vocabulary import FactName
from qtops.gates.budget import NEEDS, BudgetLimits, budgets
from qtops.gates.portfolio import PortfolioLimits
from qtops.ports import RiskStore
from qtops.services.metrics.risk import BudgetMetrics

_WANTED: frozenset[FactName] = frozenset(need.fact for need in NEEDS)


class RiskBudget:
    """One computation for each call of `compute`."""

    def __init__(
        self,
        store: RiskStore,
        symbols: Sequence[str],
        limits: BudgetLimits,
        heat_limits: PortfolioLimits,
        metrics: BudgetMetrics,
    ) -> None:
        self._store = store
        self._symbols = sorted(symbols)
        self._limits = limits
        self._heat_limits = heat_limits
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.risk_budget")

    async def compute(self) -> None:
        """Budgets of the symbols and of whatever is held besides, as old as the portfolio."""
        now_ms, facts = await self._store.facts(_WANTED)
        symbols = set(self._symbols)
        if isinstance(facts.portfolio, Known):
            symbols |= facts.portfolio.value.positions.keys()
        made, why = budgets(facts, sorted(symbols), now_ms, self._limits, self._heat_limits)
        if made and isinstance(facts.portfolio, Known):
            await self._store.write_budgets(made, facts.portfolio.observed_at_ms)
        self._metrics.observe(made)
        if why:
            self._log.warning("budgets.incomplete", why=why, written=len(made))
