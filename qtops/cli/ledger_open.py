"""`qtops ledger list --open`: what was begun and has no entry yet."""

from pathlib import Path

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.cli.spans import span
from qtops.cli.state_directory import state_dir
from qtops.errors import ExitCode


def emit_open(env: AppContext, root: Path) -> None:
    """Every open obligation, oldest first, each with the command that leads to its end."""
    from qtops.wiring.obligations import every_obligation

    found = every_obligation(root, state_dir(env))
    now_ms = env.now_ms()

    def text(out: Printer) -> None:
        out.verdict(Mark.WARN if found else Mark.OK, f"{len(found)} open")
        for one in found:
            age = (
                f"open for {span(now_ms - one.opened_at_ms)}" if one.opened_at_ms else "age UNKNOWN"
            )
            out.finding(Mark.WARN, f"{one.operation_id}  {one.what}, {age}, {one.by}", one.command)

    status = "open" if found else "ok"
    payload = {"open": found, "count": len(found)}
    emit(env, CommandResult("qtops.ledger.open/v1", status, ExitCode.OK, payload, text))
