"""Every stop switch operators know: its value, who honours it, what it does not cover."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from qtops.audits.permits import Budget
from qtops.audits.switch_files import SwitchFiles
from qtops.contracts.breakers import BreakerState
from qtops.contracts.control import (
    KILL_WIRE,
    LEGACY_SWITCHES,
    LEGACY_VARIABLES,
    WHOLE_ROLLOUT_PCT,
    Mode,
    mode_admits,
    parse_kill,
    parse_rollout,
)
from qtops.contracts.environment import Environment
from qtops.contracts.registry import Key, Service
from qtops.contracts.vocabulary import TradingState
from qtops.errors import DecodeError
from qtops.ports import ControlReading, ControlStore, SendingOrder

SWEEP_MS: Final = 5_000
COMMANDS: Final = {
    TradingState.ACTIVE: "off",
    TradingState.REDUCING: "reduce",
    TradingState.HALTED: "on",
}
_NOT_STOPPING: Final = frozenset({"", "0", "false", "no", "off", "none", "active", "normal"})


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One switch. `honoured_by` empty: nobody here."""

    switch: str
    value: str
    honoured_by: tuple[str, ...]
    does_not_cover: str
    is_set: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the switches that an operator must know, and the command that settles it."""

    text: str
    next_command: str = ""


@dataclass(slots=True)
class Board:
    """The trading state, who set it, and all switches."""

    state: TradingState
    why: str  # how the state follows when the key does not say it
    epoch: str
    by: str = ""
    since_ms: int | None = None
    reason: str = ""
    rows: list[SwitchRow] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    breakers: BreakerState | None = None


def trading_state(raw: str | None) -> tuple[TradingState, str]:
    """(state, why). Absent and unreadable are HALTED."""
    if raw is None:
        return TradingState.HALTED, "not set"
    try:
        return parse_kill(raw), ""
    except DecodeError:
        return TradingState.HALTED, f"unreadable: {raw[:20]!r}"


def admitted_venues(mode: str) -> list[str]:
    """The kinds of venue that orders may go to under this mode."""
    return [venue.value for venue in Environment if mode_admits(mode, venue)]


def rollout_pct(raw: str | None) -> int | None:
    """Per cent of the symbols that automated plans may open; None when it cannot be read."""
    if raw is None:
        return WHOLE_ROLLOUT_PCT
    try:
        return parse_rollout(raw)
    except DecodeError:
        return None


def is_halted_on_record(reading: ControlReading) -> bool:
    """HALTED by a change that began the epoch that holds: every permit from before is void."""
    state = trading_state(reading.kill)
    return state == (TradingState.HALTED, "") and _is_on_record(reading)


def read_board(
    reading: ControlReading,
    environ: Mapping[str, str],
    namespace: str,
    files: SwitchFiles = SwitchFiles(),  # noqa: B008  it is immutable
) -> Board:
    """Pure. `environ` is searched for the original's variables only."""
    state, why = trading_state(reading.kill)
    board = Board(state, why, reading.epoch or "0")
    _attribute(board, reading)
    board.breakers = _breakers(reading)
    board.rows = [
        _kill_row(reading, namespace),
        _mode_row(reading, namespace),
        _lane_row(reading, namespace),
        _rollout_row(reading, namespace),
        *_pause_rows(reading, namespace),
        *_legacy_rows(reading, environ, namespace, files),
    ]
    _warn_of_legacy(board)
    for place in files.unread:
        board.remarks.append(Remark(f"UNKNOWN: {place} could not be read for stop switches"))
    if rollout_pct(reading.rollout) is None:
        text = "the rollout cannot be read: no automated plan opens anything"
        board.remarks.append(Remark(text, "qtops rollout set 100 --reason '…'"))
    if reading.manual_lane is not None and reading.manual_lane_ttl_ms < 0:
        lane = f"{namespace}:{Key.MANUAL_LANE.value.template}"
        board.remarks.append(Remark(f"{lane} does not expire: the manual lane stays open"))
    return board


def _attribute(board: Board, reading: ControlReading) -> None:
    """Who set the switch, if the record is about the value and epoch that hold now."""
    record = reading.record
    if not record:
        return
    if not _is_on_record(reading):
        text = "the switch was changed behind qtops' back: nobody is on record, permits stay valid"
        board.remarks.append(Remark(text, f"qtops kill {COMMANDS[board.state]} --reason '…'"))
        return
    at_ms = record.get("at_ms", "")
    board.by, board.reason = record.get("by", ""), record.get("reason", "")
    board.since_ms = int(at_ms) if at_ms.isdecimal() else None


