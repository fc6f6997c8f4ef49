"""`qtops rollout`: which share of the symbols automated plans may open."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.operator import emit_dry_run, read_control, said, who_asks
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer
from qtops.errors import DecodeError, ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.control import ControlChange
    from qtops.ports import ControlReading

app = command_group()

SCHEMA = "qtops.rollout/v1"


@app.command("get")
def get(
    *,
    symbols: Annotated[
        bool, typer.Option("--symbols", help="Each allowlisted symbol: in or out.")
    ] = False,
) -> None:
    """The share of the symbols that automated plans may open. Reductions are never held.

    KILL goes before MODE, MODE before ROLLOUT, and not set is 100.

    Example: qtops rollout get --symbols

    Exit codes: 0 shown; 2 it cannot be read, which lets nothing open; 1 error.
    """
    import asyncio

    from qtops.audits.stop_switches import rollout_pct

    env = current()
    reading = asyncio.run(read_control(env))
    pct = rollout_pct(reading.rollout)
    code = ExitCode.UNHEALTHY if pct is None else ExitCode.OK
    places = _places(env, pct or 0) if symbols else {}
    payload = {"rollout": reading.rollout, "set": reading.rollout is not None, "pct": pct}

    def text(out: Printer) -> None:
        mark = Mark.FAIL if pct is None else Mark.OK
        out.verdict(mark, _shown(reading.rollout), _meaning(pct))
        if places:
            rows = [[name, "in" if is_in else "out"] for name, is_in in places.items()]
            out.table([Column("symbol"), Column("opens")], rows)
        if pct is None:
            out.finding(Mark.FAIL, "the value cannot be read", "qtops rollout set 100")

    listed = {"symbols": places} if symbols else {}
    emit(env, CommandResult(SCHEMA, _shown(reading.rollout), code, payload | listed, text))


@app.command("set")
def set_(
    pct: Annotated[str, typer.Argument(metavar="PCT")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: Annotated[str | None, typer.Option(help="Who, for the record; default user@host.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Change the share, 0 to 100, on the record; it holds for the next plan. Asks first.

    Example: qtops rollout set 25 --reason "canary" --yes

    Exit codes: 0 set; 1 error; 4 not confirmed; 64 usage.
    """
    import asyncio

    env = current()
    wanted = _pct(pct)
    who, why = who_asks(env, by), said(reason, "--reason")
    reading = asyncio.run(read_control(env))
    if dry_run:
        _emit_dry_run(env, reading, wanted, who, why)
        return
    where = env.settings().entry("QTOPS_REDIS_URL").shown
    question = f"The rollout goes from {_shown(reading.rollout)} to {wanted} % on {where}."
    env.confirm(f"{question} Go on?", yes=yes)
    _emit_change(env, asyncio.run(_set(env, wanted, who, why)))


def _pct(word: str) -> int:
    from qtops.contracts.control import parse_rollout

    try:
        return parse_rollout(word)
    except DecodeError as error:
        raise UsageError(f"PCT: {word!r} is not 0 to 100", hint="qtops rollout set 25") from error


async def _set(env: AppContext, pct: int, by: str, reason: str) -> "ControlChange":
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        return await store.set_rollout(pct, by, reason)


def _places(env: AppContext, pct: int) -> dict[str, bool]:
    """The executor's symbols: whether automated plans may open them."""
    from qtops.contracts.control import in_rollout

    names = sorted(env.settings().names("INTENT_EXECUTOR_ALLOWLIST"))
    return {name: in_rollout(name, pct) for name in names}


def _emit_dry_run(
    env: AppContext, reading: "ControlReading", pct: int, by: str, reason: str
) -> None:
    from qtops.contracts.control import ControlChange
    from qtops.contracts.registry import Key, Names, Stream

    names = Names(env.settings().text("QTOPS_NAMESPACE"))
    old = reading.rollout
    change = ControlChange("rollout", str(pct), old or "", by, reading.now_ms, reason)
    keys = {names.key(Key.ROLLOUT): (old, str(pct))}
    emit_dry_run(env, SCHEMA, change, keys, names.stream(Stream.CONTROL_AUDIT))


def _emit_change(env: AppContext, change: "ControlChange") -> None:
    from qtops.contracts.codec import fmt_instant

    pct = int(change.value)
    payload: dict[str, Any] = {
        "dry_run": False,
        "rollout": change.value,
        "pct": pct,
        "previous": change.previous or None,
        "by": change.by,
        "at": fmt_instant(change.at_ms),
        "reason": change.reason,
        "symbols": _places(env, pct),
    }

    def text(out: Printer) -> None:
        was = f"was {_shown(change.previous or None)}; {_meaning(pct)}, by {change.by}"
        out.verdict(Mark.OK, _shown(change.value), was)

    emit(env, CommandResult(SCHEMA, _shown(change.value), ExitCode.OK, payload, text))


def _meaning(pct: int | None) -> str:
    if pct is None:
        return "unreadable: no automated plan opens anything; reductions pass"
    return f"automated plans may open {pct} % of the symbols; reductions pass"


def _shown(raw: str | None) -> str:
    return "not set" if raw is None else raw
