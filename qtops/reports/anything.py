"""Any JSON value as blocks: flat values are facts, lists of objects are tables, depth is a title.

Nothing is judged; a few words that say a state everywhere are coloured.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from qtops.reports.blocks import (
    MOST_ROWS,
    Block,
    Column,
    Facts,
    Items,
    Section,
    Source,
    Table,
    Word,
)

MAX_DEPTH: Final = 8  # from there on JSON is shown as it is
_MOST_JOINED: Final = 12
_LONGEST_JOINED: Final = 160  # characters
_SHORT: Final = 80  # characters; a longer text keeps its lines
_UNITS: Final = {"ms": "ms", "us": "µs", "s": "s", "usdt": "USDT", "pct": "%", "bytes": "bytes"}
_NAMES: Final = ("name", "check", "plan_id", "gate", "symbol", "operation_id", "id")
_STATE_COLUMNS: Final = frozenset(
    {"status", "state", "verdict", "outcome", "severity", "result", "heartbeat", "decision"}
)
_STATES: Final = {
    "fine": "ok pass active alive operational idle seen filled proven success allow clear done",
    "attention": "warn warning reducing partial expired unknown skip in_flight p2",
    "broken": "fail failed critical missing degraded refused lost contradictory error halted deny"
    " not_found rollback dead silent p0 p1",
}
_TONES: Final = {word: state for state, words in _STATES.items() for word in words.split()}


def label(name: str) -> str:
    """`since_plan_us` reads `since plan, µs`."""
    head, _, unit = name.rpartition("_")
    if head and unit in _UNITS and not head.endswith("_per"):
        return f"{head.replace('_', ' ')}, {_UNITS[unit]}"
    return name.replace("_", " ")


def tone(name: str, text: str) -> str:
    """The state that a word says, where the name says that it is one; else empty."""
    is_state = name.rpartition("_")[2] in _STATE_COLUMNS
    return _TONES.get(text.lower(), "") if is_state else ""


def word(name: str, value: Any) -> Word:
    """A flat value. Nothing is an empty text, which shows as a dash."""
    text = _text(value)
    return Word(text, tone(name, text))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if isinstance(value, Mapping) else str(value)


def is_flat(value: Any) -> bool:
    """Fits a table's cell: a scalar, a short list of scalars, nothing."""
    if isinstance(value, Mapping):
        return not value
    if not isinstance(value, list):
        return not isinstance(value, str) or "\n" not in value.strip() or len(value) <= _SHORT
    is_short = len(value) <= _MOST_JOINED and sum(len(_text(v)) for v in value) <= _LONGEST_JOINED
    return is_short and not any(isinstance(item, (Mapping, list)) for item in value)


def sections_of(document: Mapping[str, Any], facts: str = "Facts") -> list[Section]:
    """The flat values first, then a section for every other."""
    flat = {name: value for name, value in document.items() if is_flat(value)}
    sections = [Section(facts, [facts_of("", flat)])] if flat else []
    return sections + [
        Section(label(name), list(blocks_of(value)))
        for name, value in document.items()
        if name not in flat
    ]


def blocks_of(value: Any, title: str = "", depth: int = 0) -> Iterator[Block]:
    """A value that is not flat. Titles of what is nested name the way down to it."""
    if depth >= MAX_DEPTH:
        yield Source(title, json.dumps(value, indent=2, default=str).splitlines())
    elif isinstance(value, Mapping):
        yield from _mapping(value, title, depth)
    elif isinstance(value, list):
        yield from _list(value, title, depth)
    else:
        yield Source(title, _text(value).strip().split("\n"))


def facts_of(title: str, flat: Mapping[str, Any]) -> Facts:
    """Flat values by name."""
    return Facts(title, [(label(name), word(name, value)) for name, value in flat.items()])


def table_of(
    title: str, rows: Sequence[Mapping[str, Any]], only: Iterable[str] | None = None
) -> Table:
    """Objects as rows: the columns `only`, or all that are flat in every row."""
    names = list(only) if only is not None else _flat_names(rows)
    shown = rows[:MOST_ROWS]
    columns = [Column(label(n), _is_number([row.get(n) for row in rows])) for n in names]
    cells = [[word(name, row.get(name)) for name in names] for row in shown]
    return Table(title, columns, cells, len(rows) - len(shown))


def _mapping(value: Mapping[str, Any], title: str, depth: int) -> Iterator[Block]:
    inner = list(value.values())
    if len(inner) > 1 and all(isinstance(item, Mapping) and item for item in inner):
        yield from _list([{"": name} | dict(item) for name, item in value.items()], title, depth)
        return
    flat = {name: item for name, item in value.items() if is_flat(item)}
    if flat:
        yield facts_of(title, flat)
    for name, item in value.items():
        if name not in flat:
            yield from blocks_of(item, _below(title, label(name)), depth + 1)


def _list(value: Sequence[Any], title: str, depth: int) -> Iterator[Block]:
    if not any(isinstance(item, (Mapping, list)) for item in value):
        lines = [_text(item) for item in value[:MOST_ROWS]]
        yield Items(title, lines, len(value) - len(lines))
        return
    rows = [_widened(item) if isinstance(item, Mapping) else {"value": item} for item in value]
    names = _flat_names(rows)
    if names:
        yield table_of(title, rows, names)
    for number, row in enumerate(rows[:MOST_ROWS], start=1):
        for name, item in row.items():
            if name not in names and not _is_nothing(item):
                way = _below(title, _name_of(row, number), label(name))
                yield from blocks_of([item] if is_flat(item) else item, way, depth + 1)


def _widened(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with each object of flat values as columns of its own."""
    wide: dict[str, Any] = {}
    for name, item in row.items():
        if isinstance(item, Mapping) and item and all(map(is_flat, item.values())):
            wide |= {f"{name} {inner}": value for inner, value in item.items()}
        else:
            wide[name] = item
    return wide


def _flat_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if all(is_flat(row.get(name)) for row in rows)]


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _is_number(values: Sequence[Any]) -> bool:
    known = [value for value in values if not _is_nothing(value)]
    return bool(known) and all(
        isinstance(value, (int, Decimal)) and not isinstance(value, bool) for value in known
    )


def _name_of(row: Mapping[str, Any], number: int) -> str:
    named = (_text(row[name]) for name in ("", *_NAMES) if row.get(name) and is_flat(row[name]))
    return next(named, f"#{number}")


def _below(*parts: str) -> str:
    return " / ".join(part for part in parts if part)
