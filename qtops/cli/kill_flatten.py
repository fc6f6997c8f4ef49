"""`qtops kill on --flatten`: the stop first, then every position closed and proven flat."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtops.cli.context import AppContext
from qtops.cli.operator import emit_dry_run
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.errors import ExitCode, QtopsError, RedisError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtops.ports import ControlReading, ControlStore, SendingOrder
    from qtops.proofs.flatten import Flattening, FlattenVenue
    from qtops.settings.model import Settings

SCHEMA = "qtops.kill.flatten/v1"
NEXT = "qtops kill on --flatten"
_CODES = {
    "flat": ExitCode.OK,
    "not_flat": ExitCode.NO_PROOF,
    "unknown": ExitCode.ERROR,
}
_MARKS = {"flat": Mark.OK, "not_flat": Mark.FAIL, "unknown": Mark.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Halt:
    """The switch as it stands. `at_s` is the event loop's time at which that was known."""

    epoch: str
    at_s: float
    was_set: bool


def halt_and_flatten(
    env: AppContext, by: str, reason: str, *, yes: bool, timeout_s: float, ledger: bool
) -> None:
    """HALTED at once and without asking; the question is about the closing alone."""
    halt = asyncio.run(_halt_now(env, by, reason))
    env.notice(f"HALTED, epoch {halt.epoch}: no automated order leaves")
    try:
        _confirm(env, yes=yes)
        found = asyncio.run(_flatten(env, halt, timeout_s))
    except QtopsError as error:
        error.message = f"HALTED is set, epoch {halt.epoch}; positions are as they were: " + (
            error.message
        )
        raise
    recorded = _record(env, found, halt, by, reason) if ledger else None
    _emit(env, found, halt, by, recorded)


async def _halt_now(env: AppContext, by: str, reason: str) -> Halt:
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        return await halt(store, by, reason)


async def halt(store: "ControlStore", by: str, reason: str) -> Halt:
    """HALTED. A halt that is on record stands: its epoch names the orders of a closing cut short.

    A new one would give them new names, and what the first had sent would not be recognised.
    """
    from qtops.audits.stop_switches import is_halted_on_record
    from qtops.contracts.vocabulary import TradingState

    loop = asyncio.get_running_loop()
    with suppress(RedisError):  # what cannot be read can perhaps still be set
        reading = await store.read()
        if is_halted_on_record(reading):
            return Halt(reading.epoch or "0", loop.time(), was_set=True)
    change = await store.set_kill(TradingState.HALTED, by, reason)
    return Halt(str(change.epoch), loop.time(), was_set=False)


def _confirm(env: AppContext, *, yes: bool) -> None:
    """Real money is confirmed by typing, as in `proof exit`; --yes does not replace that."""
    from qtops.contracts.environment import environment_of

    url = env.settings().text("QTOPS_EXCHANGE_URL")
    venue = environment_of(url)
    question = f"Close every position of the account at {url}, reduce-only, at market?"
    try:
        if venue.is_play_money:
            env.confirm(question, yes=yes)
        else:
            env.confirm_typed(f"REAL MONEY. {question}", venue.value)
    except RefusedError as error:
        asked = error.message.replace(", nothing was changed", "")
        raise RefusedError(asked, hint=f"{NEXT}, on a terminal or with --yes") from error


async def _flatten(env: AppContext, halt: Halt, timeout_s: float) -> "Flattening":
    from qtops.wiring import open_venue
    from qtops.wiring.operator import control_store

    settings = env.settings()
    venue = open_venue(settings)
    try:
        async with control_store(settings) as store:
            return await flatten_account(env, halt, timeout_s, venue, store)
    finally:
        await venue.aclose()


async def flatten_account(
    env: AppContext, halt: Halt, timeout_s: float, venue: "FlattenVenue", store: "ControlStore"
) -> "Flattening":
    """Everything closed, or as far as it went in `timeout_s`."""
    from qtops.proofs.flatten import FlattenRequest, flatten

    settings = env.settings()
    request = FlattenRequest(
        namespace=settings.text("QTOPS_NAMESPACE"),
        epoch=halt.epoch,
        killed_at_s=halt.at_s,
        timeout_s=timeout_s,
        symbols=settings.names("INTENT_EXECUTOR_ALLOWLIST"),
        on_their_way=_OnTheirWay(env, venue, store),
    )
    return await flatten(request, venue)


