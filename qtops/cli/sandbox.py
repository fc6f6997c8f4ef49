"""`qtops sandbox`: the whole system on this machine, with play money and its own Redis."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli import sandbox_directory
from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import emit_event
from qtops.cli.printer import Mark, Printer
from qtops.cli.redaction import Disclosed
from qtops.cli.sandbox_directory import Directory
from qtops.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtops.cli.sandbox_session import StopSignals
    from qtops.sandbox.supervisor import Sandbox

app = command_group()

_JOURNAL_FILE = "exchange.jsonl"

Scenario = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="How the exchange starts: built in, or a TOML file."),
]
Services = Annotated[
    str,
    typer.Option(metavar="SET", help="all, gates, none, or names with commas between them."),
]
Redis = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A running Redis instead of the embedded one."),
]


@app.command("up")
def up(
    *,
    scenario: Scenario = "exit-proof",
    services: Services = "gates",
    directory: Directory = None,
    redis: Redis = None,
) -> None:
    """Start Redis, the exchange and the services, and stay until SIGTERM or Ctrl-C.

    One line says when all of it answers; another shell joins with `. DIR/env`. It leaves nothing
    behind; with --dir the logs and the exchange's journal stay. On a Redis that was given it uses
    a namespace of its own and removes it.

    Example: qtops sandbox up --scenario exit-proof

    Exit codes: 0 stopped as asked; 1 a part did not start; 130 interrupted before it was up.
    """
    import asyncio

    from qtops.cli.sandbox_session import DEFAULT_DIRECTORY, Wanted, new_sandbox

    env = current()
    place = env.host.cwd / (directory or DEFAULT_DIRECTORY)
    wanted = Wanted(scenario, services, redis, place, keep=directory is not None)
    if not asyncio.run(_stay_up(env, new_sandbox(env, wanted))):
        raise KeyboardInterrupt


async def _stay_up(env: AppContext, sandbox: "Sandbox") -> bool:
    from qtops.cli.sandbox_session import StopSignals, started

    with StopSignals() as signals:
        if not await started(sandbox, signals):
            return False
        try:
            _announce(env, sandbox)
            await signals.next()
        finally:
            await sandbox.stop()
    return True


def _announce(env: AppContext, sandbox: "Sandbox") -> None:
    payload = _disclosed(sandbox.describe())

    def text(out: Printer) -> None:
        where = f"redis {sandbox.redis_url}   exchange {sandbox.exchange_url}"
        out.verdict(Mark.OK, "up", f"{where}   join with: . {sandbox.place.path}/env")

    emit_event(env, "qtops.sandbox.up/v1", payload, text)


def _disclosed(payload: "Mapping[str, Any]") -> dict[str, Any]:
    """The sandbox's own keys are printed on purpose: whoever trades against it needs them."""
    names = ("api_key", "api_secret")
    return dict(payload) | {name: Disclosed(payload[name]) for name in names}


@app.command("run", context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- CMD [ARG]...", help="The command and its arguments."),
    ],
    *,
    scenario: Scenario = "exit-proof",
    services: Services = "gates",
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Keep logs and journal here."),
    ] = None,
    redis: Redis = None,
) -> None:
    """Run a command inside a fresh sandbox; its exit code is ours, and so is its stdout.

    It finds QTOPS_REDIS_URL, QTOPS_EXCHANGE_URL and the exchange's keys in its environment.

    Example: qtops sandbox run -- qtops proof exit --rounds 3

    Exit codes: 0 to 255 the command's own (128 and the signal's number when one ended it); 1 the
    sandbox did not start.
    """
    import asyncio
    import shutil

    from qtops.cli.sandbox_session import Wanted, new_sandbox

    env = current()
    if shutil.which(command[0], path=_search_path(env)) is None:
        raise HostError(f"there is no command {command[0]}")
    place = env.host.cwd / directory if directory else None
    wanted = Wanted(scenario, services, redis, place, keep=True)
    code = asyncio.run(_run_inside(env, new_sandbox(env, wanted), command))
    if code is None:
        raise KeyboardInterrupt
    raise typer.Exit(code)