def _is_on_record(reading: ControlReading) -> bool:
    """Whether the record is about the value and the epoch that hold now."""
    record = reading.record
    same_value = record.get("value") == (reading.kill or "").strip().lower()
    return same_value and record.get("epoch") == (reading.epoch or "")


def _breakers(reading: ControlReading) -> BreakerState | None:
    """Their last look, None where none can be read."""
    try:
        return BreakerState.from_fields(reading.breakers) if reading.breakers else None
    except DecodeError:
        return None


def _readers(key: Key) -> tuple[str, ...]:
    return tuple(service.value for service in key.value.readers)


def _kill_row(reading: ControlReading, namespace: str) -> SwitchRow:
    return SwitchRow(
        f"{namespace}:{Key.KILL.value.template}",
        reading.kill if reading.kill is not None else "not set",
        tuple(name for name in _readers(Key.KILL) if name != Service.BREAKERS.value),
        "orders already sent, manual reductions",
        is_set=trading_state(reading.kill)[0] is not TradingState.ACTIVE,
    )


def _mode_row(reading: ControlReading, namespace: str) -> SwitchRow:
    venues = ", ".join(admitted_venues(reading.mode or "")) or "no venue"
    return SwitchRow(
        f"{namespace}:{Key.MODE.value.template}",
        reading.mode if reading.mode is not None else "not set",
        _readers(Key.MODE),
        f"orders to {venues}",
        is_set=(reading.mode or "").strip().upper() == Mode.DRY_RUN,
    )


def _lane_row(reading: ControlReading, namespace: str) -> SwitchRow:
    is_open = (reading.manual_lane or "").strip() == "1"
    return SwitchRow(
        f"{namespace}:{Key.MANUAL_LANE.value.template}",
        "open" if is_open else "closed",
        _readers(Key.MANUAL_LANE),
        "automated plans",
        is_set=not is_open,
    )


def _rollout_row(reading: ControlReading, namespace: str) -> SwitchRow:
    pct = rollout_pct(reading.rollout)
    return SwitchRow(
        f"{namespace}:{Key.ROLLOUT.value.template}",
        reading.rollout if reading.rollout is not None else "not set",
        _readers(Key.ROLLOUT),
        f"reductions, manual plans, opens in {pct or 0} % of the symbols",
        is_set=pct != WHOLE_ROLLOUT_PCT,
    )


def _pause_rows(reading: ControlReading, namespace: str) -> list[SwitchRow]:
    """The lease that quiets the bridge, while somebody holds it."""
    if reading.bridge_pause is None:
        return []
    ttl_ms = reading.bridge_pause_ttl_ms
    life = f"{ttl_ms / 1000:.1f} s left" if ttl_ms >= 0 else "does not expire"
    return [
        SwitchRow(
            f"{namespace}:{Key.BRIDGE_PAUSE.value.template}",
            f"{reading.bridge_pause}, {life}",
            _readers(Key.BRIDGE_PAUSE),
            "plans already published, plans of others",
            is_set=True,
        )
    ]


def _legacy_rows(
    reading: ControlReading, environ: Mapping[str, str], namespace: str, files: SwitchFiles
) -> list[SwitchRow]:
    """What of the original's is lying around; none of it stops anything here."""
    found = [
        (f"{namespace}:{switch.name}", reading.legacy[switch.name], switch.once_read_by)
        for switch in LEGACY_SWITCHES
        if switch.name in reading.legacy
    ]
    found += [
        (switch.name, environ[switch.name], switch.once_read_by)
        for switch in LEGACY_VARIABLES
        if switch.name in environ
    ]
    found += [(switch.name, switch.value, switch.once_read_by) for switch in files.found]
    return [
        SwitchRow(
            name,
            value,
            (),
            f"everything (once read by {reader})",
            is_set=value.strip().lower() not in _NOT_STOPPING,
        )
        for name, value, reader in found
    ]


def _warn_of_legacy(board: Board) -> None:
    """A set switch that stops nothing is dangerous while orders may leave."""
    if board.state is TradingState.HALTED:
        return
    for row in board.rows:
        if row.is_set and not row.honoured_by:
            text = f"{row.switch} is set, but nobody here honours it; state is {board.state.value}"
            board.remarks.append(Remark(text, "qtops kill on"))


def kill_value(state: TradingState) -> str:
    """How the state is written."""
    return KILL_WIRE[state]


async def orders_on_their_way(
    store: ControlStore, budget: Budget
) -> tuple[list[SendingOrder], bool]:
    """Orders that were past the last look at the switch, and whether the search was cut short."""
    found: list[SendingOrder] = []
    async for page in budget.spend_on(store.sending(), "sending"):
        found += page
    return found, bool(budget.cut)
