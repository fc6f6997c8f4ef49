"""`qtops trace`: why there was a trade, or none. The hops of a plan are printed by `trace_text`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Printer
from qtops.cli.remote import ReadsRedis
from qtops.cli.spans import parse_span, span
from qtops.cli.trace_text import print_lives, print_not_found, print_refusals
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.audits.permits import Budget
    from qtops.audits.refusals import Refusals
    from qtops.audits.trace import Life
    from qtops.audits.trace_records import PlanEntry, Records, TraceSource

app = command_group()

SCHEMA = "qtops.trace/v1"
REFUSALS_SCHEMA = "qtops.trace.refusals/v1"
DEFAULT_WINDOW = "1h"


class _Trace(ReadsRedis):
    """Through a tunnel the keys of this host would ask the exchange about another's account."""

    by_redis = ("--no-exchange",)


@app.command(cls=_Trace)
def trace(
    plan_id: Annotated[str | None, typer.Argument(metavar="[PLAN_ID]", help="One plan.")] = None,
    *,
    symbol: Annotated[str | None, typer.Option(help="The newest plans of this symbol.")] = None,
    order_id: Annotated[
        str | None,
        typer.Option("--order-id", "--order_id", help="The plan behind this order, either id."),
    ] = None,
    why_no_trade: Annotated[
        bool, typer.Option("--why-no-trade", help="Refusal reasons by gate; the default.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="How far back; 1h for --why-no-trade, all there is for --symbol."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Plans of --symbol to show.")] = 10,
    exchange: Annotated[
        bool | None,
        typer.Option(
            "--exchange/--no-exchange",
            help="Ask the exchange for the order; default: for one plan, if a key is configured.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also as one page, hops on a time line.")
    ] = None,
) -> None:
    """Why there was a trade, or none: a plan's life hop by hop, or refusal reasons by gate.

    Example: qtops trace --why-no-trade --since 1h

    Exit codes: 0 the life was found, or the window read; 3 no trace of such a plan; 1 error; 64
    usage.
    """
    import asyncio

    env = current()
    _refuse_two(plan_id, order_id, why_no_trade=why_no_trade, symbol=symbol)
    chosen = _symbol(symbol)
    started = env.host.clock.monotonic_ms()
    if why_no_trade or not (plan_id or symbol or order_id):
        window_ms = parse_span(since or DEFAULT_WINDOW, "--since")
        found = asyncio.run(_refusals(env, window_ms, chosen))
        _hand_over(env, _refusals_result(env, found, since or DEFAULT_WINDOW, started), html)
        return
    if since and not chosen:
        raise UsageError("--since is for --symbol and --why-no-trade")
    window_ms = parse_span(since, "--since") if since else 0
    wanted = Wanted(plan_id, chosen, order_id, window_ms, limit, exchange)
    _hand_over(env, _lives_result(env, wanted, asyncio.run(_lives(env, wanted)), started), html)


def _hand_over(env: AppContext, result: CommandResult, html: Path | None) -> None:
    """The answer, and before it the page: an answer that is out says that the page is there."""
    if html is not None:
        from qtops.cli.result_page import write_page

        write_page(env, result, html)
    emit(env, result)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plans the operator asked for. `window_ms` 0 is all that is left."""

    plan_id: str | None
    symbol: str
    order_id: str | None
    window_ms: int
    limit: int
    exchange: bool | None

    @property
    def words(self) -> str:
        if self.order_id is not None:
            return f"no result names order {self.order_id}"
        return f"no trace of plan {self.plan_id}" if self.plan_id else f"no plan of {self.symbol}"


def _refuse_two(*given: str | None, why_no_trade: bool, symbol: str | None) -> None:
    """One question at a time; --symbol may narrow --why-no-trade."""
    named = [word for word in (*given, symbol) if word is not None]
    if "" in named:
        raise UsageError("an empty plan id, symbol or order id")
    if len(named) > 1:
        raise UsageError("give one of PLAN_ID, --symbol, --order-id")
    if why_no_trade and any(given):
        raise UsageError("--why-no-trade is about a window; leave the plan or order out")


def _symbol(symbol: str | None) -> str:
    from qtops.contracts.values import parse_symbol

    try:
        return parse_symbol(symbol, "--symbol") if symbol else ""
    except DecodeError as error:
        raise UsageError(error.message) from error


async def _refusals(env: AppContext, window_ms: int, symbol: str) -> "Refusals":
    from qtops.audits.permits import Budget
    from qtops.audits.refusals import refusals_of
    from qtops.wiring.operator import trace_source

    async with trace_source(env.settings()) as source:
        budget = Budget(env.host.clock)
        return await refusals_of(source, budget, window_ms=window_ms, symbol=symbol)


async def _lives(env: AppContext, wanted: Wanted) -> "tuple[list[Life], frozenset[str]]":
    """The plans' lives, newest first, and the streams that were not read to their start."""
    from qtops.audits.permits import Budget
    from qtops.audits.trace import life_of
    from qtops.audits.trace_records import records_of
    from qtops.wiring.operator import trace_source

    async with trace_source(env.settings()) as source:
        budget = Budget(env.host.clock)
        plans = await _plans(source, budget, wanted)
        found = await records_of(source, budget, plans)
    found = [records for records in found if records.is_traced]
    found = await _with_exchange(env, wanted, found)
    return [life_of(records) for records in found], frozenset(budget.cut)


