"""`qtops proof order-id`: results that name the exchange's order. `qtops.cli.proof` adds it."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer
from qtops.cli.remote import ReadsRedis
from qtops.cli.spans import span
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.proofs.order_id import Match, OrderFilter, OrderProof

SCHEMA = "qtops.proof.order-id/v1"
MAX_ROWS = 10


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("order-id", cls=ReadsRedis)(order_id)


def order_id(
    *,
    count: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="How many of the newest results to read.")
    ] = 400,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan-id", "--plan_id", help="Only this plan.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="When there is none yet, wait for the first.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=86_400, help="Seconds that --follow waits.")
    ] = 120.0,
) -> None:
    """Whether orders really happened: newest results that are executed and name an order.

    Example: qtops proof order-id --symbol TRXUSDT

    Exit codes: 0 found; 3 none; 1 error; 64 usage.
    """
    import asyncio

    env = current()
    filters = _filters(symbol, plan_id)
    if math.isnan(timeout):  # it slips through a range
        raise UsageError("--timeout: not a number")
    started = env.host.clock.monotonic_ms()
    proof = asyncio.run(_prove(env, filters, count, timeout if follow else None))
    took = span(int(env.host.clock.monotonic_ms() - started))
    context = f"{env.settings().entry('QTOPS_REDIS_URL').shown}  {took}"
    status, code = ("found", ExitCode.OK) if proof.is_found else ("not_found", ExitCode.NO_PROOF)

    def text(out: Printer) -> None:
        _print(out, proof, context)

    emit(env, CommandResult(SCHEMA, status, code, _payload(proof, count), text))


def _filters(symbol: str | None, plan_id: str | None) -> "OrderFilter":
    from qtops.contracts.values import parse_symbol
    from qtops.proofs.order_id import OrderFilter

    try:
        return OrderFilter(None if symbol is None else parse_symbol(symbol, "--symbol"), plan_id)
    except DecodeError as error:
        raise UsageError(error.message) from error


async def _prove(
    env: AppContext, filters: "OrderFilter", count: int, follow_s: float | None
) -> "OrderProof":
    from qtops.proofs.order_id import prove_orders
    from qtops.wiring.operator import result_source

    async with result_source(env.settings()) as source:
        with env.progress("results") as progress:
            return await prove_orders(
                source, filters, count=count, follow_s=follow_s, step=progress.step
            )


def _payload(proof: "OrderProof", count: int) -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    matches = [_match_payload(match) for match in proof.matches]
    return {
        "timestamp": fmt_instant(proof.now_ms),
        "proof_found": proof.is_found,
        "executed_true_count": len(matches),
        "distinct_orders": len({match.order_id for match in proof.matches}),
        "executed_without_order_id": proof.without_order_id,
        "contradictory": proof.contradictory,
        "filters": {"symbol": proof.filters.symbol, "plan_id": proof.filters.plan_id},
        "search_params": {"count": count, "entries_checked": proof.entries_checked},
        "last_match": matches[0] if matches else None,
        "matches": matches,
    }


def _match_payload(match: "Match") -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    return {
        "entry_id": match.entry_id,
        "timestamp": fmt_instant(match.timestamp_ms),
        "plan_id": match.plan_id,
        "symbol": match.symbol,
        "executed": True,
        "order_id": match.order_id,
        "client_order_id": match.client_order_id,
        "side": match.side,
        "quantity": match.quantity,
        "filled_quantity": match.filled_quantity,
        "order_status": match.order_status,
        "source": match.source,
        "found_in": match.found_in,
    }


def _print(out: Printer, proof: "OrderProof", context: str) -> None:
    checked = f"{proof.entries_checked:,} results"
    if proof.is_found:
        age = span(proof.now_ms - proof.matches[0].entry_ms)
        detail = f"{len(proof.matches):,} of {checked} name an order, newest {age} ago"
        out.verdict(Mark.OK, "proof found", detail, context)
        out.table(_COLUMNS, [_row(match, proof.now_ms) for match in proof.matches[:MAX_ROWS]])
        if (more := len(proof.matches) - MAX_ROWS) > 0:
            out.line(f"{more:,} more with --json", Mark.DIM)
    else:
        out.verdict(Mark.FAIL, "no proof", f"none of {checked} names an order", context)
        out.hint("qtops proof order-id --follow")
    _print_findings(out, proof)


def _print_findings(out: Printer, proof: "OrderProof") -> None:
    if proof.without_order_id:
        out.finding(Mark.WARN, f"executed without an order id: {proof.without_order_id:,}")
    if proof.contradictory:
        out.finding(Mark.WARN, f"both executed and not executed: {proof.contradictory:,}")


_COLUMNS = [
    Column("order"),
    Column("symbol"),
    Column("side"),
    Column("filled", "right"),
    Column("status"),
    Column("age", "right"),
    Column("plan", shrink=True),
]


def _row(match: "Match", now_ms: int) -> list[Cell]:
    words = (match.order_id, match.symbol, match.side, match.filled_quantity, match.order_status)
    cells: list[Cell] = [word or None for word in words]
    return [*cells, span(now_ms - match.entry_ms), match.plan_id or None]
