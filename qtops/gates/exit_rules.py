"""When an open position is to be closed: stop loss, take profit, trailing stop.

A rule needs a fresh mark. On an unknown price none fires, and the answer says so: nothing would
show that the position is where a rule says it is.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from qtops.contracts.facts import Fact, Known, Position
from qtops.contracts.values import ZERO

HUNDRED: Final = Decimal(100)


class ExitRule(StrEnum):
    """The rules, in the order in which they are asked: a loss is taken before anything else."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"


@dataclass(frozen=True, slots=True)
class ExitLimits:
    """Distances in per cent of a price, all above zero; the age in ms of the oldest usable mark."""

    take_profit_pct: Decimal = Decimal("2.5")
    stop_loss_pct: Decimal = Decimal("1.5")
    trailing_pct: Decimal = Decimal("1.5")
    max_age_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the position. `why` is `within_limits` or names the input that was missing."""

    why: str


ENTRY_UNKNOWN: Final = Hold("entry_unknown")


@dataclass(frozen=True, slots=True)
class Exit:
    """Close the whole position. `moved_pct` is what the rule measured."""

    rule: ExitRule
    moved_pct: Decimal


@dataclass(frozen=True, slots=True)
class Held:
    """A position and the best mark since it was first seen: highest of a long, lowest of a short.

    The amount is signed base units and not zero.
    """

    position: Position
    best: Decimal

    @property
    def sign(self) -> int:
        return 1 if self.position.amount > ZERO else -1

    def gain_pct(self, mark: Decimal) -> Decimal:
        """The move from the entry in the position's favour, in per cent of the entry."""
        entry = self.position.entry_price
        return self.sign * (mark - entry) / entry * HUNDRED

    def fallback_pct(self, mark: Decimal) -> Decimal:
        """The move from the best mark against the position, in per cent of the best mark."""
        return self.sign * (self.best - mark) / self.best * HUNDRED

    @property
    def is_armed(self) -> bool:
        """The trailing stop guards a profit: it waits until there has been one."""
        return self.gain_pct(self.best) > ZERO


def better(amount: Decimal, best: Decimal, mark: Decimal) -> Decimal:
    """The new best mark of a position."""
    return max(best, mark) if amount > ZERO else min(best, mark)


def usable_mark(mark: Fact[Decimal], now_ms: int, limits: ExitLimits) -> Decimal | str:
    """The mark, or why there is none."""
    if not isinstance(mark, Known):
        return f"mark_{mark.why.partition(':')[0]}"
    if now_ms - mark.observed_at_ms > limits.max_age_ms:
        return "mark_stale"
    return mark.value


def distances(held: Held, mark: Decimal, limits: ExitLimits) -> dict[ExitRule, Decimal | None]:
    """How far the mark is from firing each rule, in per cent; None for one that cannot fire yet."""
    if held.position.entry_price <= ZERO:
        return dict.fromkeys(ExitRule)
    gain = held.gain_pct(mark)
    trailing = limits.trailing_pct - held.fallback_pct(mark) if held.is_armed else None
    return {
        ExitRule.STOP_LOSS: gain + limits.stop_loss_pct,
        ExitRule.TAKE_PROFIT: limits.take_profit_pct - gain,
        ExitRule.TRAILING_STOP: trailing,
    }


def judge(held: Held, mark: Decimal, limits: ExitLimits) -> Hold | Exit:
    """The first rule that fires at this mark. A distance that is met exactly fires."""
    if held.position.entry_price <= ZERO:
        return ENTRY_UNKNOWN
    gain = held.gain_pct(mark)
    if gain <= -limits.stop_loss_pct:
        return Exit(ExitRule.STOP_LOSS, gain)
    if gain >= limits.take_profit_pct:
        return Exit(ExitRule.TAKE_PROFIT, gain)
    back = held.fallback_pct(mark)
    if held.is_armed and back >= limits.trailing_pct:
        return Exit(ExitRule.TRAILING_STOP, -back)
    return Hold("within_limits")
