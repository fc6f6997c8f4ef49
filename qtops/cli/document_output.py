"""A document made by a command: on stdout as it is, or into a file at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtops.cli.context import AppContext
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Mark, Printer
from qtops.errors import ExitCode, UsageError


@dataclass(frozen=True, slots=True)
class Document:
    """A text without secrets, and the JSON that goes with it. `then` is the next command."""

    schema: str
    text: str
    payload: Mapping[str, Any]
    then: str = ""


def masked(env: AppContext, text: str) -> str:
    """`text` without what looks like a secret; that something was masked is said."""
    env.settings()  # what the settings call secret is known only once they are read
    clean = env.redact(text)
    if clean != text:
        env.warn("what looks like a secret was masked")
    return clean


def hand_over(env: AppContext, document: Document, out: Path | None, *, dry_run: bool) -> None:
    """To stdout, or atomically into `out`; a dry run shows the file and writes nothing."""
    if out is None:
        _emit(env, document, "rendered", lambda _: _write(env, document), dry_run=dry_run)
        return
    path = (env.host.cwd / out.expanduser()).resolve()  # a link stays one, its target changes
    change = _change(path, document.text.encode())
    where = {"out": path, "change": change}

    def shown(printer: Printer) -> None:
        printer.verdict(None, "dry run", f"nothing was written; {path}: {change}")
        _write(env, document)

    def written(printer: Printer) -> None:
        printer.verdict(Mark.OK, "written", f"{path}: {change}")
        if document.then:
            printer.hint(document.then)

    if dry_run:
        _emit(env, document, "dry_run", shown, dry_run=True, **where)
        return
    from qtops.files import replace

    replace(path, document.text.encode())
    _emit(env, document, "written", written, dry_run=False, **where)


def _emit(
    env: AppContext,
    document: Document,
    status: str,
    text: Callable[[Printer], None],
    **about: object,
) -> None:
    payload = {"out": None, "change": None} | about | dict(document.payload)
    emit(env, CommandResult(document.schema, status, ExitCode.OK, payload, text))


def _write(env: AppContext, document: Document) -> None:
    for line in document.text.removesuffix("\n").split("\n"):
        env.write_line(line)


def _change(path: Path, data: bytes) -> str:
    if not path.exists():
        return f"new, {len(data)} bytes"
    if not path.is_file():
        raise UsageError(f"--out: {path} is no file that could be replaced")
    old = path.read_bytes()
    return "as it was" if old == data else f"{len(old)} bytes replaced by {len(data)}"
