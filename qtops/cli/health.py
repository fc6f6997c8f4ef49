"""`qtops health`: one fast pass over everything that must live, for cron and for people."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.monitoring import as_plugin
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.remote import Reads
from qtops.cli.spans import span
from qtops.cli.state_directory import state_dir
from qtops.errors import ExitCode, HostError, QtopsError, UsageError

if TYPE_CHECKING:
    from qtops.cli.health_state import Said
    from qtops.contracts.health import Health
    from qtops.wiring.health import LedgerPlace

app = command_group()

SCHEMA = "qtops.health/v1"
_READABLE_BY_ALL = 0o644


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a pass leaves its verdict besides stdout."""

    textfile: Path | None
    ping_url: str
    state: Path | None


class Format(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"
    NAGIOS = "nagios"
    PROM = "prom"


class _Health(Reads):
    """Monitors are told by the host they watch; files and reports are left on it too."""

    here_only = frozenset({"form", "textfile", "ping_url", "state"})


@app.command(cls=_Health)
def health(
    *,
    form: Annotated[
        Format, typer.Option("--format", help="json is --json; nagios has its own exit codes.")
    ] = Format.TEXT,
    only: Annotated[str, typer.Option(metavar="C,…", help="Look at these checks alone.")] = "",
    skip: Annotated[str, typer.Option(metavar="C,…", help="Leave these checks out.")] = "",
    textfile: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also write Prometheus text there, whole or not at all."),
    ] = None,
    ping_url: Annotated[
        str,
        typer.Option(metavar="URL", help="Dead man's switch: POST there, or to URL/fail."),
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Keep the verdict there; print only when it changed."),
    ] = None,
) -> None:
    """Whether Redis, gates, permits, exchange, disk and units are as they must be.

    Checks: redis, permits, heartbeats, snapshots, universe, kill, streams, exchange, disk,
    units, obligations.

    Example: qtops health --format nagios --skip units

    Exit codes: 0 healthy; 2 a warning, a fault, or something could not be seen; 1 error; 64 usage.
    With --format nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN, errors and usage.
    """
    env = current()
    form = _agreed(env, form)
    outlets = Outlets(textfile, ping_url, state)
    if form is Format.NAGIOS:
        as_plugin(env, lambda: _run(env, Format.NAGIOS, only, skip, outlets))
    else:
        _run(env, form, only, skip, outlets)


def _agreed(env: AppContext, form: Format) -> Format:
    """--json and --format json are one; --json and another format contradict each other."""
    if env.options.json and form not in {Format.TEXT, Format.JSON}:
        raise UsageError(f"--json and --format {form.value} contradict each other")
    if form is Format.JSON:
        env.options = replace(env.options, json=True)
    return Format.JSON if env.options.json else form


def _run(env: AppContext, form: Format, only: str, skip: str, outlets: Outlets) -> None:
    import asyncio

    from qtops.cli.health_state import Said, note_change
    from qtops.wiring.health import CHECKS, take_health

    wanted = _selection(CHECKS, only, skip)
    ping_url = outlets.ping_url or env.settings().secret("QTOPS_HEALTH_PING_URL").reveal()
    _check_url(ping_url)
    started = env.host.clock.monotonic_ms()
    found = asyncio.run(take_health(env.settings(), env.host.clock, wanted, _place(env)))
    took_ms = int(env.host.clock.monotonic_ms() - started)
    if outlets.textfile is not None:
        found = _with_textfile(env, outlets.textfile, found, took_ms)
    said = Said(found, took_ms)
    if outlets.state is not None:
        said = note_change(env, outlets.state, found, took_ms)
    if ping_url:
        _ping(env, ping_url, said.health)
    _emit(env, form, said)


def _selection(known: tuple[str, ...], only: str, skip: str) -> list[str]:
    """The checks to make; none at all is refused, for nothing looked at is nothing healthy."""
    chosen, left_out = _names(known, only, "--only"), _names(known, skip, "--skip")
    wanted = [name for name in known if name in (chosen or known) and name not in left_out]
    if not wanted:
        raise UsageError("no check is left to make", hint=f"choose from {', '.join(known)}")
    return wanted


