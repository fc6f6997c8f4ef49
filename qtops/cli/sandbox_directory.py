"""`qtops sandbox status` and `down`: the sandbox of a directory, seen from another shell."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import current
from qtops.cli.options import DryRun
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.errors import ExitCode, HostError

if TYPE_CHECKING:
    from qtops.sandbox.state import Found

_DOWN_TIMEOUT_S = 30.0

Directory = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="Its directory.", show_default=".qtops/sandbox"),
]


def status(*, directory: Directory = None) -> None:
    """Whether a sandbox runs in the directory, and which of its parts are up.

    Example: qtops sandbox status --dir /tmp/box

    Exit codes: 0 all of it is up; 2 a part is down, or there is no sandbox.
    """
    from qtops.cli.sandbox_session import DEFAULT_DIRECTORY
    from qtops.sandbox.state import look

    env = current()
    found = look(env.host.cwd / (directory or DEFAULT_DIRECTORY))
    state = dict(found.state or {}) if found.pid is not None else {}
    ended: Mapping[str, int] = state.get("ended", {})
    word = _condition(found, ended)
    names = ("redis_url", "exchange_url", "namespace")
    payload: dict[str, Any] = {name: state.get(name) for name in names} | {
        "pids": state.get("pids", {}),
        "ended": ended,
        "supervisor": found.pid,
        "dir": found.directory,
    }

    def text(out: Printer) -> None:
        detail = f"{found.directory}" if found.pid is None else f"pid {found.pid}"
        out.verdict(Mark.OK if word == "up" else Mark.FAIL, word, detail)
        if state:
            out.line(f"redis {state.get('redis_url')}   exchange {state.get('exchange_url')}")
            out.table([Column("part"), Column("pid", "right"), Column("state")], _parts(payload))
        elif found.is_stale:
            out.finding(Mark.WARN, "left by a sandbox that was killed", "qtops sandbox down")
        else:
            out.hint("qtops sandbox up")

    code = ExitCode.OK if word == "up" else ExitCode.UNHEALTHY
    emit(env, CommandResult("qtops.sandbox.status/v1", word, code, payload, text))


def _condition(found: "Found", ended: Mapping[str, int]) -> str:
    if found.pid is None:
        return "stale" if found.is_stale else "down"
    if found.state is None:
        return "starting"
    return "degraded" if ended else "up"


def _parts(payload: Mapping[str, Any]) -> list[list[Cell]]:
    from qtops.sandbox.processes import describe_exit

    alive: list[list[Cell]] = [[name, pid, "up"] for name, pid in payload["pids"].items()]
    return alive + [
        [name, None, Tinted(describe_exit(code), Mark.FAIL)]
        for name, code in payload["ended"].items()
    ]


def down(*, directory: Directory = None, dry_run: DryRun = False) -> None:
    """Stop the sandbox of the directory, or clean up behind one that was killed.

    Example: qtops sandbox down --dir /tmp/box

    Exit codes: 0 none runs there any more; 1 it did not stop.
    """
    from qtops.cli.sandbox_session import DEFAULT_DIRECTORY
    from qtops.sandbox.state import look

    env = current()
    found = look(env.host.cwd / (directory or DEFAULT_DIRECTORY))
    word = "stopped" if found.pid is not None else "cleaned" if found.is_stale else "not running"
    if not dry_run:
        _take_down(found)

    def text(out: Printer) -> None:
        said = f"would be {word}" if dry_run and word != "not running" else word
        out.verdict(Mark.OK, said, str(found.directory))

    payload = {"dir": found.directory, "supervisor": found.pid, "dry_run": dry_run}
    emit(env, CommandResult("qtops.sandbox.down/v1", word, ExitCode.OK, payload, text))


def _take_down(found: "Found") -> None:
    import os
    import signal
    from contextlib import suppress

    from qtops.sandbox.state import clean_stale, wait_until_gone

    if found.pid == 0:
        raise HostError(f"the sandbox in {found.directory} is just starting", hint="repeat this")
    if found.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
        if not wait_until_gone(found.directory, _DOWN_TIMEOUT_S):
            message = f"the sandbox (pid {found.pid}) did not stop in {_DOWN_TIMEOUT_S:g} s"
            raise HostError(message, hint=f"kill -9 {found.pid}; qtops sandbox down")
    elif found.is_stale:
        clean_stale(found)
