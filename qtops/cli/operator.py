"""What the commands that change a stop switch share: who asks, and what exactly would change."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Printer
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.control import ControlChange

LONGEST_TEXT = 500


def who_asks(env: AppContext, by: str | None) -> str:
    """`--by`, or user@host of whoever started this, behind sudo too."""
    if by is not None:
        return said(by, "--by") or _refuse_empty("--by")
    import socket

    return f"{env.host.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def said(text: str, option: str) -> str:
    """An operator's words for the record: one line, not too long."""
    line = " ".join(text.split())
    if len(line) > LONGEST_TEXT:
        raise UsageError(f"{option}: at most {LONGEST_TEXT} characters")
    return line


def _refuse_empty(option: str) -> str:
    raise UsageError(f"{option}: nobody is named")


def _user() -> str:
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def emit_dry_run(
    env: AppContext, schema: str, change: "ControlChange", changes: Mapping[str, tuple[Any, Any]]
) -> None:
    """The exact change, key by key, from what to what. Nothing was written."""
    rows = [{"name": name, "from": old, "to": new} for name, (old, new) in changes.items()]
    fields = change.to_fields()

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", "nothing was changed")
        for row in rows:
            out.line(f"{row['name']}: {_value(row['from'])} → {_value(row['to'])}")
        for name, value in fields.items():
            out.line(f"  {name}={value}")

    payload = {"dry_run": True, "changes": rows, "record": fields}
    emit(env, CommandResult(schema, "dry_run", ExitCode.OK, payload, text))


def _value(value: Any) -> str:
    return "not set" if value is None else str(value)
