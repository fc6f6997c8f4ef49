"""The live view as panes of text: pure, so that a terminal and a pipe show the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from qtops.audits.health import graded
from qtops.audits.stop_switches import Board, read_board
from qtops.audits.switch_files import SwitchFiles
from qtops.audits.trace_hops import LABELS
from qtops.contracts.codec import decode_fields, fmt_instant, fmt_span
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Missing, Portfolio, Position
from qtops.contracts.health import Status
from qtops.contracts.registry import GATE_SERVICES, HEARTBEAT_TTL_S
from qtops.contracts.snapshot import side_of
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vitals import GroupVitals
from qtops.contracts.vocabulary import TradingState
from qtops.errors import DecodeError
from qtops.ports import StreamEntry
from qtops.ports.top import TopReading

PLAIN: Final = None
_TONES: Final = {TradingState.ACTIVE: Status.OK, TradingState.REDUCING: Status.WARN}
_LATE_MS: Final = 10_000  # two heartbeats missed
_LAG: Final = (100, 1000)  # entries: warning, failure
_NEAR: Final = Decimal("0.8")  # of a cap
_TIME: Final = slice(11, 19)  # hh:mm:ss of an instant


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, and the state that colours it; the text says it, too."""

    text: str
    status: Status | None = PLAIN


@dataclass(frozen=True, slots=True)
class Pane:
    """One table of the view. `right` are the columns of numbers."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    right: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Caps:
    """The governor's limits of everything that is open."""

    positions: int
    notional_usdt: Decimal


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the view needs besides Redis: limits, and where switches may stand."""

    caps: Caps
    namespace: str
    environ: Mapping[str, str] = field(default_factory=dict)
    files: SwitchFiles = field(default_factory=SwitchFiles)


@dataclass(frozen=True, slots=True)
class TopView:
    """The trading state, one line of figures, and the panes."""

    at_ms: int
    state: Cell
    summary: str
    panes: Sequence[Pane]


def view_of(reading: TopReading, around: Surroundings) -> TopView:
    """Everything that was read, judged only where a limit is known."""
    board = read_board(reading.control, around.environ, around.namespace, around.files)
    positions, used = _positions(reading, around.caps)
    minute = [record for record in map(_record, reading.minute) if record]
    allowed = sum(record.allow for record in minute)
    more = " or more" if reading.is_cut else ""
    summary = f"{allowed} allowed, {len(minute) - allowed} refused in 60 s{more}; {used}"
    panes = (
        _gates(reading, minute),
        _streams(reading),
        positions,
        _switches(board),
        _decisions(reading.newest),
    )
    state = Cell(board.state.value, _TONES.get(board.state, Status.FAIL))
    return TopView(reading.vitals.now_ms, state, summary, panes)


def _gates(reading: TopReading, minute: Sequence[DecisionRecord]) -> Pane:
    """Every service's heartbeat, and what each gate decided in the last minute."""
    columns = ("service", "heartbeat", "allowed/min", "refused/min")
    right = frozenset(columns[2:])
    beats = reading.vitals.beats
    if isinstance(beats, Missing):
        return Pane("gates", columns, (), f"heartbeats: {beats.why}", right)
    outcomes = Counter((record.gate, record.allow) for record in minute)
    gates = {service: gate for gate, service in GATE_SERVICES.items()}
    rows = []
    for beat in beats:
        gate = gates.get(beat.service)
        counts = [outcomes[gate.value, allow] for allow in (True, False)] if gate else []
        cells = [Cell(str(count)) for count in counts] or [Cell(""), Cell("")]
        rows.append((Cell(beat.service.value), _beat(beat.ttl_ms), *cells))
    return Pane("gates", columns, rows, right=right)


def _beat(ttl_ms: int | None) -> Cell:
    """A beat that never expires proves nothing."""
    if ttl_ms is None:
        return Cell("none", Status.FAIL)
    if ttl_ms < 0:
        return Cell("never expires", Status.FAIL)
    age_ms = max(0, HEARTBEAT_TTL_S * 1000 - ttl_ms)
    return Cell(f"{fmt_span(age_ms)} ago", Status.WARN if age_ms >= _LATE_MS else Status.OK)


