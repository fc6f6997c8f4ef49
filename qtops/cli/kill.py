"""`qtops kill`: the one switch that stops orders, and the board of every switch there is."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.operator import emit_dry_run, read_control, said, who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.remote import Reads
from qtops.cli.spans import parse_span, span
from qtops.errors import ExitCode, RedisError, RefusedError, UsageError

if TYPE_CHECKING:
    from qtops.audits.stop_switches import Board, SwitchRow
    from qtops.contracts.control import ControlChange
    from qtops.contracts.vocabulary import TradingState
    from qtops.ports import ControlReading, SendingOrder

app = command_group()

SCHEMA = "qtops.kill/v1"
STATUS_SCHEMA = "qtops.kill.status/v1"
_STATES = {"ACTIVE": Mark.OK, "REDUCING": Mark.WARN, "HALTED": Mark.FAIL}
_EFFECTS = {
    "ACTIVE": "orders may leave again",
    "REDUCING": "verified reductions only",
    "HALTED": "no automated order leaves",
}

Reason = Annotated[str, typer.Option(help="Why, for the record.")]
By = Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")]


@app.command("on")
def on(
    *,
    reason: Reason = "",
    by: By = None,
    flatten: Annotated[
        bool,
        typer.Option("--flatten", help="Then cancel all orders, close all positions, prove it."),
    ] = False,
    timeout: Annotated[str, typer.Option(help="How long closing may take.")] = "30s",
    ledger: Annotated[bool, typer.Option("--ledger", help="Record it in the ledger.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Stop: no automated order leaves. The stop never asks; with --flatten closing does.

    Orders that were past the last look at the switch are named; they may still arrive. --yes,
    --timeout and --ledger go with --flatten. On real money the question is typed, --yes or not.

    Example: qtops kill on --flatten --reason "wrong fills on TRXUSDT"

    Exit codes: 0 set, and with --flatten flat; 1 error; 3 not flat; 4 closing not confirmed; 64
    usage.
    """
    if not flatten:
        if yes or ledger or timeout != "30s":
            hint = "qtops kill on, or qtops kill on --flatten --yes"
            raise UsageError("--yes, --timeout and --ledger go with --flatten", hint=hint)
        _change("HALTED", reason, by, dry_run=dry_run)
        return
    import asyncio

    from qtops.cli.kill_flatten import emit_flatten_dry_run, halt_and_flatten
    from qtops.contracts.vocabulary import TradingState

    env = current()
    timeout_s = parse_span(timeout, "--timeout") / 1000
    who, why = who_asks(env, by), said(reason, "--reason")
    if dry_run:
        reading = asyncio.run(read_control(env))
        change = _planned_change(env, reading, TradingState.HALTED, who, why)
        emit_flatten_dry_run(env, reading, change)
        return
    halt_and_flatten(env, who, why, yes=yes, timeout_s=timeout_s, ledger=ledger)


@app.command("reduce")
def reduce(*, reason: Reason = "", by: By = None, dry_run: DryRun = False) -> None:
    """Only verified reductions leave; no position grows. Never asks.

    Example: qtops kill reduce --reason "latency spike"

    Exit codes: 0 set; 1 error; 64 usage.
    """
    _change("REDUCING", reason, by, dry_run=dry_run)


