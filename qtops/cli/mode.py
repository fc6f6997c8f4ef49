"""`qtops mode`: which kind of venue orders may go to at all."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli import mode_exit
from qtops.cli.context import AppContext, current
from qtops.cli.operator import change_payload, emit_dry_run, read_control, said, who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.control import ControlChange, Mode
    from qtops.ports import ControlReading

app = command_group()
app.add_typer(mode_exit.app, name="exit", help="Whether the exit monitor publishes its exits.")

SCHEMA = "qtops.mode/v1"
HISTORY = 100


@app.command("get")
def get() -> None:
    """The mode, and which kinds of venue it admits orders to.

    Example: qtops mode get

    Exit codes: 0 shown; 2 it holds an unknown word, which admits nothing; 1 error.
    """
    import asyncio

    from qtops.contracts.control import Mode

    env = current()
    reading = asyncio.run(read_control(env))
    is_known = reading.mode is None or reading.mode.strip().upper() in list(Mode)
    code = ExitCode.OK if is_known else ExitCode.UNHEALTHY
    payload = {"mode": reading.mode, "set": reading.mode is not None} | _admits(env, reading.mode)

    def text(out: Printer) -> None:
        mark = Mark.OK if is_known else Mark.FAIL
        out.verdict(mark, _shown(reading.mode), _meaning(payload))

    emit(env, CommandResult(SCHEMA, _shown(reading.mode), code, payload, text))


@app.command("set")
def set_(
    mode: Annotated[str, typer.Argument(metavar="TESTNET|MAINNET|DRY_RUN")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Change the mode, on the record. Asks first.

    Example: qtops mode set DRY_RUN --reason "release" --yes

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
    money = "REAL MONEY. " if wanted == "MAINNET" else ""
    where = env.settings().entry("QTOPS_REDIS_URL").shown
    question = f"{money}The mode goes from {_shown(reading.mode)} to {wanted.value} on {where}."
    env.confirm(f"{question} Go on?", yes=yes)
    _emit_change(env, asyncio.run(_set(env, wanted, who, why)))


@app.command("history")
def history() -> None:
    """The last 100 changes of every stop switch: kill, mode, rollout. Newest first.

    Example: qtops mode history

    Exit codes: 0 shown, also when there is none; 1 error.
    """
    import asyncio

    env = current()
    changes, unreadable = asyncio.run(_history(env))
    rows = [
        [change["at"], change["switch"], change["previous"], change["value"], change["by"]]
        for change in changes
    ]
    payload = {"changes": changes, "unreadable": unreadable}

    def text(out: Printer) -> None:
        out.verdict(None, f"{len(changes)} changes", "of the stop switches, newest first")
        out.table([Column(name) for name in ("at", "switch", "from", "to", "by")], rows)
        if unreadable:
            out.finding(Mark.WARN, f"entries that cannot be read: {unreadable}")

    emit(env, CommandResult("qtops.mode.history/v1", "shown", ExitCode.OK, payload, text))


async def _history(env: AppContext) -> tuple[list[dict[str, Any]], int]:
    """(changes newest first, how many of the entries could not be read)."""
    from qtops.contracts.codec import decode_fields, fmt_instant
    from qtops.contracts.control import ControlChange
    from qtops.contracts.registry import Stream
    from qtops.wiring.operator import permit_source

    changes: list[dict[str, Any]] = []
    unreadable = 0
    async with permit_source(env.settings()) as source:
        async for page in source.since(Stream.CONTROL_AUDIT, 0):
            for _, raw in page[: HISTORY - len(changes)]:
                try:
                    change = ControlChange.from_fields(decode_fields(raw))
                except DecodeError:
                    unreadable += 1
                    continue
                said = {**change.to_fields(), "at": fmt_instant(change.at_ms)}
                changes.append(said)
            if len(changes) >= HISTORY:
                break
    return changes, unreadable


def _mode(word: str) -> "Mode":
    from qtops.contracts.codec import parse_word
    from qtops.contracts.control import Mode

    try:
        return parse_word(Mode, word, "mode")
    except DecodeError as error:
        raise UsageError(error.message, hint="qtops mode set --help") from error


async def _set(env: AppContext, mode: "Mode", by: str, reason: str) -> "ControlChange":
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        return await store.set_mode(mode, by, reason)


def _emit_dry_run(
    env: AppContext, reading: "ControlReading", mode: "Mode", by: str, reason: str
) -> None:
    from qtops.contracts.control import ControlChange
    from qtops.contracts.registry import Key, Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    change = ControlChange("mode", mode.value, reading.mode or "", by, reading.now_ms, reason)
    keys = {names.key(Key.MODE): (reading.mode, mode.value)}
    emit_dry_run(env, SCHEMA, change, keys, names.stream(Stream.CONTROL_AUDIT))


def _emit_change(env: AppContext, change: "ControlChange") -> None:
    payload = change_payload("mode", change) | _admits(env, change.value)

    def text(out: Printer) -> None:
        was = f"was {_shown(change.previous or None)}; {_meaning(payload)}, by {change.by}"
        out.verdict(Mark.OK, change.value, was)

    emit(env, CommandResult(SCHEMA, change.value, ExitCode.OK, payload, text))


def _admits(env: AppContext, mode: str | None) -> dict[str, Any]:
    """The venues the mode admits, and whether the configured one is among them."""
    from qtops.audits.stop_switches import admitted_venues
    from qtops.contracts.environment import environment_of

    venue = environment_of(env.settings().text("QTOPS_EXCHANGE_URL")).value
    admitted = admitted_venues(mode or "")
    return {"admits": admitted, "venue": venue, "venue_admitted": venue in admitted}


def _meaning(payload: dict[str, Any]) -> str:
    admits = ", ".join(payload["admits"]) or "no venue"
    word = "admitted" if payload["venue_admitted"] else "not admitted"
    return f"admits orders to {admits}; the configured venue, {payload['venue']}, is {word}"


def _shown(mode: str | None) -> str:
    return "not set" if mode is None else mode
