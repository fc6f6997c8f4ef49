"""A command's result as one page, beside its usual output."""

from pathlib import Path
from typing import Any

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, jsonable


def write_page(env: AppContext, result: CommandResult, path: Path) -> None:
    """The same document that --json would print, rendered as `qtops report` renders it."""
    from qtops.contracts.codec import fmt_instant
    from qtops.files import replace
    from qtops.reports.saved import Origin, saved_html

    head: dict[str, Any] = {"schema": result.schema, "timestamp": fmt_instant(env.now_ms())}
    head |= {"status": result.status, "exit_code": int(result.exit_code)}
    document = jsonable(head | dict(result.payload), env.redact)
    command = f"qtops {result.schema.removeprefix('qtops.').partition('/')[0].split('.')[0]}"
    target = env.host.cwd / path.expanduser()
    replace(target, saved_html(document, Origin(command)).encode())
    env.notice(f"{target}: written")
