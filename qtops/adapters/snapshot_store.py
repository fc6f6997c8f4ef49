"""Where the snapshot publisher writes what the exchange shows."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts import snapshot
from qtops.contracts.facts import Portfolio, Position
from qtops.contracts.registry import Key
from qtops.contracts.values import ZERO
from qtops.contracts.venue import Filters


class RedisSnapshotStore:
    """Implements `qtops.ports.SnapshotStore`. Each reading is one transaction."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def _write(self, hashes: list[tuple[Key, dict[str, str], dict[str, str]]]) -> None:
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

    async def positions(
        self, portfolio: Portfolio, symbols: frozenset[str], observed_at_ms: int
    ) -> None:
        flat = Position(amount=ZERO)
        rows = {**dict.fromkeys(sorted(symbols), flat), **portfolio.positions}
        hashes = [
            (
                Key.POSITION,
                {"symbol": symbol},
                snapshot.encode_position(symbol, position, observed_at_ms),
            )
            for symbol, position in rows.items()
        ]
        whole = snapshot.encode_portfolio(portfolio, observed_at_ms)
        await self._write([*hashes, (Key.PORTFOLIO, {}, whole)])

    async def marks(self, prices: Mapping[str, Decimal], observed_at_ms: int) -> None:
        await self._write(
            [
                (Key.MARKET, {"symbol": s}, snapshot.encode_mark(s, price, observed_at_ms))
                for s, price in prices.items()
            ]
        )

    async def volatility(self, sigma: Mapping[str, Decimal], observed_at_ms: int) -> None:
        fields = snapshot.encode_volatility(sigma, observed_at_ms)
        await self._write([(Key.VOLATILITY, {}, fields)])

    async def filters(self, rules: Mapping[str, Filters], observed_at_ms: int) -> None:
        fields = {s: snapshot.encode_filters(f, observed_at_ms) for s, f in rules.items()}
        await self._write([(Key.FILTERS, {}, fields)])
