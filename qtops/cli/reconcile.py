"""`qtops reconcile`: how our books stand against the exchange, and an operator's verdict on one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.operator import emit_dry_run, said, who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.cli.remote import ReadsRedis
from qtops.errors import DecodeError, ExitCode, RefusedError, UnhealthyError, UsageError

if TYPE_CHECKING:
    from decimal import Decimal

    from qtops.contracts.reconcile import ReconcileEvent
    from qtops.ports import BookReading, SymbolReading

app = command_group()

SCHEMA = "qtops.reconcile.status/v1"
ADOPT_SCHEMA = "qtops.reconcile.adopt/v1"
STALE_MS = 30_000
_NO_STORE = "run `qtops reconcile status` and decide again"


@app.command("status", cls=ReadsRedis)
def status(
    *,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
) -> None:
    """How each book stands against the exchange, as reconcile last saw it, and who holds what.

    Example: qtops reconcile status --symbol BTCUSDT

    Exit codes: 0 every symbol agrees; 2 one does not, or reconcile has not looked; 1 error.
    """
    import asyncio

    env = current()
    reading = asyncio.run(_read(env, _symbol(symbol) if symbol else None))
    rows = [_row(name, row, reading.now_ms) for name, row in reading.symbols.items()]
    bad = [row for row in rows if row["state"] not in {"OK", "REPAIRED"} or row["stale"]]
    code = ExitCode.UNHEALTHY if bad or not rows else ExitCode.OK
    word = "ok" if code is ExitCode.OK else "degraded"

    def text(out: Printer) -> None:
        mark = Mark.OK if code is ExitCode.OK else Mark.FAIL
        told = f"{len(rows) - len(bad)} of {len(rows)} books agree with the exchange"
        if not rows:
            told = "reconcile has looked at nothing: qtops run reconcile"
        out.verdict(mark, word, told)
        titles = [Column("symbol"), Column("state"), Column("exchange", "right")]
        titles += [Column("book", "right"), Column("hold"), Column("reason")]
        out.table(titles, [_cells(row) for row in rows])
        for row in bad:
            if row["evidence"]:
                out.line(f"{row['symbol']}: {row['evidence']}")

    emit(env, CommandResult(SCHEMA, word, code, {"symbols": rows}, text))


@app.command("adopt")
def adopt(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take the exchange's position as our book, on the record. Asks first.

    Example: qtops reconcile adopt BTCUSDT --reason "closed by hand" --yes

    Exit codes: 0 adopted; 1 error; 2 book or exchange moved meanwhile; 4 refused; 64 usage.
    """
    import asyncio

    env = current()
    name, who, why = _symbol(symbol), who_asks(env, by), said(reason, "--reason")
    if not why:
        raise UsageError("--reason: say why the exchange is right", hint="--reason TEXT")
    reading, amount = asyncio.run(_both(env, name))
    row = reading.symbols[name]
    event = _event(name, row, amount, who, why, reading.now_ms)
    if dry_run:
        _emit_dry_run(env, event)
        return
    where = env.settings().entry("QTOPS_REDIS_URL").shown
    question = f"The book of {name} goes from {_said(event.book)} to {_said(amount)} on {where}."
    env.confirm(f"{question} Go on?", yes=yes)
    asyncio.run(_adopt(env, reading, event))
    payload = {"dry_run": False, **event.to_fields()}

    def text(out: Printer) -> None:
        told = f"the book of {name} is {_said(amount)}, was {_said(event.book)}; by {who}"
        out.verdict(Mark.OK, "adopted", told)

    emit(env, CommandResult(ADOPT_SCHEMA, "adopted", ExitCode.OK, payload, text))


def _symbol(word: str) -> str:
    from qtops.contracts.values import parse_symbol

    try:
        return parse_symbol(word)
    except DecodeError as error:
        raise UsageError(error.message) from error


async def _read(env: AppContext, symbol: str | None) -> "BookReading":
    from qtops.wiring.operator import reconcile_store

    async with reconcile_store(env.settings()) as store:
        symbols = [symbol] if symbol else sorted(await store.symbols())
        return await store.read(symbols)


