"""`qtops audit system`: the whole system in seconds. `qtops.cli.audit` adds it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.check_output import (
    CheckOptions,
    Form,
    Format,
    Only,
    Skip,
    emit_report,
    names_in,
    refuse_two_formats,
    waivers_of,
)
from qtops.cli.context import AppContext, current
from qtops.cli.monitoring import as_plugin
from qtops.errors import HostError

if TYPE_CHECKING:
    from qtops.contracts.check import CheckReport
    from qtops.contracts.path_report import PathReport

OutDirectory = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write report.md, report.html and report.json there: new or empty."
    ),
]


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("system")(system)


def system(
    *,
    repo: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="A code root besides those that units run from."),
    ] = None,
    only: Only = "",
    skip: Skip = "",
    form: Form = Format.TEXT,
    out: OutDirectory = None,
) -> None:
    """The whole system: units, ports, Redis, code, streams, permits, switches, paths A to D.

    Reads only. What cannot be seen from here is unknown, never a pass.

    Example: qtops audit system --out /tmp/audit

    Exit codes: 0 healthy; 2 a fault, or too little could be seen; 1 error; 64 usage.
    With --format nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN and errors.
    """
    env = current()
    options = CheckOptions(only=only, skip=skip, form=form)
    refuse_two_formats(env, options)
    directory = None if out is None else env.host.cwd / out.expanduser()
    if directory is not None:
        _refuse_used(directory)

    def run() -> None:
        report, paths = _look(env, options, repo or [])
        if directory is not None:
            _write(env, directory, report, paths)
        emit_report(env, "audit system", report, options)

    if options.form is Format.NAGIOS:
        as_plugin(env, run)
    else:
        run()


def _look(
    env: AppContext, options: CheckOptions, roots: Sequence[Path]
) -> "tuple[CheckReport, Sequence[PathReport]]":
    import asyncio

    from qtops.audits.checks import run_checks, select
    from qtops.wiring.system import Places, SystemAudit

    host = env.host
    given = tuple(host.cwd / root for root in roots)
    places = Places(etc=host.etc_dir, cwd=host.cwd, environ=host.environ, repositories=given)
    audit = SystemAudit(env.settings(), host.clock, places)
    chosen = select(audit.checks(), names_in(options.only), names_in(options.skip))
    report = asyncio.run(run_checks(chosen, host.clock, waivers_of(env)))
    return report, audit.paths


def _refuse_used(directory: Path) -> None:
    is_free = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
    if not is_free:
        raise HostError(f"{directory} is there already", hint="name a new directory with --out")


def _write(
    env: AppContext, directory: Path, report: "CheckReport", paths: "Sequence[PathReport]"
) -> None:
    from dataclasses import replace

    from qtops.reports.checks.payload import check_payload, cleaned
    from qtops.reports.system import system_files

    report = cleaned(report, env.redact)
    shown = [
        replace(p, hops=tuple(replace(hop, why=env.redact(hop.why)) for hop in p.hops))
        for p in paths
    ]
    _write_whole(directory, system_files(report, shown, check_payload(report)))
    env.notice(f"written to {directory}")


def _write_whole(directory: Path, files: Mapping[str, bytes]) -> None:
    """All files or no directory: they are written beside it and moved in one step."""
    import shutil
    import tempfile

    unfinished = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        for name, content in files.items():
            (unfinished / name).write_bytes(content)
            (unfinished / name).chmod(0o644)
        unfinished.chmod(0o755)
        unfinished.rename(directory)
    except OSError as error:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
        hint = "name another directory with --out"
        raise HostError(f"cannot write {directory}: {error.strerror}", hint=hint) from error
