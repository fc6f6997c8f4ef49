"""`qtops run`: services in the foreground, any set of them in one process."""

from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit, emit_event
from qtops.cli.printer import Column, Mark, Printer
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.registry import Service, Stream

app = command_group()

Names = Annotated[
    list[str],
    typer.Argument(help="Services to run in this process, `all`, or `list` to see them."),
]


@app.command("run")
def run(services: Names) -> None:
    """Run trading services in the foreground until SIGTERM or Ctrl-C.

    Each finishes the message in hand, removes its heartbeat and exits 0. Logs go to stderr.

    Example: qtops run governor portfolio-gate position-gate

    Exit codes: 0 stopped as asked; 1 error; 4 refused (no kill switch, hedge mode).
    """
    env = current()
    if services == ["list"]:
        _list(env)
        return
    _run(env, _chosen(services))


def _chosen(words: list[str]) -> "list[Service]":
    from qtops.contracts.registry import Service
    from qtops.wiring.services import BUILDERS

    if words == ["all"]:
        return [service for service in BUILDERS if not service.by_name_only]
    known = {service.value: service for service in BUILDERS}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise UsageError(f"no service {unknown[0]!r}; there are {', '.join(known)}, all")
    return [Service(word) for word in dict.fromkeys(words)]


def _list(env: AppContext) -> None:
    from qtops.contracts.registry import Stream
    from qtops.wiring.services import BUILDERS

    settings = env.settings()
    rows = [
        {
            "service": service.value,
            "reads": " ".join(s.value.name for s in Stream if _reads(service, s)),
            "writes": " ".join(s.value.name for s in Stream if service in s.value.writers),
            "metrics_port": settings.integer(service.metrics_setting),
        }
        for service in BUILDERS
    ]

    def text(out: Printer) -> None:
        out.verdict(Mark.OK, f"{len(rows)} services", "qtops run NAME… or qtops run all")
        titles = [Column("service"), Column("reads"), Column("writes"), Column("metrics", "right")]
        cells = [[*list(row.values())[:3], row["metrics_port"] or "off"] for row in rows]
        out.table(titles, cells)

    emit(env, CommandResult("qtops.run.list/v1", "ok", ExitCode.OK, {"services": rows}, text))


def _reads(service: "Service", stream: "Stream") -> bool:
    return any(group.service is service for group in stream.value.groups)


def _run(env: AppContext, services: "list[Service]") -> None:
    import asyncio
    import os

    from qtops.services.logs import configure_logs
    from qtops.wiring.services import run_services

    settings = env.settings()
    configure_logs(
        settings.text("QTOPS_LOG_FORMAT"),
        settings.text("QTOPS_LOG_LEVEL"),
        settings.secret_values(),
    )

    def on_ready(service: "Service") -> None:
        def text(out: Printer) -> None:
            out.line(f"{service.value} ready, pid {os.getpid()}")

        payload = {"service": service.value, "pid": os.getpid()}
        emit_event(env, "qtops.run.ready/v1", payload, text)

    async def main() -> None:
        import signal

        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_services(services, settings, stop, on_ready)

    asyncio.run(main())
