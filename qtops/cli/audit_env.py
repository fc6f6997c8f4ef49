"""`qtops audit env`: the units' environment files. `qtops.cli.audit` adds it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.check_output import CheckOptions, Form, Format, Only, Out, Skip, run_audit
from qtops.cli.context import current

if TYPE_CHECKING:
    from qtops.audits.checks import Check


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("env")(env_files)


def env_files(
    *,
    directory: Annotated[
        Path, typer.Option("--dir", help="Directory with the environment files.")
    ] = Path("/etc/quantum"),
    user: Annotated[
        str, typer.Option(help="The units' user: owner it may be, files it must read.")
    ] = "",
    only: Only = "",
    skip: Skip = "",
    form: Form = Format.TEXT,
    out: Out = None,
) -> None:
    """Environment files: permissions, syntax, duplicates, contradictions, keys, secrets.

    Values of secrets are never shown. The syntax is systemd's.

    Example: qtops audit env --dir /etc/quantum --user qt

    Exit codes: 0 healthy; 2 a fault, or too little could be seen; 1 error; 64 usage.
    With --format nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN and errors.
    """
    env = current()

    def checks() -> "list[Check]":
        from qtops.audits.env import EnvAudit
        from qtops.audits.env_files import user_named
        from qtops.wiring.audits import setting_names

        who = user_named(user) if user else None
        return EnvAudit(env.host.cwd / directory, setting_names(), who).checks()

    run_audit(env, "audit env", checks, CheckOptions(only, skip, form, out))