def _streams(reading: TopReading) -> Pane:
    columns = ("stream", "read by", "length", "lag", "pending", "oldest pending")
    right = frozenset(columns[2:])
    groups = reading.vitals.groups
    if isinstance(groups, Missing):
        return Pane("streams", columns, (), f"streams: {groups.why}", right)
    rows = [tuple(_stream_row(group)) for group in groups if group.exists or group.length]
    note = "" if rows else "no stream has an entry or a reader yet"
    return Pane("streams", columns, rows, note, right)


def _stream_row(group: GroupVitals) -> Iterator[Cell]:
    yield Cell(group.stream.value.name)
    yield Cell(group.service.value) if group.exists else Cell("nobody", Status.FAIL)
    yield Cell(str(group.length))
    lag = group.lag
    yield Cell("?", Status.UNKNOWN) if lag is None else Cell(str(lag), graded(lag, *_LAG))
    yield Cell(str(group.pending))
    age_ms = group.oldest_pending_age_ms
    yield Cell("" if age_ms is None else fmt_span(age_ms))


def _positions(reading: TopReading, caps: Caps) -> tuple[Pane, str]:
    """The pane, and how much of the caps is used in words."""
    columns = ("symbol", "side", "amount", "entry", "mark", "notional USDT")
    right = frozenset(columns[2:])
    known = reading.portfolio
    if isinstance(known, Missing):
        words = f"positions {known.why}"
        return Pane("positions", columns, (), words, right), words
    used = _used(known.value, caps)
    age = fmt_span(max(0, reading.vitals.now_ms - known.observed_at_ms))
    rows = [_position_row(symbol, position) for symbol, position in known.value.positions.items()]
    return Pane("positions", columns, rows, f"{used}, {age} old", right), used


def _used(portfolio: Portfolio, caps: Caps) -> str:
    total = sum((abs(p.amount * p.mark_price) for p in portfolio.positions.values()), ZERO)
    count = len(portfolio.positions)
    is_near = total >= caps.notional_usdt * _NEAR or count >= caps.positions * _NEAR
    words = f"{count} of {caps.positions} positions, {total:.0f} of {caps.notional_usdt:f} USDT"
    over = total > caps.notional_usdt or count > caps.positions
    return f"{words} (over the cap)" if over else f"{words} (near the cap)" if is_near else words


def _position_row(symbol: str, position: Position) -> tuple[Cell, ...]:
    notional = abs(position.amount * position.mark_price)
    prices = (fmt_decimal(position.entry_price), fmt_decimal(position.mark_price))
    texts = (symbol, side_of(position.amount), fmt_decimal(position.amount), *prices)
    return (*map(Cell, texts), Cell(f"{notional:.2f}"))


def _switches(board: Board) -> Pane:
    """The kill board: what is set, and who honours it."""
    rows = [
        (
            Cell(row.switch),
            Cell(row.value),
            Cell("set", Status.WARN) if row.is_set else Cell("not set"),
            Cell(", ".join(row.honoured_by) or "nobody"),
        )
        for row in board.rows
    ]
    since = f" since {fmt_instant(board.since_ms)}" if board.since_ms else ""
    said = " ".join(filter(None, [board.why, board.by and f"by {board.by}", board.reason]))
    note = f"{board.state.value}{since} {said}".strip()
    return Pane("switches", ("switch", "value", "stops", "honoured by"), rows, note)


def _decisions(entries: Sequence[StreamEntry]) -> Pane:
    rows = [
        (
            Cell(fmt_instant(int(entry[0].partition(b"-")[0]))[_TIME]),
            *_decision_cells(_record(entry)),
        )
        for entry in entries
    ]
    columns = ("time", "gate", "symbol", "decision", "reason", "plan")
    return Pane("decisions", columns, rows, "" if rows else "no gate has decided anything yet")


def _decision_cells(record: DecisionRecord | None) -> tuple[Cell, ...]:
    if record is None:
        return (Cell("?"), Cell(""), Cell("unreadable", Status.UNKNOWN), Cell(""), Cell(""))
    labels = {gate.value: text for gate, text in LABELS.items()}
    said = Cell("allow", Status.OK) if record.allow else Cell("refuse", Status.FAIL)
    gate = Cell(labels.get(record.gate, record.gate))
    return (gate, Cell(record.symbol), said, Cell(record.reason), Cell(record.plan_id))


def _record(entry: StreamEntry) -> DecisionRecord | None:
    try:
        record = DecisionRecord.from_fields(decode_fields(entry[1]))
    except DecodeError:
        return None
    return record
