"""How far apart two names are, in the slips that people make when they type."""

from collections.abc import Iterable
from typing import Final

LARGEST: Final = 2
_SHORTEST: Final = 6


def closest(name: str, known: Iterable[str], largest: int = LARGEST) -> str:
    """The nearest of `known` within `largest` edits; of two as near, the first by name. Or empty.

    Short names are left alone: of six letters two changed are another word.
    """
    if len(name) < _SHORTEST:
        return ""
    near = ((distance(name.upper(), one.upper()), one) for one in known if _may(name, one, largest))
    least = min(near, default=(largest + 1, ""))
    return least[1] if least[0] <= largest else ""


def _may(name: str, other: str, largest: int) -> bool:
    return abs(len(name) - len(other)) <= largest


def distance(one: str, two: str) -> int:
    """Letters left out, added, changed, or two neighbours swapped (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, start=1):
        above, row = row, [i]
        for j, b in enumerate(two, start=1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                least = min(least, before[j - 2] + 1)
            row.append(least)
        before = above
    return row[-1]
