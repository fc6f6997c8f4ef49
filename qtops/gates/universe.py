"""Which listed symbols are tradable, which list may be served, and whose list a reader takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from qtops.contracts.facts import Fact, Known, Missing
from qtops.contracts.universe import Allowlist, Tier, UniverseList, is_tradable_name
from qtops.contracts.venue import Filters
from qtops.gates.base import FUTURE_TOLERANCE_MS

# A list that lost more than half of its symbols is believed from this reading of it on.
DROP_READINGS: Final = 3


@dataclass(frozen=True, slots=True)
class UniverseAges:
    """How old a list may be, in ms, to count as active, and to be used at all."""

    active_ms: int
    last_ok_ms: int


def tradable(rules: Iterable[Filters]) -> frozenset[str]:
    """Perpetual, in trading, USDT margin. Symbols without complete rules never get here."""
    return frozenset(
        rule.symbol
        for rule in rules
        if rule.contract_type == "PERPETUAL"
        and rule.status == "TRADING"
        and is_tradable_name(rule.symbol)
    )


def flaw(symbols: frozenset[str], maximum: int) -> str:
    """Why a list must never be served; empty when it may.

    Too long is refused and not cut: a cut list would lose symbols by their place in the alphabet.
    """
    if not symbols:
        return "empty: no perpetual with USDT margin is trading"
    if len(symbols) > maximum:
        return f"too_long: {len(symbols)} symbols, UNIVERSE_MAX {maximum}"
    return ""


def is_drop(symbols: frozenset[str], before: frozenset[str]) -> bool:
    """More than half of what was tradable is gone: sooner a broken answer than the market."""
    return 2 * len(before & symbols) < len(before)


def choose(
    active: Fact[UniverseList],
    last_ok: Fact[UniverseList],
    env: frozenset[str] | None,
    now_ms: int,
    ages: UniverseAges,
) -> Known[Allowlist] | Missing:
    """The best tier that can be used. A tier that cannot is skipped, and named.

    `env` None is a reader without a list of its own: where the universe cannot be had it is told
    so. An empty `env` is a list, and allows nothing.
    """
    skipped: list[str] = []
    tiers = ((Tier.ACTIVE, active, ages.active_ms), (Tier.LAST_OK, last_ok, ages.last_ok_ms))
    for tier, reading, limit_ms in tiers:
        if isinstance(reading, Missing):
            skipped.append(f"{tier.value} {reading.why}")
            continue
        age_ms = now_ms - reading.observed_at_ms
        if -FUTURE_TOLERANCE_MS <= age_ms <= limit_ms:
            found = Allowlist(reading.value.symbols, tier, "; ".join(skipped))
            return Known(found, reading.observed_at_ms)
        skipped.append(f"{tier.value} is {age_ms} ms old, limit {limit_ms} ms")
    why = "; ".join(skipped)
    return Missing(why) if env is None else Known(Allowlist(env, Tier.ENV, why), now_ms)
