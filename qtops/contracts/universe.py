"""Which symbols may be traded, and on whose word."""

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """Where an allowlist came from, best first. Where none of them answers, nothing is allowed."""

    ACTIVE = "active"
    LAST_OK = "last_ok"
    ENV = "env"


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The symbols, and the tier that named them."""

    symbols: frozenset[str]
    tier: Tier
