"""Prices that move by themselves: a function of symbol and time, so a restart goes on in it.

The distance from the base price is a sum of swings, each twice as long and √2 as high as the one
before: a random walk that comes back. Between the corners of a swing the price runs straight, so
there are stretches that rise, that fall, and that go nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from qtops.sandbox.exchange.core.noise import noise

OCTAVES: Final = 5
_GROWTH: Final = Decimal("1.41421356")
_WHOLE: Final = sum((_GROWTH**octave for octave in range(OCTAVES)), Decimal(0))
_PLACES: Final = Decimal("0.00000001")  # of the exchange's prices


@dataclass(frozen=True, slots=True)
class Walk:
    """Symbols with the prices that they move around.

    `height` is the largest distance, as a share of the base; `swing_ms` the shortest swing; the
    price changes every `step_ms`.
    """

    bases: Mapping[str, Decimal]
    height: Decimal
    swing_ms: int
    step_ms: int

    def price(self, symbol: str, time_ms: int) -> Decimal:
        """The mark price in force at a moment (exchange's UTC ms)."""
        at_ms = time_ms - time_ms % self.step_ms
        total, height = Decimal(0), self.height / _WHOLE
        for octave in range(OCTAVES):
            span = self.swing_ms << octave
            cell, inside = divmod(at_ms, span)
            left = noise(f"walk/{symbol}/{octave}/{cell}")
            right = noise(f"walk/{symbol}/{octave}/{cell + 1}")
            total += height * (left + (right - left) * inside / span)
            height *= _GROWTH
        return (self.bases[symbol] * (1 + total)).quantize(_PLACES)
