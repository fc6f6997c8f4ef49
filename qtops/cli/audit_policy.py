"""`qtops audit policy`: the ban of conditional orders. `qtops.cli.audit` adds it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.check_output import CheckOptions, Form, Format, Only, Out, Skip, run_audit
from qtops.cli.context import current

if TYPE_CHECKING:
    from qtops.audits.checks import Check


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("policy")(policy)


def policy(
    *,
    code: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Running code to parse; may be repeated."),
    ] = None,
    orders: Annotated[
        int, typer.Option(min=1, max=1000, help="Orders of each symbol to look at.")
    ] = 50,
    directory: Annotated[
        Path, typer.Option("--dir", help="Directory with the environment files.")
    ] = Path("/etc/quantum"),
    only: Only = "",
    skip: Skip = "",
    form: Form = Format.TEXT,
    out: Out = None,
) -> None:
    """The ban of conditional orders: guards in the code, TPSL shield, the last orders.

    Code is parsed: a guard counts where it stands before the send on every way to it.

    Example: qtops audit policy --code /home/qt/quantum_trader --orders 50

    Exit codes: 0 healthy; 2 a fault, or too little could be seen; 1 error; 64 usage.
    With --format nagios: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN and errors.
    """
    env = current()

    def checks() -> "list[Check]":
        from qtops.audits.policy import PolicyAudit
        from qtops.wiring.audits import recent_orders

        roots = [env.host.cwd / path for path in code or ()]
        settings = env.settings()
        audit = PolicyAudit(
            roots, env.host.cwd / directory, lambda: recent_orders(settings, orders), orders
        )
        return audit.checks()

    run_audit(env, "audit policy", checks, CheckOptions(only, skip, form, out))