async def _plans(
    source: "TraceSource", budget: "Budget", wanted: Wanted
) -> "dict[bytes, Sequence[PlanEntry]]":
    from qtops.audits.trace_records import Selection, find_plans, plan_of_order

    start_ms = await source.now_ms() - wanted.window_ms if wanted.window_ms else 0
    if wanted.symbol:
        name = wanted.symbol.encode()
        chosen = Selection(lambda raw: raw.get(b"symbol", b"").upper() == name, wanted.limit)
        return dict(await find_plans(source, budget, replace(chosen, start_ms=start_ms)))
    plan_id = (wanted.plan_id or "").encode("utf-8", "surrogateescape")
    if wanted.order_id is not None:
        plan_id = await plan_of_order(source, budget, wanted.order_id) or b""
    if not plan_id:
        return {}
    chosen = Selection(lambda raw: raw.get(b"plan_id") == plan_id, start_ms=start_ms)
    return {plan_id: [], **await find_plans(source, budget, chosen)}


async def _with_exchange(
    env: AppContext, wanted: Wanted, found: "list[Records]"
) -> "list[Records]":
    from qtops.audits.trace_records import ExchangeView, ask_exchange
    from qtops.wiring import has_exchange_key
    from qtops.wiring.operator import exchange_reader

    settings = env.settings()
    has_key = has_exchange_key(settings)
    is_wanted = wanted.exchange if wanted.exchange is not None else has_key and not wanted.symbol
    if not found or not is_wanted:
        why = "" if has_key else ", no key is configured"
        view = ExchangeView(f"not asked{why}", was_asked=False)
        return [replace(records, exchange=view) for records in found]
    async with exchange_reader(settings) as venue:
        return [await ask_exchange(venue, records) for records in found]


def _lives_result(
    env: AppContext,
    wanted: Wanted,
    read: "tuple[list[Life], frozenset[str]]",
    started: float,
) -> CommandResult:
    lives, unread = read
    context = _context(env, started)
    partial = sorted(unread)

    def text(out: Printer) -> None:
        if lives:
            print_lives(out, lives, partial, context)
        else:
            print_not_found(out, wanted.words, partial, context)

    if not lives:
        status, code = "not_found", ExitCode.NO_PROOF
    else:
        status, code = lives[0].outcome.value, ExitCode.OK
    filters = {"plan_id": wanted.plan_id, "symbol": wanted.symbol, "order_id": wanted.order_id}
    payload = {
        "filters": {name: value or None for name, value in filters.items()},
        "plans": [_life_payload(life) for life in lives],
        "partial": bool(partial),
        "partial_figures": partial,
    }
    return CommandResult(SCHEMA, status, code, payload, text)


def _life_payload(life: "Life") -> dict[str, Any]:
    from qtops.audits.trace import verdict_of

    stop = life.first_break
    return {
        "plan_id": life.plan_id,
        "symbol": life.symbol,
        "outcome": life.outcome,
        "verdict": verdict_of(life),
        "first_break": stop.name if stop else None,
        "hops": [
            {
                "name": hop.name,
                "state": hop.state,
                "refused": hop.refused,
                "at_us": hop.at_us,
                "since_plan_us": life.since_plan_us(hop),
                "latency_us": hop.latency_us,
                "reason": hop.reason,
                "detail": hop.detail,
            }
            for hop in life.hops
        ],
    }


def _refusals_result(
    env: AppContext, found: "Refusals", window: str, started: float
) -> CommandResult:
    context = _context(env, started)
    status = "refused" if found.refused else "clear" if found.seen else "no_plans"
    payload = {
        "window": {"since": _instant(found.since_ms), "until": _instant(found.now_ms)},
        "symbol": found.symbol or None,
        "plans": len(found.seen),
        "refused": len(found.refused),
        "executed": len(found.executed),
        "undecided": len(found.undecided),
        "undecodable": found.undecodable,
        "refusals": [
            {
                "gate": row.gate,
                "reason": row.reason,
                "plans": row.plans,
                "first": _instant(row.first_ms),
                "last": _instant(row.last_ms),
                "example": row.example,
            }
            for row in found.rows
        ],
        "partial": bool(found.partial),
        "partial_figures": found.partial,
    }

    def text(out: Printer) -> None:
        print_refusals(out, found, window, context)

    return CommandResult(REFUSALS_SCHEMA, status, ExitCode.OK, payload, text)


def _instant(at_ms: int) -> str:
    from qtops.contracts.codec import fmt_instant

    return fmt_instant(at_ms)


def _context(env: AppContext, started: float) -> str:
    took_ms = int(env.host.clock.monotonic_ms() - started)
    return f"{env.settings().entry('QTOPS_REDIS_URL').shown}  {span(took_ms)}"
