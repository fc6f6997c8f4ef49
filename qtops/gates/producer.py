"""A reference producer's rule: the breakout of a channel. An example of the wire, not a strategy.

The channel is the highest and lowest mark of the last `lookback` samples. A mark above it wants to
buy, one below it to sell. Nothing here knows of positions: what an intent means for one is the
bridge's matter, as it is for every producer.
"""

from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.facts import Fact, Known, Missing
from qtops.contracts.intent import Intent
from qtops.contracts.vocabulary import Side

SOURCE = "producer"


@dataclass(frozen=True, slots=True)
class ProducerLimits:
    """Times in ms, the size in USDT. `lookback` is a number of samples."""

    lookback: int = 20
    cooldown_ms: int = 60_000
    max_age_ms: int = 10_000
    notional_usdt: Decimal = Decimal(50)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one symbol: its latest marks, oldest first, and its last intent."""

    marks: tuple[Decimal, ...] = ()
    observed_at_ms: int = 0
    asked_at_ms: int | None = None


def follow(
    symbol: str, watch: Watch, mark: Fact[Decimal], now_ms: int, limits: ProducerLimits
) -> tuple[Watch, Intent | None]:
    """The memory after this mark, and what is wanted because of it.

    A mark that is missing or stale leaves a gap, and a channel with a gap says nothing: it is
    begun anew. A mark that was looked at before adds nothing.
    """
    if isinstance(mark, Missing) or now_ms - mark.observed_at_ms > limits.max_age_ms:
        return Watch(asked_at_ms=watch.asked_at_ms), None
    if mark.observed_at_ms <= watch.observed_at_ms:
        return watch, None
    side = breakout(watch.marks, mark.value, limits)
    resting = watch.asked_at_ms is not None and now_ms - watch.asked_at_ms < limits.cooldown_ms
    intent = None if side is None or resting else _intent(symbol, side, mark, now_ms, limits)
    marks = (*watch.marks, mark.value)[-limits.lookback :]
    asked_at_ms = watch.asked_at_ms if intent is None else now_ms
    return Watch(marks, mark.observed_at_ms, asked_at_ms), intent


def breakout(marks: tuple[Decimal, ...], mark: Decimal, limits: ProducerLimits) -> Side | None:
    """Which way the mark leaves the channel; None inside it, or while there is no whole channel."""
    if len(marks) < limits.lookback:
        return None
    if mark > max(marks):
        return Side.BUY
    return Side.SELL if mark < min(marks) else None


def _intent(
    symbol: str, side: Side, mark: Known[Decimal], now_ms: int, limits: ProducerLimits
) -> Intent:
    """Known by symbol, side and the mark's time: said twice, by a second producer, it is one."""
    return Intent(
        symbol=symbol,
        side=side,
        notional_usdt=limits.notional_usdt,
        source=SOURCE,
        timestamp_ms=now_ms,
        extra={"intent_id": f"{symbol}-{side.value}-{mark.observed_at_ms}"},
    )
