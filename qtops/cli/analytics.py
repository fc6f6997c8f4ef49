"""`qtops analytics`: what the service of that name has counted."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from qtops.cli.context import current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, counted
from qtops.cli.remote import ReadsRedis
from qtops.cli.spans import span
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.analytics import Window
    from qtops.ports.analytics import Standing
    from qtops.settings.model import Settings

app = command_group()

SCHEMA: Final = "qtops.analytics/v1"
_SHOWN_LEGS: Final = ("permits", "exchange", "total")


@app.command(cls=ReadsRedis)
def analytics(
    *,
    window: Annotated[str, typer.Option(help="Of the decisions: 1m, 5m, 15m or 1h.")] = "15m",
    symbol: Annotated[
        str | None, typer.Option(help="Only this symbol's executions and fills.")
    ] = None,
) -> None:
    """Decisions by reason, execution quality, profit and fees by symbol and source.

    Example: qtops analytics --window 1h --symbol BTCUSDT

    Exit codes: 0 shown; 1 error; 64 usage.
    """
    import asyncio

    from qtops.contracts.analytics import WINDOWS_MS, Histogram

    env = current()
    if window not in WINDOWS_MS:
        raise UsageError(f"--window {window[:20]!r}: give one of {', '.join(WINDOWS_MS)}")
    chosen = _symbol(symbol)
    found = asyncio.run(_read(env.settings(), chosen))
    histogram = found.progress.histogram if found.progress else Histogram()
    decided = histogram.window(window, found.now_ms)
    status = "counted" if found.progress else "never_run"

    def text(out: Printer) -> None:
        _print_decisions(out, found, decided, window)
        _print_executions(out, found)
        _print_attributions(out, found)

    payload = _payload(found, decided, window)
    emit(env, CommandResult(SCHEMA, status, ExitCode.OK, payload, text))


def _symbol(symbol: str | None) -> str:
    from qtops.contracts.values import parse_symbol

    try:
        return "" if symbol is None else parse_symbol(symbol, "--symbol")
    except DecodeError as error:
        raise UsageError(error.message) from error


async def _read(settings: "Settings", symbol: str) -> "Standing":
    from qtops.wiring.operator import analytics_reader

    async with analytics_reader(settings) as reader:
        return await reader.standing(symbol)


def _print_decisions(out: Printer, found: "Standing", decided: "Window", window: str) -> None:
    if found.progress is None:
        out.verdict(Mark.WARN, "never run", "nothing was counted yet")
        out.hint("qtops run analytics")
        return
    counts = decided.counts()
    words = f"{counts['allow']} allowed, {counts['deny']} denied"
    out.verdict(Mark.OK, "counted", f"last {window}: {words}", _age(found))
    gates = sorted({name.partition(":")[0] for name in counts if ":" in name})
    rows: list[list[Cell]] = [
        [gate, str(counts.get(f"{gate}:allow", 0)), str(counts.get(f"{gate}:deny", 0))]
        for gate in gates
    ]
    if rows:
        out.table([Column("gate"), Column("allowed", "right"), Column("denied", "right")], rows)
    for reason, number in decided.reasons().items():
        out.line(f"{number:>6}  {reason}")


def _age(found: "Standing") -> str:
    """How far behind it may be, by the newest decision that it has counted."""
    newest = _newest_ms(found)
    if newest is None:
        return "no decision counted"
    return f"newest decision {span(found.now_ms - newest)} ago"


def _newest_ms(found: "Standing") -> int | None:
    from qtops.contracts.registry import Stream

    cursors = found.progress.cursors if found.progress else {}
    entry_id = cursors.get(Stream.GATE_DECISION.value.name)
    return int(entry_id.partition("-")[0]) if entry_id else None


def _print_executions(out: Printer, found: "Standing") -> None:
    if not found.executions:
        return
    columns = [Column("symbol"), Column("executions", "right"), Column("slippage bps", "right")]
    columns += [Column("p95", "right"), *(Column(f"{leg} p50/p95", "right") for leg in _SHOWN_LEGS)]
    rows: list[list[Cell]] = []
    for symbol, execution in found.executions.items():
        figures = execution.figures()
        slippage = [figures.get(f"slippage_bps_{name}") for name in ("mean", "p95")]
        legs = [_leg(figures, leg) for leg in _SHOWN_LEGS]
        rows.append([symbol, str(execution.count), *slippage, *legs])
    out.table(columns, rows)


def _leg(figures: dict[str, str], leg: str) -> str | None:
    if f"{leg}_us_p50" not in figures:
        return None
    p50, p95 = (int(figures[f"{leg}_us_p{rank}"]) / 1000 for rank in (50, 95))
    return f"{p50:.1f}/{p95:.1f} ms"


def _print_attributions(out: Printer, found: "Standing") -> None:
    if not found.attributions:
        return
    columns = [Column("symbol"), Column("source", shrink=True), Column("fills", "right")]
    columns += [Column(f"{name} USDT", "right") for name in ("turnover", "realised", "fees")]
    rows: list[list[Cell]] = []
    for (symbol, source), sums in found.attributions.items():
        amounts = (sums.turnover_usdt, sums.realised_pnl_usdt, sums.fees_usdt)
        rows.append([symbol, source, str(sums.fills), *(f"{amount:.4f}" for amount in amounts)])
    out.table(columns, rows)
    elsewhere = sum(sums.fees_elsewhere for sums in found.attributions.values())
    if elsewhere:
        fills = counted(elsewhere, "fill")
        out.finding(Mark.WARN, f"{fills} paid the fee in another asset; it is not in the sum")


def _payload(found: "Standing", decided: "Window", window: str) -> dict[str, Any]:
    newest = _newest_ms(found)
    return {
        "window": window,
        "newest_decision_age_ms": None if newest is None else found.now_ms - newest,
        "decisions": decided.counts(),
        "reasons": decided.reasons(),
        "executions": [
            {"symbol": symbol, "count": execution.count, **execution.figures()}
            for symbol, execution in found.executions.items()
        ],
        "attribution": [
            {"symbol": symbol, "source": source, **sums.to_fields()}
            for (symbol, source), sums in found.attributions.items()
        ],
    }
