"""Where the market state service keeps prices, closes and volatility."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from qtops.adapters.fact_writer import put_hash
from qtops.adapters.link import RedisLink
from qtops.contracts import snapshot
from qtops.contracts.codec import decode_fields
from qtops.contracts.market import Kline, decode_klines, encode_klines, is_whole
from qtops.contracts.registry import Key
from qtops.errors import DecodeError


class RedisMarketStore:
    """Implements `qtops.ports.MarketStore`. Each reading is one transaction."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def held(self) -> frozenset[str] | None:
        with self._link.guard():
            raw = await self._link.client.hgetall(self._link.names.key(Key.PORTFOLIO))
        try:
            return frozenset(snapshot.decode_portfolio(decode_fields(raw)).value.positions)
        except DecodeError:
            return None

    async def rings(self, symbols: frozenset[str]) -> dict[str, list[Kline]]:
        wanted = sorted(symbols)
        names = [self._link.names.key(Key.KLINES, symbol=symbol) for symbol in wanted]
        with self._link.guard():
            found = await self._link.client.mget(names)
        return {symbol: _ring(raw) for symbol, raw in zip(wanted, found, strict=True)}

    async def marks(self, prices: Mapping[str, Decimal], observed_at_ms: int) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        for symbol, price in prices.items():
            fields = snapshot.encode_mark(symbol, price, observed_at_ms)
            put_hash(self._link, pipe, Key.MARKET, fields, symbol=symbol)
        with self._link.guard():
            await pipe.execute()

    async def closes(
        self,
        rings: Mapping[str, Sequence[Kline]],
        sigma: Mapping[str, Decimal],
        observed_at_ms: int,
    ) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        for symbol, ring in rings.items():
            name = self._link.names.key(Key.KLINES, symbol=symbol)
            pipe.set(name, encode_klines(ring), ex=Key.KLINES.value.ttl_s)
        fields = snapshot.encode_volatility(sigma, observed_at_ms)
        put_hash(self._link, pipe, Key.VOLATILITY, fields)
        with self._link.guard():
            await pipe.execute()


def _ring(raw: bytes | None) -> list[Kline]:
    """Nothing but a whole ring is gone on with: what has gaps or cannot be read is asked anew."""
    try:
        ring = decode_klines((raw or b"").decode())
    except (DecodeError, UnicodeDecodeError):
        return []
    return ring if is_whole(ring) else []
