"""`qtops observe`: Prometheus, Grafana and the exporters, looked at and configured."""

from pathlib import Path
from typing import Annotated

import typer

from qtops.cli import observe_dashboards
from qtops.cli.check_output import CheckOptions, Form, Format, Only, Out, Skip, run_audit
from qtops.cli.context import current
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.placement import place_files

app = command_group()
app.add_typer(
    observe_dashboards.app, name="dashboards", help="Dashboards in files: what is wrong, mended."
)

EXPORT_SCHEMA = "qtops.observe.export/v1"


@app.command("check")
def check(
    *,
    prometheus: Annotated[
        str, typer.Option(metavar="URL", help="Where it should be; else it is looked for.")
    ] = "",
    grafana: Annotated[str, typer.Option(metavar="URL", help="Where Grafana should be.")] = "",
    only: Only = "",
    skip: Skip = "",
    form: Form = Format.TEXT,
    out: Out = None,
) -> None:
    """Whether Prometheus, Grafana and the exporters run, where, and see what they should.

    Prometheus is looked for where its process says it listens. Passwords are never tried.

    Example: qtops observe check --skip units

    Exit codes: 0 healthy; 2 a fault, or too little could be seen; 1 error; 64 usage. With --format
    nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN, errors and usage.
    """
    from qtops.wiring.observe import checks

    env = current()
    for name, option, url in (
        ("QTOPS_PROMETHEUS_URL", "--prometheus", prometheus),
        ("QTOPS_GRAFANA_URL", "--grafana", grafana),
    ):
        if url:
            env.override(name, url, f"option {option}")
    options = CheckOptions(only, skip, form, out)
    run_audit(env, "observe check", lambda: checks(env.settings()), options)


@app.command("export")
def export(
    *,
    dest: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """A Prometheus configuration, alert rules and Grafana dashboards for this installation.

    Ports come from the settings. Every metric in them is one that qtops exports. A file that was
    edited since qtops wrote it, or that qtops did not write, is never overwritten.

    Example: qtops observe export --dest ./monitoring --dry-run

    Exit codes: 0 written, or so already; 1 error; 4 not confirmed, or a file is not ours; 64 usage.
    """
    from qtops.wiring.observe import export_files

    env = current()
    folder = env.host.cwd / dest.expanduser()
    after = [
        f"promtool check config {folder / 'prometheus.yml'}",
        "systemctl reload prometheus",
        f"let Grafana's provisioning read {folder / 'dashboards'}",
    ]
    files = export_files(env.settings())
    place_files(env, EXPORT_SCHEMA, folder, files, ([], after), remove=False, ask=(dry_run, yes))
