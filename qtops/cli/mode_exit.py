"""`qtops mode exit`: whether the exit monitor publishes its exits, changed while it runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.operator import change_payload, emit_dry_run, read_control, said, who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.control import ControlChange
    from qtops.contracts.vocabulary import GateMode
    from qtops.ports import ControlReading

app = command_group()

SCHEMA = "qtops.mode.exit/v1"


@app.command("get")
def get() -> None:
    """The exit monitor's mode: the operator's word, or else the setting EXIT_MODE as seen here.

    Example: qtops mode exit get

    Exit codes: 0 shown; 2 it holds an unknown word, and the setting holds; 1 error.
    """
    import asyncio

    from qtops.contracts.vocabulary import GateMode

    env = current()
    word = asyncio.run(read_control(env)).exit_mode
    setting = env.settings().text("EXIT_MODE")
    is_known = word is None or word.strip().lower() in list(GateMode)
    mode = word.strip().lower() if word is not None and is_known else setting
    payload = {"mode": mode, "set": word is not None, "stored": word, "setting": setting}
    code = ExitCode.OK if is_known else ExitCode.UNHEALTHY

    def text(out: Printer) -> None:
        origin = f"set to {word}" if word is not None else "not set; EXIT_MODE says so"
        out.verdict(Mark.OK if is_known else Mark.FAIL, mode, origin)

    emit(env, CommandResult(SCHEMA, mode, code, payload, text))


@app.command("set")
def set_(
    mode: Annotated[str, typer.Argument(metavar="shadow|enforce")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Change the exit monitor's mode, on the record. Asks first; it holds from the next look.

    Example: qtops mode exit set enforce --reason "a week of shadow is clean" --yes

    Exit codes: 0 set; 1 error; 4 not confirmed; 64 usage.
    """
    import asyncio

    env = current()
    wanted = _mode(mode)
    who, why = who_asks(env, by), said(reason, "--reason")
    reading = asyncio.run(read_control(env))
    if dry_run:
        _emit_dry_run(env, reading, wanted, who, why)
        return
    was = reading.exit_mode or f"EXIT_MODE ({env.settings().text('EXIT_MODE')} here)"
    where = env.settings().entry("QTOPS_REDIS_URL").shown
    env.confirm(f"The exit mode goes from {was} to {wanted.value} on {where}. Go on?", yes=yes)
    _emit_change(env, asyncio.run(_set(env, wanted, who, why)))


def _mode(word: str) -> "GateMode":
    from qtops.contracts.codec import parse_word
    from qtops.contracts.vocabulary import GateMode

    try:
        return parse_word(GateMode, word, "mode")
    except DecodeError as error:
        raise UsageError(error.message, hint="qtops mode exit set --help") from error


async def _set(env: AppContext, mode: "GateMode", by: str, reason: str) -> "ControlChange":
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        return await store.set_exit_mode(mode, by, reason)


def _emit_dry_run(
    env: AppContext, reading: "ControlReading", mode: "GateMode", by: str, reason: str
) -> None:
    from qtops.contracts.control import ControlChange
    from qtops.contracts.registry import Key, Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    was = reading.exit_mode
    change = ControlChange("exit mode", mode.value, was or "", by, reading.now_ms, reason)
    keys = {names.key(Key.EXIT_MODE): (was, mode.value)}
    emit_dry_run(env, SCHEMA, change, keys, names.stream(Stream.CONTROL_AUDIT))


def _emit_change(env: AppContext, change: "ControlChange") -> None:
    payload = change_payload("mode", change)

    def text(out: Printer) -> None:
        was = change.previous or "not set"
        out.verdict(Mark.OK, change.value, f"was {was}, by {change.by}")

    emit(env, CommandResult(SCHEMA, change.value, ExitCode.OK, payload, text))
