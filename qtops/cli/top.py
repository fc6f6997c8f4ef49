"""`qtops top`: the gates at work, live in a terminal or once in a pipe."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.spans import parse_span
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.audits.top import Cell as ViewCell
    from qtops.audits.top import Pane, Surroundings, TopView

app = command_group()

SCHEMA = "qtops.top/v1"


@app.command()
def top(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="One reading as text; what a pipe always gets.")
    ] = False,
    interval: Annotated[str, typer.Option(help="How often to read.")] = "1s",
) -> None:
    """Gates, streams, positions, switches and the last decisions, live.

    Keys: q quits, p pauses, r reads now, left and right or 1 to 5 change the table, ? is help.

    Example: qtops top --interval 2s

    Exit codes: 0 shown; 1 error; 64 usage.
    """
    import asyncio

    env = current()
    interval_ms = parse_span(interval, "--interval")
    is_terminal = env.host.stdin.isatty() and env.host.stdout.isatty()
    if once or env.options.json or not is_terminal:
        _emit_view(env, asyncio.run(_view_once(env)))
        return
    _live(env, interval_ms)


async def _view_once(env: AppContext) -> "TopView":
    from qtops.audits.top import view_of
    from qtops.wiring.operator import top_source

    async with top_source(env.settings(), env.host.clock) as source:
        return view_of(await source.read(), _surroundings(env))


def _live(env: AppContext, interval_ms: int) -> None:
    from qtops.audits.top import view_of
    from qtops.cli.top_app import TopApp
    from qtops.wiring.operator import top_source

    async def views() -> "TopView":
        # A connection of its own each time: one that died shows at once and hinders nobody.
        async with top_source(env.settings(), env.host.clock) as source:
            return view_of(await source.read(), _surroundings(env))

    env.settings()  # what is wrong with them is said before the screen is taken
    shown = TopApp(views, interval_ms / 1000, env.settings().entry("QTOPS_REDIS_URL").shown)
    shown.run()
    env.emitted = True
    env.exit_code = ExitCode(shown.return_code or 0)


def _surroundings(env: AppContext) -> "Surroundings":
    from qtops.audits.switch_files import read_switch_files
    from qtops.audits.top import Caps, Surroundings

    settings = env.settings()
    flag = settings.text("QTOPS_ESS_FLAG")
    return Surroundings(
        Caps(
            settings.integer("GOV_MAX_OPEN_POSITIONS"),
            settings.decimal("GOV_MAX_TOTAL_NOTIONAL_USDT"),
        ),
        settings.text("QTOPS_NAMESPACE"),
        env.host.environ,
        read_switch_files(env.host.etc_dir, env.host.cwd / flag if flag else None),
    )


def _emit_view(env: AppContext, view: "TopView") -> None:
    from qtops.contracts.codec import fmt_instant

    payload: dict[str, Any] = {
        "trading_state": view.state.text,
        "summary": view.summary,
        "observed_at": fmt_instant(view.at_ms),
    }
    for pane in view.panes:
        names = [name.replace(" ", "_").replace("/", "_per_") for name in pane.columns]
        rows = [dict(zip(names, (cell.text for cell in row), strict=True)) for row in pane.rows]
        payload[pane.name] = {"note": pane.note, "rows": rows}

    def text(out: Printer) -> None:
        context = env.settings().entry("QTOPS_REDIS_URL").shown
        out.verdict(_mark(view.state), view.state.text, view.summary, context)
        for pane in view.panes:
            _print_pane(out, pane)

    emit(env, CommandResult(SCHEMA, view.state.text, ExitCode.OK, payload, text))


def _print_pane(out: Printer, pane: "Pane") -> None:
    note = f": {pane.note}" if pane.note else ""
    out.line(f"{pane.name}{note}", Mark.DIM)
    if pane.rows:
        columns = [Column(name, "right" if name in pane.right else "left") for name in pane.columns]
        out.table(columns, [[_cell(cell) for cell in row] for row in pane.rows])


def _cell(cell: "ViewCell") -> Cell:
    mark = _mark(cell)
    return cell.text if mark is None else Tinted(cell.text, mark)


def _mark(cell: "ViewCell") -> Mark | None:
    return None if cell.status is None else Mark(cell.status.value)