async def _both(env: AppContext, symbol: str) -> "tuple[BookReading, Decimal]":
    """The book, then the exchange's position: a fill in between makes the change fail later."""
    from qtops.contracts.values import ZERO
    from qtops.wiring.operator import exchange_reader

    reading = await _read(env, symbol)
    async with exchange_reader(env.settings()) as venue:
        rows = await venue.positions(symbol)
    if any(row.position_side != "BOTH" and row.amount != ZERO for row in rows):
        raise RefusedError(
            f"{symbol} is held in hedge mode; a book has one side only",
            hint="close it by hand and switch to one-way mode",
        )
    return reading, sum((row.amount for row in rows), ZERO)


async def _adopt(env: AppContext, reading: "BookReading", event: "ReconcileEvent") -> None:
    from qtops.contracts.values import ZERO
    from qtops.ports import Rebook
    from qtops.wiring.operator import reconcile_store

    _, amount = await _both(env, event.symbol)
    if amount != event.exchange:
        raise UnhealthyError(f"the position of {event.symbol} moved meanwhile", hint=_NO_STORE)
    row = reading.symbols[event.symbol]
    change = Rebook(event.symbol, row, event.exchange or ZERO, reading.now_ms, "operator", event)
    async with reconcile_store(env.settings()) as store:
        why = await store.rebook(change)
    if why == "in_flight":
        raise UnhealthyError(f"an order of {event.symbol} is in flight", hint="wait, then repeat")
    if why:
        raise UnhealthyError(f"the book of {event.symbol} moved meanwhile", hint=_NO_STORE)


def _event(
    name: str, row: "SymbolReading", amount: "Decimal", by: str, reason: str, at_ms: int
) -> "ReconcileEvent":
    from qtops.contracts.reconcile import ReconcileEvent, ReconcileState

    return ReconcileEvent(
        symbol=name,
        state=ReconcileState.OK,
        previous=row.standing.state.value if row.standing else "",
        reason=f"adopted: {reason}",
        exchange=amount,
        book=row.book.amount if row.book else None,
        by=by,
        at_ms=at_ms,
        evidence=row.standing.evidence if row.standing else "",
    )


def _emit_dry_run(env: AppContext, event: "ReconcileEvent") -> None:
    from qtops.contracts.registry import Key, Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    key = names.key(Key.BOOK, symbol=event.symbol)
    keys = {key: (_said(event.book), _said(event.exchange))}
    stream = names.stream(Stream.RECONCILE_EVENTS)
    emit_dry_run(env, ADOPT_SCHEMA, event, keys, stream)


def _row(name: str, row: "SymbolReading", now_ms: int) -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    standing, hold = row.standing, row.hold
    head = {"symbol": name, "book": None if row.book is None else _said(row.book.amount)}
    if standing is None:
        gone = {"state": "UNKNOWN", "exchange": None, "reason": "reconcile has not looked"}
        return head | gone | {"stale": True, "seen_at": None, "evidence": "", "hold": None}
    held = None
    if hold is not None:
        held = {**hold.to_fields(), "expires_at": fmt_instant(hold.expires_at_ms)}
    # The book is of now, the exchange's side of the last look: a fill may lie between them.
    has_moved = row.book is not None and row.book.amount != standing.book
    moved = "the book moved since the look" if has_moved else ""
    return head | {
        "state": standing.state.value,
        "exchange": _said(standing.exchange),
        "reason": standing.reason or moved,
        "stale": now_ms - standing.seen_at_ms > STALE_MS,
        "seen_at": fmt_instant(standing.seen_at_ms),
        "evidence": standing.evidence,
        "hold": held,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    hold = row["hold"]
    held = f"{hold['owner']} until {hold['expires_at'][11:19]}" if hold else "-"
    reason = row["reason"] + (f" (last seen {row['seen_at']})" if row["stale"] else "")
    shown = [row["exchange"] or "-", row["book"] or "none"]
    return [row["symbol"], row["state"], *shown, held, reason or "-"]


def _said(amount: "Decimal | None") -> str:
    from qtops.contracts.values import fmt_decimal

    return "none" if amount is None else fmt_decimal(amount)
