"""Analytics: counts each decision, execution and fill once, over restarts too."""

import re
from typing import Final

import structlog

from qtops.contracts.analytics import Attribution, Execution, Progress, legs_of, slippage_bps
from qtops.ports.analytics import AnalyticsStore, Tail, Totals
from qtops.services.metrics.analytics import AnalyticsMetrics

UNKNOWN_SOURCE: Final = "unknown"
OTHER_SOURCE: Final = "other"
_SOURCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class Analytics:
    """One step for each call of `count`. What it knows lies in Redis, beside where it stands."""

    def __init__(self, store: AnalyticsStore, metrics: AnalyticsMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.analytics")

    async def count(self) -> None:
        """Add what is new; another instance that did so first has done the work."""
        tail = await self._store.tail()
        histogram = tail.progress.histogram.with_decisions(tail.decisions, tail.now_ms)
        totals = Totals(
            Progress(tail.cursors, histogram),
            tail.now_ms,
            await self._executions(tail),
            await self._attributions(tail),
            tail.new_origins,
            tail.new_marks,
        )
        if not await self._store.write(totals):
            self._log.warning("analytics.conflict", why="another process counted meanwhile")
            return
        self._metrics.observe(tail, totals)

    async def _executions(self, tail: Tail) -> dict[str, Execution]:
        found: dict[str, Execution] = {}
        for result in tail.results:
            if not result.executed:
                continue
            symbol = result.symbol
            so_far = found.get(symbol) or await self._store.execution(symbol)
            origin = tail.origins.get(result.client_order_id)
            legs = legs_of(result, origin.planned_ms if origin else None)
            found[symbol] = so_far.plus(legs)
        for order in tail.fills:
            mark = tail.marks.get(order.client_order_id)
            bps = slippage_bps(order, mark) if mark is not None else None
            if bps is not None:
                so_far = found.get(order.symbol) or await self._store.execution(order.symbol)
                found[order.symbol] = so_far.slipped(bps)
        return found

    async def _attributions(self, tail: Tail) -> dict[tuple[str, str], Attribution]:
        found: dict[tuple[str, str], Attribution] = {}
        for order in tail.fills:
            if order.fill is None:
                continue
            origin = tail.origins.get(order.client_order_id)
            key = (order.symbol, source_name(origin.source) if origin else UNKNOWN_SOURCE)
            so_far = found.get(key) or await self._store.attribution(*key)
            found[key] = so_far.plus(order.fill)
        return found


def source_name(source: str) -> str:
    """A source as part of a key: a plain word, else `other`."""
    return source if _SOURCE.fullmatch(source) else OTHER_SOURCE
