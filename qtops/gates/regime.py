"""Trend and volatility of one symbol from its minute closes, as the kill score uses them.

    efficiency = (last close - first close) / sum of |changes|, over one hour: -1 … 1
    trend      = efficiency * (1 long, -1 short): above zero it runs with the position
    flip       = 1 when trend <= -0.3, else 0
    ts_drop    = max(0, trend an hour ago - trend now)
    spike      = max(0, sigma of the last 30 minutes / sigma of the last 120 - 1)

Source: efficiency is Kaufman's ratio; it needs no units and no fitted constant. The original took
its regime from a service whose formula is not known (DOMAIN §2.10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.values import ZERO

WINDOW = 60
SHORT = 30
NEEDED = 2 * WINDOW + 1
FLIP_AT = Decimal("-0.3")
MOST_SPAN_MS = 150 * INTERVAL_MS  # 120 minutes and a few gaps
MOST_AGE_MS = 5 * INTERVAL_MS


@dataclass(frozen=True, slots=True)
class Regime:
    """What the last two hours say about a position; all without units."""

    flip: Decimal
    ts_drop: Decimal
    sigma_spike: Decimal


def regime(klines: Sequence[Kline], now_ms: int, *, is_long: bool) -> Regime | str:
    """The regime, or why it cannot be known: too few closes, too old, or too many gaps."""
    if len(klines) < NEEDED:
        return "too_few"
    last = klines[-NEEDED:]
    if now_ms - last[-1].open_time_ms > INTERVAL_MS + MOST_AGE_MS:
        return "old"
    if last[-1].open_time_ms - last[0].open_time_ms > MOST_SPAN_MS:
        return "gaps"
    closes = [kline.close for kline in last]
    sign = 1 if is_long else -1
    before, now = efficiency(closes[: WINDOW + 1]) * sign, efficiency(closes[WINDOW:]) * sign
    flip = Decimal(1) if now <= FLIP_AT else ZERO
    return Regime(flip, max(ZERO, before - now), _spike(closes))


def efficiency(closes: Sequence[Decimal]) -> Decimal:
    """Net move over the way travelled, -1 … 1; 0 where nothing moved."""
    way = sum((abs(b - a) for a, b in pairwise(closes)), ZERO)
    return (closes[-1] - closes[0]) / way if way else ZERO


def _spike(closes: Sequence[Decimal]) -> Decimal:
    returns = [(b / a).ln() for a, b in pairwise(closes)]
    whole, recent = _deviation(returns), _deviation(returns[-SHORT:])
    return max(ZERO, recent / whole - 1) if whole else ZERO


def _deviation(returns: Sequence[Decimal]) -> Decimal:
    mean = sum(returns, ZERO) / len(returns)
    return (sum(((r - mean) ** 2 for r in returns), ZERO) / (len(returns) - 1)).sqrt()
