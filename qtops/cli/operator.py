"""What the commands that change a stop switch share: who asks, and what exactly would change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Printer
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.control import ControlChange
    from qtops.contracts.reconcile import ReconcileEvent
    from qtops.ports import ControlReading

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


async def read_control(env: AppContext) -> "ControlReading":
    """The stop switches, as one reading."""
    from qtops.wiring.operator import control_store

    async with control_store(env.settings()) as store:
        return await store.read()


def change_payload(switch: str, change: "ControlChange") -> dict[str, Any]:
    """A change that was made, as JSON has it."""
    from qtops.contracts.codec import fmt_instant

    return {
        "dry_run": False,
        switch: change.value,
        "previous": change.previous or None,
        "by": change.by,
        "at": fmt_instant(change.at_ms),
        "reason": change.reason,
    }


def emit_dry_run(
    env: AppContext,
    schema: str,
    change: "ControlChange | ReconcileEvent | None",
    keys: Mapping[str, tuple[Any, Any]],
    stream: str,
    sends: Sequence[str] = (),
) -> None:
    """The exact change: each key from what to what, and the entry the audit stream would get.

    `sends` is what the exchange would be told; without a `change` nothing is written.
    """
    rows = [{"name": name, "from": old, "to": new} for name, (old, new) in keys.items()]
    entry = change.to_fields() if change else None

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", "nothing was changed")
        for row in rows:
            out.line(f"{row['name']}: {_value(row['from'])} → {_value(row['to'])}")
        if entry:
            out.line(f"{stream}: one entry more, {_value(entry)}")
        for line in sends:
            out.line(f"exchange: {line}")

    payload: dict[str, Any] = {"dry_run": True, "changes": rows}
    if entry:
        payload["appends"] = {"name": stream, "fields": entry}
    if sends:
        payload["sends"] = list(sends)
    emit(env, CommandResult(schema, "dry_run", ExitCode.OK, payload, text))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={text}" for name, text in value.items())
    return "not set" if value is None else str(value)