def _search_path(env: AppContext) -> str:
    """PATH, and behind it where this qtops is installed."""
    import os
    import sys

    given = env.host.environ.get("PATH", os.defpath)
    return f"{given}{os.pathsep}{Path(sys.executable).parent}"


async def _run_inside(env: AppContext, sandbox: "Sandbox", command: list[str]) -> int | None:
    import asyncio
    import shutil

    from qtops.cli.sandbox_session import StopSignals, started
    from qtops.sandbox.processes import tied

    path = _search_path(env)
    program = shutil.which(command[0], path=path) or command[0]
    with StopSignals() as signals:
        if not await started(sandbox, signals):
            return None
        try:
            process = await asyncio.create_subprocess_exec(
                *tied([program, *command[1:]]),
                env=sandbox.environment | {"PATH": path},
                cwd=env.host.cwd,
            )
            return await _attend(env, process, signals)
        finally:
            await sandbox.stop()


async def _attend(env: AppContext, process: Any, signals: "StopSignals") -> int:
    """Hand on what asks us to stop. A Ctrl-C on a terminal has reached the command already."""
    import asyncio
    import signal

    ending = asyncio.create_task(process.wait())
    while not ending.done():
        asked = asyncio.create_task(signals.next())
        await asyncio.wait({ending, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
        elif asked.result() != signal.SIGINT or not env.host.stdin.isatty():
            with suppress(ProcessLookupError):
                process.send_signal(asked.result())
    code: int = ending.result()
    return code if code >= 0 else 128 - code


@app.command("exchange")
def exchange(
    *,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="On loopback; 0 takes a free one."),
    ] = 0,
    scenario: Scenario = "exit-proof",
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Journal here, and continue from what is there."),
    ] = None,
) -> None:
    """The exchange alone, in the foreground, until SIGTERM or Ctrl-C.

    Its keys are those of QTOPS_SANDBOX_API_KEY and QTOPS_SANDBOX_API_SECRET, else the scenario's.

    Example: qtops sandbox exchange --port 8899 --scenario exit-proof

    Exit codes: 0 stopped as asked; 1 error.
    """
    import asyncio

    env = current()
    asyncio.run(_serve(env, port, scenario, journal))


async def _serve(env: AppContext, port: int, name: str, journal: Path | None) -> None:
    import asyncio
    from dataclasses import replace

    from qtops.cli.sandbox_session import StopSignals
    from qtops.sandbox.exchange.scenario import load_scenario
    from qtops.sandbox.exchange.server import serve

    settings = env.settings()
    scenario = load_scenario(name)
    key = settings.secret("QTOPS_SANDBOX_API_KEY").reveal() or scenario.api_key
    secret = settings.secret("QTOPS_SANDBOX_API_SECRET").reveal() or scenario.api_secret
    scenario = replace(scenario, api_key=key, api_secret=secret)
    file = env.host.cwd / journal / _JOURNAL_FILE if journal else None

    def on_ready(url: str) -> None:
        _announce_exchange(env, {"exchange_url": url, "api_key": key, "api_secret": secret})

    with StopSignals() as signals:
        asked = asyncio.create_task(signals.next())
        serving = asyncio.create_task(serve(scenario, port=port, journal=file, on_ready=on_ready))
        await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def _announce_exchange(env: AppContext, payload: dict[str, Any]) -> None:
    import os

    def text(out: Printer) -> None:
        key, secret = Disclosed(payload["api_key"]), Disclosed(payload["api_secret"])
        out.verdict(Mark.OK, "ready", payload["exchange_url"])
        out.line(Disclosed(f"BINANCE_TESTNET_API_KEY={key}"))
        out.line(Disclosed(f"BINANCE_TESTNET_API_SECRET={secret}"))

    disclosed = _disclosed(payload) | {"pid": os.getpid()}
    emit_event(env, "qtops.sandbox.exchange/v1", disclosed, text)


app.command("status")(sandbox_directory.status)
app.command("down")(sandbox_directory.down)
