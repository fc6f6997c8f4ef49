"""What a page is laid out of: facts, tables, charts, lists. Data only; templates draw it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final

from qtops.reports.timeline import ZERO, Bar, Timeline, place, ticks_to

MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Word:
    """A value as text. `state` (fine, attention, broken, dim) colours it; text says it, too."""

    text: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    title: str
    rows: Sequence[tuple[str, Word]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; numbers stand at the right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; `left_out` rows are in the document only."""

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Word]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars on one scale. `title` says what they show, and the unit."""

    kind: ClassVar[str] = "chart"
    title: str
    timeline: Timeline
    is_wide: bool = False  # labels are sentences, not names


@dataclass(frozen=True, slots=True)
class Items:
    """A list of lines."""

    kind: ClassVar[str] = "items"
    title: str
    lines: Sequence[str]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Text as it was written, several lines of it."""

    kind: ClassVar[str] = "source"
    title: str
    lines: Sequence[str]


Block = Facts | Table | Chart | Items | Source


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, ms from the start of the scale; without an end there is no bar."""

    label: str
    state: str
    start_ms: Decimal = ZERO
    end_ms: Decimal | None = None
    note: str = ""


def time_chart(title: str, spans: Sequence[Span]) -> Chart:
    """Spans on one scale of milliseconds, with the end of each in text."""
    ends = [span.end_ms for span in spans if span.end_ms is not None]
    scale = max([end for end in ends if end > ZERO], default=Decimal(1))
    bars = [
        Bar(span.label, "dim" if span.state == "fine" else span.state, "no time", span.note)
        if span.end_ms is None
        else Bar(
            span.label,
            span.state,
            f"{span.end_ms:.1f} ms",
            span.note,
            *place(span.start_ms, span.end_ms, scale),
        )
        for span in spans
    ]
    return Chart(title, Timeline(bars, list(ticks_to(scale))))


def count_chart(title: str, unit: str, counts: Iterable[tuple[str, int, str]]) -> Chart:
    """(label, number, state) as bars from zero; a zero has no bar."""
    rows = list(counts)
    scale = Decimal(max([number for _, number, _ in rows if number > 0], default=1))
    bars = [
        Bar(label, state, str(number), "", *place(ZERO, Decimal(number), scale))
        if number > 0
        else Bar(label, "dim", str(number))
        for label, number, state in rows
    ]
    ticks = [(at, text) for at, text in ticks_to(scale) if "." not in text]
    return Chart(title, Timeline(bars, ticks, unit), is_wide=True)