@app.command("off")
def off(*, reason: Reason = "", by: By = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Orders may leave again. Asks first.

    Example: qtops kill off --reason "feed is back" --yes

    Exit codes: 0 set; 1 error; 4 not confirmed; 64 usage.
    """
    _change("ACTIVE", reason, by, dry_run=dry_run, ask=not yes)


@app.command("status", cls=Reads)
def status() -> None:
    """Every stop switch: its value, who honours it, what it does not cover.

    Example: qtops kill status

    Exit codes: 0 ACTIVE; 2 REDUCING or HALTED, which not set is; 1 error.
    """
    import asyncio

    from qtops.audits.stop_switches import read_board
    from qtops.audits.switch_files import read_switch_files
    from qtops.contracts.vocabulary import TradingState

    env = current()
    reading = asyncio.run(read_control(env))
    flag = env.settings().text("QTOPS_ESS_FLAG")
    files = read_switch_files(env.host.etc_dir, env.host.cwd / flag if flag else None)
    namespace = env.settings().text("QTOPS_NAMESPACE")
    board = read_board(reading, env.host.environ, namespace, files)
    is_active = board.state is TradingState.ACTIVE
    code = ExitCode.OK if is_active else ExitCode.UNHEALTHY

    def text(out: Printer) -> None:
        _print_board(out, board, reading.now_ms)

    payload = _board_payload(board, reading)
    emit(env, CommandResult(STATUS_SCHEMA, board.state.value, code, payload, text))


def _change(state: str, reason: str, by: str | None, *, dry_run: bool, ask: bool = False) -> None:
    import asyncio

    from qtops.contracts.vocabulary import TradingState

    env = current()
    wanted = TradingState(state)
    who, why = who_asks(env, by), said(reason, "--reason")
    if dry_run:
        emit_dry_run(
            env, SCHEMA, *_planned_change(env, asyncio.run(read_control(env)), wanted, who, why)
        )
        return
    if ask:
        _confirm(env)
    change, orders, is_partial = asyncio.run(_set(env, wanted, who, why))
    _emit_change(env, change, wanted, orders, partial=is_partial)


def _confirm(env: AppContext) -> None:
    """Ask about the state as it is; if it changed meanwhile, the answer was to another question."""
    import asyncio

    from qtops.audits.stop_switches import trading_state

    before = asyncio.run(read_control(env))
    state, why = trading_state(before.kill)
    shown = f"{state.value} ({why})" if why else state.value
    where = env.settings().entry("QTOPS_REDIS_URL").shown
    env.confirm(f"Trading goes from {shown} to ACTIVE on {where}. Go on?", yes=False)
    after = asyncio.run(read_control(env))
    if (before.kill, before.epoch) != (after.kill, after.epoch):
        raise RefusedError(
            "the switch was changed while you were asked, nothing was done",
            hint="qtops kill status",
        )


async def _set(
    env: AppContext, state: "TradingState", by: str, reason: str
) -> "tuple[ControlChange, list[SendingOrder], bool]":
    """Write first; what may still leave is looked for afterwards."""
    from qtops.audits.permits import Budget
    from qtops.audits.stop_switches import SWEEP_MS, orders_on_their_way
    from qtops.contracts.vocabulary import TradingState
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        change = await store.set_kill(state, by, reason)
        if state is not TradingState.HALTED:
            return change, [], False
        try:
            budget = Budget(env.host.clock, SWEEP_MS)
            return change, *(await orders_on_their_way(store, budget))
        except RedisError as error:
            env.warn(f"the switch is set; orders on their way are not known: {error.message}")
            return change, [], True


def _planned_change(
    env: AppContext, reading: "ControlReading", state: "TradingState", by: str, reason: str
) -> "tuple[ControlChange, dict[str, tuple[Any, Any]], str]":
    """(the change, each key from what to what, the audit stream)."""
    from qtops.audits.stop_switches import kill_value
    from qtops.contracts.control import ControlChange
    from qtops.contracts.registry import Key, Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    old = reading.epoch
    epoch = int(old or 0) + 1 if (old or "0").isdecimal() else None
    value = kill_value(state)
    change = ControlChange("kill", value, reading.kill or "", by, reading.now_ms, reason, epoch)
    record = {name: text for name, text in change.to_fields().items() if name != "switch"}
    keys = {
        names.key(Key.KILL): (reading.kill, value),
        names.key(Key.KILL_EPOCH): (old, epoch),
        names.key(Key.KILL_RECORD): (dict(reading.record) or None, record),
    }
    return change, keys, names.stream(Stream.CONTROL_AUDIT)


def _emit_change(
    env: AppContext,
    change: "ControlChange",
    state: "TradingState",
    orders: "list[SendingOrder]",
    *,
    partial: bool,
) -> None:
    from qtops.audits.stop_switches import trading_state
    from qtops.contracts.codec import fmt_instant

    before, why = trading_state(change.previous or None)
    payload = {
        "dry_run": False,
        "trading_state": state,
        "value": change.value,
        "previous": {"trading_state": before, "value": change.previous or None},
        "epoch": change.epoch,
        "by": change.by,
        "at": fmt_instant(change.at_ms),
        "reason": change.reason,
        "sending": orders,
        "partial": partial,
    }

    def text(out: Printer) -> None:
        old = f"{before.value} ({why})" if why else before.value
        detail = f"was {old}; {_EFFECTS[state.value]}; epoch {change.epoch}, by {change.by}"
        out.verdict(Mark.OK, state.value, detail)
        _print_orders(out, orders, change.at_ms, partial=partial)

    emit(env, CommandResult(SCHEMA, state.value, ExitCode.OK, payload, text))


def _print_orders(
    out: Printer, orders: "list[SendingOrder]", now_ms: int, *, partial: bool
) -> None:
    for order in orders:
        left_ms = order.send_deadline_ms - now_ms
        fence = f"for {span(left_ms)} more" if left_ms > 0 else "and is not settled yet"
        out.finding(
            Mark.WARN,
            f"order {order.client_order_id or '?'} may have left {fence}; plan {order.plan_id}",
        )
    if partial:
        out.finding(Mark.UNKNOWN, "not every claim was looked at; more orders may have left")


def _board_payload(board: "Board", reading: "ControlReading") -> dict[str, Any]:
    from qtops.cli.kill_breakers import breakers_payload
    from qtops.contracts.codec import fmt_instant

    since = None if board.since_ms is None else fmt_instant(board.since_ms)
    return {
        "trading_state": board.state,
        "value": reading.kill,
        "why": board.why,
        "epoch": board.epoch,
        "by": board.by,
        "since": since,
        "reason": board.reason,
        "switches": [_row_payload(row) for row in board.rows],
        "remarks": [remark.text for remark in board.remarks],
        "breakers": None if board.breakers is None else breakers_payload(board.breakers),
    }


def _row_payload(row: "SwitchRow") -> dict[str, Any]:
    return {
        "switch": row.switch,
        "value": row.value,
        "set": row.is_set,
        "honoured_by": list(row.honoured_by),
        "does_not_cover": row.does_not_cover,
    }


def _print_board(out: Printer, board: "Board", now_ms: int) -> None:
    out.verdict(_STATES[board.state.value], board.state.value, _attribution(board, now_ms))
    columns = [Column("switch"), Column("value", shrink=True), Column("honoured by", shrink=True)]
    columns.append(Column("does not cover", shrink=True))
    out.table(columns, [_row(row) for row in board.rows])
    if board.breakers is not None:
        from qtops.cli.kill_breakers import print_breakers

        print_breakers(out, board.breakers, now_ms)
    for remark in board.remarks:
        out.finding(Mark.WARN, remark.text, remark.next_command)


def _attribution(board: "Board", now_ms: int) -> str:
    """`since 01:34:02 (4 min), by ops@host: "latency spike", epoch 7`, as far as it is known."""
    from qtops.contracts.codec import fmt_instant

    parts = [board.why] if board.why else []
    if board.since_ms is not None:
        clock = fmt_instant(board.since_ms)[:19].replace("T", " ")
        parts.append(f"since {clock} UTC ({span(now_ms - board.since_ms)})")
    if board.by:
        parts.append(f'by {board.by}: "{board.reason}"' if board.reason else f"by {board.by}")
    elif not board.why:
        parts.append("by nobody on record")
    return ", ".join([*parts, f"epoch {board.epoch}"])


def _row(row: "SwitchRow") -> list[Cell]:
    """The three gates together are called so; --json names each."""
    readers = ", ".join(row.honoured_by).replace("governor, portfolio-gate, position-gate", "gates")
    return [
        row.switch,
        row.value,
        readers or Tinted("nobody here", Mark.FAIL),
        row.does_not_cover,
    ]
