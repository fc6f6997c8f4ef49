"""`qtops proof universe` and `proof allowlist`: which symbols are tradable, and on whose word."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import current
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted, counted
from qtops.cli.remote import Reads
from qtops.cli.spans import span
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.proofs.universe import ReaderList, UniverseProof

_SAMPLE = 20
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Make them commands of `app`."""
    app.command("universe", cls=Reads)(universe)
    app.command("allowlist", cls=Reads)(allowlist)


def universe() -> None:
    """Which symbols the exchange lists as tradable, how old that is, and whether it is believed.

    Only reads. Where the exchange answers, the active list is held against it.

    Example: qtops proof universe

    Exit codes: 0 fresh and valid; 2 stale, absent or unreadable; 1 error; 64 usage.
    """
    import asyncio

    from qtops.wiring.universe import prove_universe

    env = current()
    proof = asyncio.run(prove_universe(env.settings()))
    is_good = not proof.faults
    code = ExitCode.OK if is_good else ExitCode.UNHEALTHY
    context = env.settings().entry("QTOPS_REDIS_URL").shown

    def text(out: Printer) -> None:
        _print_universe(out, proof, context)

    status = "fresh" if is_good else "not_fresh"
    emit(env, CommandResult("qtops.proof.universe/v1", status, code, _payload(proof), text))


def _payload(proof: "UniverseProof") -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant
    from qtops.contracts.facts import Known

    served, meta, taken = proof.served, proof.meta, proof.taken
    return {
        "tier": taken.value.tier.value if isinstance(taken, Known) else None,
        "count": len(served.symbols) if served else None,
        "age_ms": proof.age_ms,
        "observed_at": fmt_instant(served.observed_at_ms) if served else None,
        "venue": meta.venue if meta else None,
        "stale": meta.stale if meta else None,
        "reason": meta.reason if meta else None,
        "faults": list(proof.faults),
        "symbols": sorted(served.symbols) if served else [],
        "exchange": "answered" if isinstance(proof.listed, Known) else proof.listed.why,
        "differences": {
            name: pair and {"only_active": pair[0], f"only_{name}": pair[1]}
            for name, pair in proof.differences.items()
        },
    }


def _print_universe(out: Printer, proof: "UniverseProof", context: str) -> None:
    from qtops.contracts.facts import Missing

    mark, word = (Mark.FAIL, "not fresh") if proof.faults else (Mark.OK, "fresh")
    out.verdict(mark, word, _summary(proof), context)
    for fault in proof.faults:
        out.finding(Mark.FAIL, fault, "qtops run universe")
    if proof.served is not None:
        names = sorted(proof.served.symbols)
        more = f" … {len(names) - _SAMPLE:,} more with --json" if len(names) > _SAMPLE else ""
        out.line(" ".join(names[:_SAMPLE]) + more)
    if isinstance(proof.listed, Missing):
        out.finding(Mark.WARN, f"not held against the exchange: {proof.listed.why}")
    for name, pair in proof.differences.items():
        if pair is not None:
            out.line(_difference(name, *pair))


def _summary(proof: "UniverseProof") -> str:
    if proof.served is None or proof.age_ms is None:
        return "no list is stored"
    venue = f" from {proof.meta.venue}" if proof.meta else ""
    return f"{counted(len(proof.served.symbols), 'symbol')}{venue}, {span(proof.age_ms)} old"


def _difference(name: str, only_active: list[str], only_there: list[str]) -> str:
    if not only_active and not only_there:
        return f"{name}: the same symbols"
    gone = f"{counted(len(only_active), 'symbol')} only in active{_first(only_active)}"
    new = f"{counted(len(only_there), 'symbol')} only in {name}{_first(only_there)}"
    return f"{name}: {gone}; {new}"


def _first(names: list[str]) -> str:
    return f" ({' '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''})" if names else ""


def allowlist(
    *,
    symbol: Annotated[
        str | None, typer.Option(help="Whether this symbol may be opened, and why.")
    ] = None,
) -> None:
    """From which source each reader takes its allowlist: universe active, last_ok, or its own list.

    Only reads, with the settings of this environment: a service may run with others. A list says
    what may be opened; the executor's own list also holds reductions, as does P33_ALLOWLIST
    while the position gate takes it.

    Example: qtops proof allowlist --symbol TRXUSDT

    Exit codes: 0 every reader has symbols (with --symbol: lets it open); 2 one has not; 1 error; 64
    usage.
    """
    import asyncio

    from qtops.wiring.universe import reader_lists

    env = current()
    wanted = None if symbol is None else _symbol(symbol)
    readers = asyncio.run(reader_lists(env.settings()))
    refusing = [one for one in readers if not _lets(one, wanted)]
    code = ExitCode.UNHEALTHY if refusing else ExitCode.OK
    context = env.settings().entry("QTOPS_REDIS_URL").shown
    payload = {"symbol": wanted, "readers": [_reader_payload(one, wanted) for one in readers]}

    def text(out: Printer) -> None:
        _print_readers(out, readers, refusing, wanted, context)

    status = "refused" if refusing else "tradable"
    emit(env, CommandResult("qtops.proof.allowlist/v1", status, code, payload, text))


def _symbol(raw: str) -> str:
    from qtops.contracts.values import parse_symbol

    try:
        return parse_symbol(raw, "--symbol")
    except DecodeError as error:
        raise UsageError(error.message) from error


def _lets(one: "ReaderList", symbol: str | None) -> bool:
    return bool(one.symbols) if symbol is None else one.verdict(symbol)[0]


def _reader_payload(one: "ReaderList", symbol: str | None) -> dict[str, Any]:
    head = {
        "reader": one.reader,
        "tier": one.tier.value,
        "source": one.source,
        "count": len(one.symbols),
        "skipped": one.skipped,
    }
    if symbol is None:
        return head | {"symbols": sorted(one.symbols)}
    tradable, why = one.verdict(symbol)
    return head | {"tradable": tradable, "why": why}


def _print_readers(
    out: Printer,
    readers: list["ReaderList"],
    refusing: list["ReaderList"],
    symbol: str | None,
    context: str,
) -> None:
    names = ", ".join(one.reader for one in refusing)
    if refusing:
        what = f"{symbol} may not be opened" if symbol else "nothing may be opened"
        out.verdict(Mark.FAIL, "refused", f"{what}: {names}", context)
    else:
        what = f"every reader lets {symbol} open" if symbol else "every reader has symbols"
        out.verdict(Mark.OK, "tradable", what, context)
    columns = [Column("reader"), Column("tier"), Column("symbols", "right"), Column("source")]
    rows: list[list[Cell]] = [
        [one.reader, one.tier.value, len(one.symbols), one.source] for one in readers
    ]
    if symbol is not None:
        columns.append(Column(symbol))
        for one, row in zip(readers, rows, strict=True):
            allowed, why = one.verdict(symbol)
            row.append(Tinted(why, Mark.OK if allowed else Mark.FAIL))
    out.table(columns, rows)
    for skipped in sorted({one.skipped for one in readers if one.skipped}):
        out.line(f"not taken: {skipped}", Mark.DIM)