def _names(known: tuple[str, ...], text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if text and not names:
        raise UsageError(f"{option}: no check is named")
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{option}: no check {unknown[0]!r}", hint=f"one of {', '.join(known)}")
    return names


def _check_url(url: str) -> None:
    """Never shows the URL: its path is a secret."""
    from urllib.parse import urlsplit

    if not url:
        return
    try:
        parts = urlsplit(url)
        is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise UsageError("--ping-url: give an http(s) URL")


def _place(env: AppContext) -> "LedgerPlace":
    from qtops.cli.ledger_options import ledger_root
    from qtops.wiring.health import LedgerPlace

    try:
        return LedgerPlace(ledger_root(env, None), state_dir(env))
    except QtopsError as error:
        return LedgerPlace(None, state_dir(env), error.message)


def _with_textfile(env: AppContext, path: Path, found: "Health", took_ms: int) -> "Health":
    """Written for whoever collects it. Where that fails, the figures there are stale: a finding."""
    from qtops.contracts.health import Check, Finding, Health, Status
    from qtops.files import replace as replace_file
    from qtops.reports.health import prometheus_text

    text = prometheus_text(found, now_ms=env.now_ms(), took_ms=took_ms)
    path = env.host.cwd / path
    try:
        replace_file(path, text.encode())
        path.chmod(_READABLE_BY_ALL)
    except OSError as error:
        what = f"textfile {path} was not written: {error.strerror}"
        stale = Check("textfile", "stale", (Finding(Status.WARN, what, f"ls -ld {path.parent}"),))
        return Health((*found.checks, stale))
    return found


def _ping(env: AppContext, url: str, found: "Health") -> None:
    """A ping that fails is said and changes no verdict."""
    import asyncio
    from urllib.parse import urlsplit

    from qtops.reports.health import nagios_lines
    from qtops.wiring.health import ping_dead_man

    text = env.redact("\n".join(nagios_lines(found)))
    try:
        asyncio.run(ping_dead_man(url, text, found.status))
    except HostError as error:
        env.warn(f"ping to {urlsplit(url).hostname}/***: {error.message}")


def _emit(env: AppContext, form: Format, said: "Said") -> None:
    from qtops.contracts.health import Status

    found = said.health

    def text(out: Printer) -> None:
        if said.is_news or form is Format.PROM:
            _print(env, out, form, said)

    code = ExitCode.OK if found.status is Status.OK else ExitCode.UNHEALTHY
    emit(env, CommandResult(SCHEMA, found.status.value, code, _payload(said), text))
    if form is Format.NAGIOS:
        env.exit_code = found.status.number


def _print(env: AppContext, out: Printer, form: Format, said: "Said") -> None:
    from qtops.cli.health_state import alert_text
    from qtops.reports.health import WORDS, nagios_lines, prometheus_text

    found = said.health
    news = alert_text(said.alert) if said.alert else ""
    if form is Format.NAGIOS:
        for line in nagios_lines(found, news)[: 1 if env.options.quiet else None]:
            out.verdict(None, line)
    elif form is Format.PROM:
        for line in prometheus_text(found, now_ms=env.now_ms(), took_ms=said.took_ms).splitlines():
            out.verdict(None, line)
    else:
        where = env.settings().entry("QTOPS_REDIS_URL").shown
        headline = f"{found.headline} ({news})" if news else found.headline
        context = f"{where}  {span(said.took_ms)}"
        out.verdict(Mark(found.status.value), WORDS[found.status], headline, context)
        _print_health(out, found)


def _payload(said: "Said") -> dict[str, Any]:
    from qtops.cli.health_state import alert_payload

    found = said.health
    payload = {
        "headline": found.headline,
        "checks_seen": found.seen,
        "checks_selected": len(found.checks),
        "took_ms": said.took_ms,
        "checks": [
            {
                "check": check.name,
                "status": check.status,
                "counts": check.counts,
                "summary": check.summary,
                "findings": [
                    {"status": f.status, "what": f.what, "fix": f.fix} for f in check.findings
                ],
                "figures": check.figures,
            }
            for check in found.checks
        ],
    }
    return payload | ({"alert": alert_payload(said.alert)} if said.is_watched else {})


def _print_health(out: Printer, found: "Health") -> None:
    rows: list[list[Cell]] = [
        [check.name, Tinted(check.status.value, Mark(check.status.value)), check.summary]
        for check in found.checks
    ]
    out.table([Column("check"), Column("status"), Column("seen", shrink=True)], rows)
    for _, finding in found.findings:
        out.finding(Mark(finding.status.value), finding.what, finding.fix)