class _OnTheirWay:
    """Orders that may still land; where Redis does not say, one that may until the last fence."""

    def __init__(self, env: AppContext, venue: "FlattenVenue", store: "ControlStore") -> None:
        self._env = env
        self._venue = venue
        self._store = store
        self._last_fence_ms = 0

    async def __call__(self) -> "Sequence[SendingOrder]":
        from qtops.audits.permits import Budget
        from qtops.audits.stop_switches import SWEEP_MS, orders_on_their_way
        from qtops.gates.execution import CLOCK_BOUND_MS
        from qtops.ports import SendingOrder

        if not self._last_fence_ms:
            window_ms = self._venue.recv_window_ms + CLOCK_BOUND_MS
            self._last_fence_ms = self._venue.timestamp_ms() + window_ms
        unseen = SendingOrder("UNKNOWN", "", self._last_fence_ms)
        try:
            budget = Budget(self._env.host.clock, SWEEP_MS)
            orders, is_partial = await orders_on_their_way(self._store, budget)
        except RedisError:
            return [unseen]
        return [*orders, unseen] if is_partial else orders


def emit_flatten_dry_run(
    env: AppContext,
    reading: "ControlReading",
    change: "tuple[Any, dict[str, tuple[Any, Any]], str]",
) -> None:
    """The switch's change, and the orders that positions as they are now would need."""
    from qtops.audits.stop_switches import is_halted_on_record

    sends = asyncio.run(_sends(env.settings()))
    if is_halted_on_record(reading):
        emit_dry_run(env, SCHEMA, None, {}, "", sends)
    else:
        emit_dry_run(env, SCHEMA, *change, sends)


async def _sends(settings: "Settings") -> list[str]:
    from qtops.contracts.values import fmt_decimal
    from qtops.proofs.flatten_plan import closes_of
    from qtops.wiring import open_venue

    venue = open_venue(settings)
    try:
        positions = await venue.positions(urgent=True)
        orders = await venue.open_orders()
        closes, rest = closes_of(positions, await venue.filters() if positions else {})
    finally:
        await venue.aclose()
    cancels = [f"cancel {order.symbol} order {order.order_id}" for order in orders]
    sends = [
        f"{close.side.value} {fmt_decimal(quantity)} {close.symbol} MARKET reduce-only"
        for close in closes
        for quantity in close.quantities
    ]
    stays = [f"{left.symbol} {fmt_decimal(left.amount)} stays: {left.why}" for left in rest]
    return [*cancels, *sends, *stays]


def _record(
    env: AppContext, found: "Flattening", halt: Halt, by: str, reason: str
) -> dict[str, Any]:
    """One entry of the ledger; that it failed must not hide what was done."""
    from qtops.cli.ledger_options import open_ledger
    from qtops.cli.ledger_record import Recording, record
    from qtops.ledger.evidence import Wanted

    status = status_of(found)
    ids = [order.order_id for order in found.orders.values()]
    values = {
        "operation_name": NEXT.removeprefix("qtops "),
        "requested_by": by,
        "objective": reason or "stop trading and close every position",
        "risk_class": "SERVICE_RESTART",
        "blast_radius": "trading is halted, every position of the account is closed",
        "changes_summary": f"{status}; {len(found.before)} positions, {len(ids)} orders, "
        f"epoch {halt.epoch}",
        "outcome": "SUCCESS" if found.flat else "PARTIAL",
        "notes": "order ids: " + (", ".join(ids) or "none"),
    }
    try:
        done = record(env, open_ledger(env, None), values, Wanted(cwd=env.host.cwd), Recording())
    except QtopsError as error:
        env.warn(f"the ledger has no entry: {error.message}")
        return {"operation_id": None, "error": error.message}
    return {"operation_id": done.entry["operation_id"]}


