"""Where the snapshot publisher writes what the exchange shows of the account."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from redis.exceptions import WatchError

from qtops.adapters.fact_writer import put_hash
from qtops.adapters.link import RedisLink
from qtops.contracts import snapshot
from qtops.contracts.codec import decode_fields
from qtops.contracts.environment import Environment
from qtops.contracts.facts import Missing, Portfolio, Position
from qtops.contracts.portfolio_state import PortfolioState, with_peak
from qtops.contracts.registry import Key, Stream
from qtops.contracts.values import ZERO
from qtops.contracts.venue import Filters
from qtops.errors import DecodeError


class RedisSnapshotStore:
    """Implements `qtops.ports.SnapshotStore`. Each reading is one transaction."""

    def __init__(self, link: RedisLink, environment: Environment) -> None:
        self._link = link
        self._environment = environment.value
        self._peak = link.names.key(Key.PEAK_EQUITY, environment=self._environment)
        self._told = link.names.stream(Stream.PORTFOLIO_STATE)

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def positions(
        self, portfolio: Portfolio, symbols: frozenset[str], observed_at_ms: int, *, tell: bool
    ) -> Portfolio:
        """Tried again when the peak moved meanwhile: it must neither fall nor come back."""
        while True:
            whole = await self._attempt(portfolio, symbols, observed_at_ms, tell=tell)
            if whole is not None:
                return whole

    async def _attempt(
        self, portfolio: Portfolio, symbols: frozenset[str], at_ms: int, *, tell: bool
    ) -> Portfolio | None:
        async with self._link.client.pipeline(transaction=True) as pipe:
            with self._link.guard():
                await pipe.watch(self._peak)
                stored = _peak(await pipe.hgetall(self._peak))
                whole = with_peak(portfolio, stored)
                pipe.multi()
                self._put(pipe, whole, symbols, at_ms)
                peak = whole.peak_equity_usdt
                if peak is not None and peak != stored:
                    fields = snapshot.encode_peak(peak, at_ms)
                    put_hash(
                        self._link, pipe, Key.PEAK_EQUITY, fields, environment=self._environment
                    )
                if tell:
                    said = PortfolioState.of(whole, at_ms).to_fields()
                    bound = Stream.PORTFOLIO_STATE.value.maxlen
                    pipe.xadd(self._told, said, maxlen=bound, approximate=True)
                try:
                    await pipe.execute()
                except WatchError:
                    return None
        return whole

    def _put(self, pipe: Any, whole: Portfolio, symbols: frozenset[str], at_ms: int) -> None:
        flat = Position(amount=ZERO)
        for symbol, position in {**dict.fromkeys(sorted(symbols), flat), **whole.positions}.items():
            fields = snapshot.encode_position(symbol, position, at_ms)
            put_hash(self._link, pipe, Key.POSITION, fields, symbol=symbol)
        put_hash(self._link, pipe, Key.PORTFOLIO, snapshot.encode_portfolio(whole, at_ms))

    async def filters(self, rules: Mapping[str, Filters], observed_at_ms: int) -> None:
        fields = {s: snapshot.encode_filters(f, observed_at_ms) for s, f in rules.items()}
        pipe = self._link.client.pipeline(transaction=True)
        put_hash(self._link, pipe, Key.FILTERS, fields)
        with self._link.guard():
            await pipe.execute()


def _peak(raw: Mapping[bytes, bytes]) -> Decimal | Missing | None:
    if not raw:
        return None
    try:
        return snapshot.decode_peak(decode_fields(raw)).value
    except DecodeError as error:
        return Missing(f"unreadable: {error.message}")
