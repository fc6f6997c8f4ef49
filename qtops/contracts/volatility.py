"""How much a price moves in a day, from its minute closes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import pairwise

from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.values import ZERO

MINUTES_PER_DAY = 1440
_EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN)
_PLACES = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class VolatilityPlan:
    """How fast the past is forgotten, and how much of it must be there."""

    half_life_minutes: int = 60
    min_returns: int = 30


def daily_volatility(klines: Sequence[Kline], plan: VolatilityPlan) -> Decimal | None:
    """The daily standard deviation of log returns, a fraction: 0.03 is 3 % a day.

    The exponentially weighted average of squared returns with mean zero, as in RiskMetrics
    (J.P. Morgan/Reuters, Technical Document, 4th ed. 1996, 5.2), aware of time: a return over k
    minutes counts as k minutes of a k-th of its square,

        v <- decay^k * v + (1 - decay^k) * r^2 / k        decay = 2^(-1 / half life)

    divided by the weight so far, 1 - decay^(all minutes), so that the start is not taken for calm.
    A day has 1440 such minutes: sqrt(1440 * v).

    None with fewer than `min_returns` returns: a number from next to nothing would look like calm.
    """
    if len(klines) - 1 < plan.min_returns:
        return None
    with localcontext(_EXACT):
        decay = Decimal(2) ** (Decimal(-1) / plan.half_life_minutes)
        variance, weight = ZERO, ZERO
        for before, after in pairwise(klines):
            minutes = (after.open_time_ms - before.open_time_ms) // INTERVAL_MS
            kept = decay**minutes
            per_minute = (after.close / before.close).ln() ** 2 / minutes
            variance = kept * variance + (1 - kept) * per_minute
            weight = kept * weight + (1 - kept)
        return (MINUTES_PER_DAY * variance / weight).sqrt().quantize(_PLACES)
