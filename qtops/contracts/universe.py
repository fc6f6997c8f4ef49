"""Which symbols may be traded, and on whose word."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qtops.contracts.codec import Fields, canonical_json, parse_int, parse_json_object
from qtops.errors import DecodeError

# Margin and quote in USDT, no delivery date. Letters of any script, as in `SYMBOL_PATTERN`: the
# exchange lists perpetuals that are not spelled in Latin ones.
TRADABLE_PATTERN: Final = re.compile(r"[^\W_]{1,26}USDT")


class Tier(StrEnum):
    """Where an allowlist came from, best first. Where none of them answers, nothing is allowed."""

    ACTIVE = "active"
    LAST_OK = "last_ok"
    ENV = "env"


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The symbols, the tier that named them, and why each better tier did not."""

    symbols: frozenset[str]
    tier: Tier
    skipped: str = ""


def is_tradable_name(symbol: str) -> bool:
    """Whether it is spelled like a perpetual with USDT margin."""
    return symbol == symbol.upper() and TRADABLE_PATTERN.fullmatch(symbol) is not None


@dataclass(frozen=True, slots=True)
class UniverseList:
    """What the exchange listed as tradable, and when it was asked (Redis server's UTC ms)."""

    symbols: frozenset[str]
    observed_at_ms: int

    def to_json(self) -> str:
        """Sorted, so that one list has one spelling."""
        return canonical_json(
            {"observed_at_ms": self.observed_at_ms, "symbols": sorted(self.symbols)}
        )

    @classmethod
    def from_json(cls, raw: str) -> "UniverseList":
        """An empty list, or one with a name that is no symbol, raises: it was not written here."""
        document = parse_json_object(raw, "universe")
        observed_at_ms, symbols = document.get("observed_at_ms"), document.get("symbols")
        if not isinstance(observed_at_ms, int) or isinstance(observed_at_ms, bool):
            raise DecodeError("bad_universe", "observed_at_ms", "universe: no observed_at_ms")
        if not isinstance(symbols, list) or not symbols:
            raise DecodeError("bad_universe", "symbols", "universe: no symbols")
        for symbol in symbols:
            if not isinstance(symbol, str) or not is_tradable_name(symbol):
                message = f"universe: {str(symbol)[:40]!r} is not a tradable symbol"
                raise DecodeError("bad_universe", "symbols", message)
        return cls(frozenset(symbols), observed_at_ms)


@dataclass(frozen=True, slots=True)
class UniverseMeta:
    """How the last reading of the exchange went, and what is served since.

    `reason` says why the list is stale, empty while it is not. `observed_at_ms` is the age of the
    list that is served, None when there is none; `attempted_at_ms` is the last try.
    """

    venue: str
    count: int
    observed_at_ms: int | None
    attempted_at_ms: int
    reason: str = ""

    @property
    def stale(self) -> bool:
        return bool(self.reason)

    def to_fields(self) -> dict[str, str]:
        return {
            "venue": self.venue,
            "count": str(self.count),
            "observed_at_ms": "" if self.observed_at_ms is None else str(self.observed_at_ms),
            "attempted_at_ms": str(self.attempted_at_ms),
            "stale": "1" if self.stale else "0",
            "reason": self.reason,
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "UniverseMeta":
        """`stale` and `reason` say the same; where they disagree, stale wins."""
        fields = Fields(raw)
        observed = fields.take("observed_at_ms")
        reason = fields.take("reason") or ""
        stale = fields.need_bool("stale")
        return cls(
            venue=fields.need("venue"),
            count=fields.need_int("count"),
            observed_at_ms=parse_int(observed, "observed_at_ms") if observed else None,
            attempted_at_ms=fields.need_int("attempted_at_ms"),
            reason=reason or ("not said" if stale else ""),
        )
