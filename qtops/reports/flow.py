"""Where the boxes and arrows of the data-flow diagram stand: producers left, the exchange right.

A box has the colour of its hop; the arrow into it too, for that is the edge the hop reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from qtops.contracts.path_report import HopReport, HopState, PathReport

STATES: Final = {
    HopState.WORKING: "fine",
    HopState.IDLE: "fine",
    HopState.BROKEN: "broken",
    HopState.UNKNOWN: "attention",
    HopState.ABSENT: "dim",
}
_COLUMN, _BOX, _BOX_HEIGHT, _LANE, _TOP = 148, 118, 44, 104, 34
_EXCHANGE: Final = 92


@dataclass(frozen=True, slots=True)
class Box:
    """One hop. `writes` is shown under it."""

    x: int
    y: int
    name: str
    word: str
    writes: str
    state: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from `x` to `end`, at one height."""

    x: int
    end: int
    y: int
    state: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One path."""

    y: int
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole drawing, in the SVG's own units."""

    width: int
    height: int
    box: int
    box_height: int
    lanes: tuple[Lane, ...]
    exchange_x: int
    exchange_y: int
    exchange_width: int
    exchange_height: int
    exchange_state: str


def flow_of(paths: Sequence[PathReport]) -> Flow | None:
    """None when no path was looked at."""
    if not paths:
        return None
    columns = max(len(path.hops) for path in paths)
    exchange_x = columns * _COLUMN
    lanes = tuple(_lane(path, at, exchange_x) for at, path in enumerate(paths))
    to_exchange = [
        (lane, path) for lane, path in zip(lanes, paths, strict=True) if path.to_exchange
    ]
    tops = [lane.y for lane, _ in to_exchange] or [0]
    ends = {lane.boxes[-1].state for lane, _ in to_exchange}
    return Flow(
        width=exchange_x + _EXCHANGE + 2,
        height=len(paths) * _LANE,
        box=_BOX,
        box_height=_BOX_HEIGHT,
        lanes=lanes,
        exchange_x=exchange_x,
        exchange_y=min(tops) + _TOP,
        exchange_width=_EXCHANGE,
        exchange_height=max(tops) - min(tops) + _BOX_HEIGHT,
        exchange_state=next((s for s in ("broken", "attention", "fine") if s in ends), "dim"),
    )


def _lane(path: PathReport, at: int, exchange_x: int) -> Lane:
    y = at * _LANE
    # The last hop of a path stands next to the exchange, so that no arrow crosses a box.
    first = exchange_x // _COLUMN - len(path.hops) if path.to_exchange else 0
    boxes = tuple(_box(hop, (first + n) * _COLUMN, y) for n, hop in enumerate(path.hops))
    middle = y + _TOP + _BOX_HEIGHT // 2
    arrows = [Arrow(left.x + _BOX, right.x, middle, right.state) for left, right in pairwise(boxes)]
    if path.to_exchange:
        arrows.append(Arrow(boxes[-1].x + _BOX, exchange_x, middle, boxes[-1].state))
    return Lane(y, f"{path.letter}  {path.title}", boxes, tuple(arrows))


def _box(hop: HopReport, x: int, y: int) -> Box:
    writes = f"→ {hop.writes[0]}" if hop.writes else ""
    return Box(x + 1, y + _TOP, hop.name, hop.state.value, writes, STATES[hop.state])
