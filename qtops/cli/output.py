"""The result of a command on its way out: one JSON document, or text for people.

The same `CommandResult` feeds both; nothing is computed here.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

from qtops.cli.context import AppContext, speaks_utf8
from qtops.cli.printer import Printer
from qtops.cli.redaction import MASK, is_secret_field
from qtops.errors import ExitCode

ENVELOPE: Final = frozenset({"schema", "status", "exit_code"})
ERROR_SCHEMA: Final = "qtops.error/v1"
DONE_SCHEMA: Final = "qtops.done/v1"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command found. `payload` becomes top-level JSON keys; `text` prints the same."""

    schema: str
    status: str
    exit_code: ExitCode
    payload: Mapping[str, Any]
    text: Callable[[Printer], None]


def emit(env: AppContext, result: CommandResult) -> None:
    """Write the result and set the exit code. A command emits once, as its last act."""
    if env.emitted:
        raise RuntimeError("a command emitted twice")
    env.exit_code = result.exit_code
    if env.options.json:
        head = {"status": result.status, "exit_code": int(result.exit_code)}
        _write_document(env, result.schema, head, result.payload)
    else:
        env.emitted = True
        result.text(env.printer)


def emit_event(
    env: AppContext,
    schema: str,
    payload: Mapping[str, Any],
    text: Callable[[Printer], None],
) -> None:
    """One event, written out at once, for commands that go on (--follow, `sandbox up`).

    With --json each event is one line of JSON.
    """
    if env.options.json:
        _write_document(env, schema, {}, payload, indent=None)
    else:
        env.emitted = True
        text(env.printer)
    env.flush()


def emit_error(env: AppContext, error: Mapping[str, str], exit_code: int) -> None:
    """The document of a failed command; nothing when its result is already out."""
    if env.options.json and not env.emitted:
        payload = {"error": error}
        _write_document(env, ERROR_SCHEMA, {"status": "error", "exit_code": exit_code}, payload)


def emit_done(env: AppContext) -> None:
    """The document of a command that had nothing to say."""
    if env.options.json and not env.emitted:
        _write_document(env, DONE_SCHEMA, {"status": "ok", "exit_code": env.exit_code}, {})


def _write_document(
    env: AppContext,
    schema: str,
    head: Mapping[str, Any],
    payload: Mapping[str, Any],
    *,
    indent: int | None = 2,
) -> None:
    """Indented on a terminal, one line in a pipe."""
    indent = indent if env.host.stdout.isatty() else None
    text = _document(env, schema, head, payload, indent=indent)
    env.emitted = True
    env.write_line(text)


def document_text(env: AppContext, result: CommandResult) -> str:
    """The document of a result as a file holds it."""
    head = {"status": result.status, "exit_code": int(result.exit_code)}
    return _document(env, result.schema, head, result.payload, indent=2) + "\n"


def _document(
    env: AppContext,
    schema: str,
    head: Mapping[str, Any],
    payload: Mapping[str, Any],
    *,
    indent: int | None,
) -> str:
    """A payload may bring its own `timestamp`."""
    import json

    from qtops.contracts.codec import fmt_instant

    if clash := payload.keys() & ENVELOPE:
        raise ValueError(f"the payload of {schema} uses envelope keys: {', '.join(sorted(clash))}")
    document = {"schema": schema, "timestamp": fmt_instant(env.now_ms())} | dict(head)
    return json.dumps(
        jsonable(document | dict(payload), env.redact),
        ensure_ascii=not speaks_utf8(env.host.stdout),
        allow_nan=False,
        indent=indent,
    )


def jsonable(value: Any, redact: Callable[[str], str]) -> Any:
    """`value` as JSON types, its strings masked. Decimals stay exact: they become strings."""
    match value:
        case Enum():
            return jsonable(value.value, redact)
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {redact(str(key)): _field(str(key), item, redact) for key, item in value.items()}
        case list() | tuple():
            return [jsonable(item, redact) for item in value]
        case _:
            return _other_jsonable(value, redact)


def _field(name: str, item: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(item, str) and is_secret_field(name, item):
        return MASK
    return jsonable(item, redact)


def _other_jsonable(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case Decimal():
            return format(value, "f")
        case PurePath():
            return redact(str(value))
        case set() | frozenset():
            return sorted(jsonable(item, redact) for item in value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case _ if is_dataclass(value) and not isinstance(value, type):
            return jsonable(asdict(value), redact)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
