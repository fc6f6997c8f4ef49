"""`qtops config`: which settings are in force and where each came from."""

from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.remote import Reads
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.settings.model import Entry, Settings

app = command_group()


@app.command("show", cls=Reads)
def show(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Only these settings.", show_default=False),
    ] = None,
    *,
    only_changed: Annotated[
        bool,
        typer.Option("--only-changed", help="Leave out what has its default."),
    ] = False,
) -> None:
    """Each setting's value and where it came from, secrets masked.

    Example: qtops config show --only-changed

    Exit codes: 0 shown; 1 a setting or file is wrong; 64 no such setting.
    """
    env = current()
    settings = env.settings()
    entries = [settings.entry(name) for name in names] if names else list(settings.items())
    shown = [entry for entry in entries if not (only_changed and entry.is_default)]
    unread = [] if names else list(settings.unread)
    changed = sum(not entry.is_default for entry in entries)
    payload = {"settings": [_row(entry) for entry in shown], "unread": unread}

    def text(out: Printer) -> None:
        out.verdict(Mark.OK, f"{len(entries)} settings", f"{changed} not at their default")
        columns = [Column("name"), Column("value", shrink=True), Column("origin", shrink=True)]
        out.table(columns, [_cells(entry) for entry in shown])
        if unread:
            out.finding(Mark.UNKNOWN, f"set, but nothing here reads: {', '.join(unread)}")

    emit(env, CommandResult("qtops.config/v1", "ok", ExitCode.OK, payload, text))


@app.command("path")
def path() -> None:
    """Which settings files were looked at, weakest first, and which are there.

    Example: qtops config path

    Exit codes: 0 shown; 1 a file is wrong.
    """
    env = current()
    files = _files(env.settings())
    present = sum(is_there for _, is_there in files)
    payload = {"files": [{"path": place, "present": is_there} for place, is_there in files]}

    def text(out: Printer) -> None:
        out.verdict(Mark.OK, f"{present} of {len(files)} settings files present")
        rows: list[list[Cell]] = [
            [place, "read" if is_there else Tinted("absent", Mark.DIM)] for place, is_there in files
        ]
        out.table([Column("file"), Column("state")], rows)

    emit(env, CommandResult("qtops.config.path/v1", "ok", ExitCode.OK, payload, text))


def _files(settings: "Settings") -> tuple[tuple[str, bool], ...]:
    return settings.files


def _row(entry: "Entry") -> dict[str, str]:
    return {"name": entry.setting.name, "value": entry.shown, "origin": entry.origin}


def _cells(entry: "Entry") -> list[Cell]:
    origin: Cell = Tinted(entry.origin, Mark.DIM) if entry.is_default else entry.origin
    return [entry.setting.name, entry.shown, origin]
