"""The reference producer: writes an intent when a mark leaves its channel. For test venues only."""

from collections.abc import Sequence

import structlog

from qtops.contracts.intent import Intent
from qtops.gates.producer import ProducerLimits, Watch, follow
from qtops.ports.producer import ProducerStore
from qtops.services.metrics.producer import ProducerMetrics


class Producer:
    """One look at the marks for each call of `look`. A restart begins every channel anew."""

    def __init__(
        self,
        store: ProducerStore,
        symbols: Sequence[str],
        limits: ProducerLimits,
        metrics: ProducerMetrics,
    ) -> None:
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._watches = {symbol: Watch() for symbol in sorted(symbols)}
        self._log = structlog.get_logger("qtops.producer")

    async def look(self) -> None:
        """Follow every symbol; what was not published is not remembered as asked for."""
        now_ms, marks = await self._store.marks(list(self._watches))
        after: dict[str, Watch] = {}
        intents: list[Intent] = []
        for symbol, watch in self._watches.items():
            after[symbol], intent = follow(symbol, watch, marks[symbol], now_ms, self._limits)
            if intent is not None:
                intents.append(intent)
        if intents:
            await self._store.publish(intents)
        self._watches = after
        for intent in intents:
            self._metrics.published(intent)
            self._log.info(
                "intent.published",
                symbol=intent.symbol,
                side=intent.side.value,
                intent_id=intent.extra["intent_id"],
            )
