"""Prices that look like a market: a book around the mark, candles that end at it.

Everything is a function of symbol and time, so the same question has the same answer. A candle
that is closed never changes: it hangs on the mark price in force when it closed.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.noise import noise
from qtops.sandbox.exchange.core.state import State
from qtops.sandbox.exchange.core.walk import Walk

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
FUNDING_MS: Final = 8 * HOUR_MS
FUNDING_RATE: Final = Decimal("0.00010000")
_MINUTES: Final = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
    "3d": 4320,
    "1w": 10_080,
    "1M": 43_200,
}
INTERVALS: Final = {name: minutes * MINUTE_MS for name, minutes in _MINUTES.items()}
_OCTAVES: Final = 8  # swings of 1 to 128 minutes; each twice as long is √2 as high: a random walk
_STEP: Final = Decimal("0.00012")
_GROWTH: Final = Decimal("1.41421356")


@dataclass(frozen=True, slots=True)
class Candle:
    """One interval of trading, from `opened_ms` until its length later."""

    opened_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int


@lru_cache(maxsize=65_536)
def wander(symbol: str, minute: int) -> Decimal:
    """The relative distance from the mark at the end of a minute: below 0.5 %."""
    total, height = Decimal(0), _STEP
    for octave in range(_OCTAVES):
        span = 1 << octave
        cell, inside = divmod(minute, span)
        left = noise(f"{symbol}/{octave}/{cell}")
        right = noise(f"{symbol}/{octave}/{cell + 1}")
        total += height * (left + (right - left) * inside / span)
        height *= _GROWTH
    return total


class Market:
    """What the public endpoints show of the present state."""

    def __init__(
        self, state: State, instruments: dict[str, Instrument], walk: Walk | None = None
    ) -> None:
        self._state = state
        self._instruments = instruments
        self._walk = walk

    def last_price(self, symbol: str) -> Decimal:
        """The mark on the nearest tick: where MARKET orders fill."""
        return on_tick(self._state.symbols[symbol].mark, self._instruments[symbol].tick)

    def book(self, symbol: str, levels: int) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Bids and asks, best first: one tick around the last price, then tick by tick."""
        rules, last = self._instruments[symbol], self.last_price(symbol)
        size = rules.step * 1000
        bids = [
            (last - rules.tick * n, size * n)
            for n in range(1, levels + 1)
            if last - rules.tick * n > 0
        ]
        asks = [(last + rules.tick * n, size * n) for n in range(1, levels + 1)]
        return bids, asks

    def mark_at(self, symbol: str, time_ms: int) -> Decimal:
        """The mark price in force at a moment; the oldest one before the first change."""
        if self._walk is not None and symbol in self._walk.bases:
            return self._walk.price(symbol, time_ms)
        changes = self._state.marks[symbol]
        found = bisect_right(changes, time_ms, key=lambda change: change.time_ms)
        return changes[max(0, found - 1)].mark

    def price_at(self, symbol: str, end_ms: int, now_ms: int) -> Decimal:
        """The close of the minute that ends at `end_ms`; the last price if that is not over."""
        if end_ms > now_ms:
            return self.last_price(symbol)
        price = self.mark_at(symbol, end_ms)
        if self._walk is None or symbol not in self._walk.bases:
            price *= 1 + wander(symbol, end_ms // MINUTE_MS)
        return on_tick(price, self._instruments[symbol].tick)

    def candles(
        self,
        symbol: str,
        interval: str,
        window: tuple[int | None, int | None],
        limit: int,
        now: int,
    ) -> list[Candle]:
        """Ascending candles; the newest `limit`, or the oldest from a given start on."""
        length = INTERVALS[interval]
        start, end = window
        newest = min(now if end is None else end, now) // length
        oldest = max(newest - limit + 1, 0)
        if start is not None:
            oldest = -(-start // length)
            newest = min(newest, oldest + limit - 1)
        return [self._candle(symbol, n * length, length, now) for n in range(oldest, newest + 1)]

    def day(self, symbol: str, now_ms: int) -> Candle:
        """The last 24 hours as one candle."""
        return self._candle(symbol, now_ms - DAY_MS + 1, DAY_MS, now_ms)

    def moments(
        self, symbol: str, window: tuple[int | None, int | None], limit: int, now_ms: int
    ) -> Iterator[tuple[int, Decimal]]:
        """Funding times inside the window with the mark price of then, ascending."""
        start, end = window
        last = min(now_ms if end is None else end, now_ms) // FUNDING_MS
        first = max(last - limit + 1, 1) if start is None else -(-start // FUNDING_MS)
        for number in range(first, min(last, first + limit - 1) + 1):
            time_ms = number * FUNDING_MS
            yield time_ms, self.mark_at(symbol, time_ms)

    def _candle(self, symbol: str, opened_ms: int, length: int, now_ms: int) -> Candle:
        rules = self._instruments[symbol]
        first = self.price_at(symbol, opened_ms, now_ms)
        last = self.price_at(symbol, opened_ms + length, now_ms)
        seed = f"{symbol}/{length}/{opened_ms}"
        reach = _STEP * Decimal(length // MINUTE_MS).sqrt()
        high = max(first, last) * (1 + reach * abs(noise(f"{seed}/high")))
        low = min(first, last) * (1 - reach * abs(noise(f"{seed}/low")))
        busy = abs(noise(f"{seed}/volume"))
        lots = int(1000 * (1 + 9 * busy)) * (length // MINUTE_MS)
        return Candle(
            opened_ms,
            first,
            max(first, last, on_tick(high, rules.tick)),
            min(first, last, on_tick(low, rules.tick)),
            last,
            rules.step * lots,
            lots // 10,
        )


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """The nearest tick, at least one."""
    return max(Decimal(1), (price / tick).to_integral_value(ROUND_HALF_EVEN)) * tick


def next_funding_ms(now_ms: int) -> int:
    """Funding is every eight hours, at 00, 08 and 16 UTC."""
    return (now_ms // FUNDING_MS + 1) * FUNDING_MS
