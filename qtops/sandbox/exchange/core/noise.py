"""Chance that can be asked again."""

from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

_RESOLUTION: Final = 1 << 32


@lru_cache(maxsize=65_536)
def noise(seed: str) -> Decimal:
    """A number from -1 to 1 that depends on the seed alone."""
    raw = int.from_bytes(blake2b(seed.encode(), digest_size=4).digest(), "big")
    return Decimal(2 * raw - _RESOLUTION) / _RESOLUTION