def status_of(found: "Flattening") -> str:
    """`flat`, `not_flat`, or `unknown` where the exchange did not say at the end."""
    if found.error:
        return "unknown"
    return "flat" if found.flat else "not_flat"


def _emit(
    env: AppContext, found: "Flattening", halt: Halt, by: str, recorded: dict[str, Any] | None
) -> None:
    status = status_of(found)
    payload = {
        "trading_state": "HALTED",
        "epoch": halt.epoch,
        "was_halted": halt.was_set,
        "by": by,
        **payload_of(found),
    }
    if recorded is not None:
        payload["ledger"] = recorded

    def text(out: Printer) -> None:
        out.verdict(
            _MARKS[status], status.replace("_", " "), _sentence(found), f"epoch {halt.epoch}"
        )
        if payload["symbols"]:
            columns = [Column("symbol"), Column("before", "right"), Column("after", "right")]
            columns += [Column("filled", "right"), Column("orders", shrink=True)]
            out.table(columns, [_row(row) for row in payload["symbols"]])
        _print_findings(out, found)

    emit(env, CommandResult(SCHEMA, status, _CODES[status], payload, text))


def payload_of(found: "Flattening") -> dict[str, Any]:
    """The result by symbol: before, after (None: not known), and the orders that did it."""
    from qtops.contracts.values import ZERO

    symbols = sorted({*found.before, *(order.symbol for order in found.orders.values())})
    after = found.after
    return {
        "flat": found.flat,
        "time_to_last_order_ms": found.time_to_last_order_ms,
        "time_to_flat_ms": found.time_to_flat_ms,
        "symbols": [
            {
                "symbol": symbol,
                "before": found.before.get(symbol, ZERO),
                "after": None if after is None else after.get(symbol, ZERO),
                "orders": [o for o in found.orders.values() if o.symbol == symbol],
            }
            for symbol in symbols
        ],
        "cancelled": found.cancelled,
        "open_orders": found.still_open,
        "remainders": found.rest,
        "may_still_land": found.waiting,
        "faults": found.faults,
        "error": found.error,
    }


def _sentence(found: "Flattening") -> str:
    if found.error:
        return f"the exchange did not say at the end: {found.error}"
    last = found.time_to_last_order_ms
    words = "not known" if last is None else f"{last:,} ms after the kill" if last else "none"
    if found.time_to_flat_ms is None:
        left = f"{len(found.after or {})} of {len(found.before)} positions are left"
        return f"{left}; late orders {words}"
    if not found.before:
        return f"there was no position; late orders {words}"
    seconds = f"{found.time_to_flat_ms / 1000:.2f} s"
    return f"{len(found.before)} positions closed {seconds} after the kill; late orders {words}"


def _row(row: dict[str, Any]) -> list[Any]:
    from qtops.contracts.values import fmt_decimal

    filled = sum(order.filled for order in row["orders"])
    ids = ", ".join(order.order_id for order in row["orders"])
    after = "UNKNOWN" if row["after"] is None else fmt_decimal(row["after"])
    return [row["symbol"], fmt_decimal(row["before"]), after, fmt_decimal(filled), ids or None]


def _print_findings(out: Printer, found: "Flattening") -> None:
    from qtops.contracts.values import fmt_decimal

    for left in found.rest:
        text = f"{left.symbol} {fmt_decimal(left.amount)} stays open: {left.why}"
        out.finding(Mark.FAIL, text, NEXT)
    for order in found.waiting:
        text = f"order {order.client_order_id or '?'} of plan {order.plan_id} may still land"
        out.finding(Mark.FAIL, text, NEXT)
    if found.still_open:
        out.finding(Mark.FAIL, f"{found.still_open} resting orders could not be cancelled", NEXT)
    for fault in found.faults:
        out.finding(Mark.WARN, fault)
    if found.orders:
        text = "our book still holds these positions: the position gate reports them for reconcile"
        out.finding(Mark.WARN, text)
    if not found.flat:
        out.finding(Mark.FAIL, "the account is not proven flat", NEXT)
