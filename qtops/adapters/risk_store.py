"""Portfolio risk in Redis: what clusters and budgets are made of, and where they are kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qtops.adapters.fact_reader import FactReader
from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.facts import Fact, Facts, Known, Missing
from qtops.contracts.market import INTERVAL_MS, Kline, decode_klines
from qtops.contracts.registry import Key
from qtops.contracts.risk import ClusterState, SymbolBudget
from qtops.contracts.vocabulary import FactName
from qtops.errors import DecodeError


class RedisRiskStore:
    """Implements `qtops.ports.RiskStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._reader = FactReader(link)

    async def facts(self, wanted: frozenset[FactName]) -> tuple[int, Facts]:
        with self._link.guard():
            return await self._reader.read_shared(wanted)

    async def klines(self, symbols: Iterable[str]) -> Mapping[str, Fact[Sequence[Kline]]]:
        names = list(symbols)
        pipe = self._link.client.pipeline(transaction=False)
        for symbol in names:
            pipe.get(self._link.names.key(Key.KLINES, symbol=symbol))
        with self._link.guard():
            replies = await pipe.execute(raise_on_error=False)
        return {symbol: _klines(reply) for symbol, reply in zip(names, replies, strict=True)}

    async def write_clusters(self, state: ClusterState) -> None:
        await self._write([(Key.CLUSTER_STATE, {}, state.to_fields())])

    async def write_budgets(self, budgets: Sequence[SymbolBudget], observed_at_ms: int) -> None:
        await self._write(
            [
                (key, {"symbol": b.symbol}, fields)
                for b in budgets
                for key, fields in (
                    (Key.BUDGET, b.budget_fields(observed_at_ms)),
                    (Key.ALLOCATION, b.target_fields(observed_at_ms)),
                )
            ]
        )

    async def _write(self, hashes: Sequence[tuple[Key, dict[str, str], dict[str, str]]]) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        for key, parts, fields in hashes:
            name = self._link.names.key(key, **parts)
            mapping: dict[Any, Any] = {**fields}
            pipe.delete(name)
            pipe.hset(name, mapping=mapping)
            if key.value.ttl_s is not None:
                pipe.expire(name, key.value.ttl_s)
        with self._link.guard():
            await pipe.execute()


def _klines(reply: Any) -> Fact[Sequence[Kline]]:
    if reply is None:
        return Missing("absent")
    if isinstance(reply, Exception):
        return Missing(f"unreadable: {reply}")
    try:
        klines = decode_klines(decode_fields({b"klines": reply})["klines"])
    except DecodeError as error:
        return Missing(f"unreadable: {error}")
    return Known(klines, klines[-1].open_time_ms + INTERVAL_MS) if klines else Missing("empty")
