"""`qtops proof chain`: exits that ran their whole course. `qtops.cli.proof` adds it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.cli.remote import Reads
from qtops.cli.spans import parse_span
from qtops.errors import DecodeError, ExitCode, UsageError, VenueError

if TYPE_CHECKING:
    from qtops.proofs.exit_chain import Chain, ChainFilter

SCHEMA = "qtops.proof.chain/v1"


@dataclass(frozen=True, slots=True)
class ChainReading:
    """Chains of one window. `exchange` is `agrees`, or why it was not asked, or could not be."""

    now_ms: int
    since_ms: int
    chains: "list[Chain]"
    unreadable: int
    exchange: str

    @property
    def is_proven(self) -> bool:
        return bool(self.chains) and all(chain.is_complete for chain in self.chains)


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("chain", cls=Reads)(chain)


def chain(
    *,
    plan_id: Annotated[str | None, typer.Option("--plan-id", help="Only this plan.")] = None,
    order_id: Annotated[
        str | None, typer.Option("--order-id", help="Only this order: the exchange's id or ours.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    since: Annotated[str, typer.Option(help="How far back.")] = "1h",
) -> None:
    """Whether each exit was published, sent without margin check, executed and filled.

    Joined by plan and order, held against its result and against the exchange.

    Example: qtops proof chain --since 1h

    Exit codes: 0 every chain is complete; 3 none, or one is not; 1 error; 64 usage.
    """
    import asyncio

    env = current()
    wanted = _filter(plan_id, order_id, symbol)
    reading = asyncio.run(read_chains(env, wanted, parse_span(since, "--since")))
    code = ExitCode.OK if reading.is_proven else ExitCode.NO_PROOF
    status = "complete" if reading.is_proven else "incomplete" if reading.chains else "none"

    def text(out: Printer) -> None:
        _print(out, reading, since)

    emit(env, CommandResult(SCHEMA, status, code, payload_of(reading), text))


def _filter(plan_id: str | None, order_id: str | None, symbol: str | None) -> "ChainFilter":
    from qtops.contracts.values import parse_symbol
    from qtops.proofs.exit_chain import ChainFilter

    try:
        name = None if symbol is None else parse_symbol(symbol, "--symbol")
    except DecodeError as error:
        raise UsageError(error.message) from error
    return ChainFilter(plan_id, order_id, name)


async def read_chains(env: AppContext, wanted: "ChainFilter", window_ms: int) -> ChainReading:
    """The chains of the window; each complete one is looked up at the exchange, given a key."""
    from qtops.contracts.exit_event import ExitEvent
    from qtops.contracts.registry import Stream
    from qtops.contracts.result import Result
    from qtops.proofs.exit_chain import join_chains
    from qtops.wiring import has_exchange_key
    from qtops.wiring.operator import permit_source

    settings = env.settings()
    async with permit_source(settings) as source:
        now_ms = await source.now_ms()
        start_ms = now_ms - window_ms
        events, bad = await _parsed(source, Stream.EXIT_EVENTS, start_ms, ExitEvent)
        results, _ = await _parsed(source, Stream.APPLY_RESULT, start_ms, Result)
    joined = join_chains(events, {result.plan_id: result for result in results})
    chains = [chain for chain in joined if wanted.takes(chain)]
    if not has_exchange_key(settings):
        return ChainReading(now_ms, start_ms, chains, bad, "not asked: no exchange key is set")
    try:
        chains = await _at_the_exchange(env, chains)
    except VenueError as error:
        return ChainReading(now_ms, start_ms, chains, bad, f"not reached: {error.message}")
    return ChainReading(now_ms, start_ms, chains, bad, "asked")


async def _parsed(source: Any, stream: Any, start_ms: int, parser: Any) -> tuple[list[Any], int]:
    """(messages oldest first, how many entries could not be read)."""
    from qtops.contracts.codec import decode_fields

    found: list[Any] = []
    bad = 0
    async for page in source.since(stream, start_ms):
        for _, raw in page:
            try:
                found.append(parser.from_fields(decode_fields(raw)))
            except DecodeError:
                bad += 1
    return found[::-1], bad


async def _at_the_exchange(env: AppContext, chains: "list[Chain]") -> "list[Chain]":
    from qtops.proofs.exit_chain import venue_faults
    from qtops.wiring.operator import exchange_reader

    checked: list[Chain] = []
    async with exchange_reader(env.settings()) as venue:
        if chains:
            await venue.sync_clock()
        for chain in chains:
            faults = chain.faults
            if chain.is_complete:
                order = await venue.find_order(chain.symbol, chain.client_order_id)
                faults = tuple(venue_faults(chain, order))
            checked.append(replace(chain, faults=faults))
    return checked


def payload_of(reading: ChainReading) -> dict[str, Any]:
    """The reading as JSON."""
    from qtops.contracts.codec import fmt_instant

    return {
        "since": fmt_instant(reading.since_ms),
        "timestamp": fmt_instant(reading.now_ms),
        "proven": reading.is_proven,
        "counts": {
            "chains": len(reading.chains),
            "complete": sum(chain.is_complete for chain in reading.chains),
            "unreadable_events": reading.unreadable,
        },
        "exchange": reading.exchange,
        "chains": [
            {
                "plan_id": chain.plan_id,
                "symbol": chain.symbol,
                "client_order_id": chain.client_order_id,
                "order_id": chain.order_id or None,
                "complete": chain.is_complete,
                "faults": list(chain.faults),
                "steps": [
                    {"marker": e.marker, "at": fmt_instant(e.at_ms), "details": dict(e.details)}
                    for e in chain.events
                ],
            }
            for chain in reading.chains
        ],
    }


def _print(out: Printer, reading: ChainReading, since: str) -> None:
    counts = payload_of(reading)["counts"]
    mark = Mark.OK if reading.is_proven else Mark.FAIL
    words = "proven" if reading.is_proven else "not proven"
    said = f"{counts['complete']} of {counts['chains']} exits complete in {since}"
    out.verdict(mark, words, said, f"exchange {reading.exchange}")
    for chain in reading.chains:
        first_ms = chain.events[0].at_ms
        steps = "  ".join(f"{e.marker} +{e.at_ms - first_ms} ms" for e in chain.events)
        order = f"order {chain.order_id or 'none'}"
        out.line(f"{chain.symbol}  {order}  {chain.plan_id}")
        out.line(f"  {steps}", Mark.DIM)
        for fault in chain.faults:
            out.finding(Mark.FAIL, fault, f"qtops trace {chain.plan_id}")
    if reading.unreadable:
        out.finding(Mark.WARN, f"events that cannot be read: {reading.unreadable}")
