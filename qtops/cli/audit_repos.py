"""`qtops audit repos`: the code roots and what runs from them. `qtops.cli.audit` adds it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.check_output import CheckOptions, Form, Format, Only, Out, Skip, run_audit
from qtops.cli.context import current

if TYPE_CHECKING:
    from qtops.audits.checks import Check


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("repos")(repos)


def repos(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Roots to look at.")],
    *,
    only: Only = "",
    skip: Skip = "",
    form: Form = Format.TEXT,
    out: Out = None,
) -> None:
    """Code roots: HEAD, changed files, conflict markers, upstream, divergence, units.

    Nothing is fetched, and nothing that the repositories configure is run.

    Example: qtops audit repos /home/qt/quantum_trader /root/quantum_trader

    Exit codes: 0 healthy; 2 a fault, or too little could be seen; 1 error; 64 usage.
    With --format nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN and errors.
    """
    env = current()

    def checks() -> "list[Check]":
        from qtops.wiring.audits import repo_audit

        roots = list(dict.fromkeys((env.host.cwd / path).resolve() for path in paths))
        return repo_audit(roots).checks()

    run_audit(env, "audit repos", checks, CheckOptions(only, skip, form, out))
