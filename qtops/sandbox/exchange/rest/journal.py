"""State on disk: an append-only file of JSON lines, synced before the client is answered.

One line is one change of state, whole or not at all: a line that a crash left unfinished is cut off
at the next start. Credentials are never written.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, get_type_hints

from qtops.errors import ConfigError, HostError
from qtops.sandbox.exchange.core.orders import Order, Trade
from qtops.sandbox.exchange.core.positions import Position
from qtops.sandbox.exchange.core.state import Account, MarkChange, Record, SymbolState, Transfer

FORMAT: Final = {"qtops_exchange_journal": 1}
_KINDS: Final[dict[str, type[Record]]] = {
    kind.__name__: kind
    for kind in (Account, SymbolState, MarkChange, Transfer, Order, Trade, Position)
}
_TAG: Final = "record"
_HINTS: Final = {name: get_type_hints(kind) for name, kind in _KINDS.items()}


def encode(record: Record) -> dict[str, Any]:
    """A record as JSON: its kind and its fields, decimals as text."""
    row: dict[str, Any] = {_TAG: type(record).__name__}
    for item in fields(record):
        value = getattr(record, item.name)
        row[item.name] = str(value) if isinstance(value, Decimal) else value
    return row


def decode(row: dict[str, Any]) -> Record:
    """The record `encode` wrote. Raises KeyError, TypeError or ValueError when it is not one."""
    kind = row[_TAG]
    hints = _HINTS[kind]
    values: dict[str, Any] = {
        name: Decimal(value) if hints[name] is Decimal else value
        for name, value in row.items()
        if name != _TAG
    }
    return _KINDS[kind](**values)


class Journal:
    """One file, one writer. A second server on the same file is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open_alone(path)
        except OSError as error:
            raise HostError(
                f"journal {path}: {error.strerror or error}",
                hint="Is another sandbox exchange using it?",
            ) from error

    def load(self) -> list[Record]:
        """All records, oldest first; empty for a new file."""
        self._file.seek(0)
        content = self._file.read()
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            self._file.truncate(len(content) - len(torn))
        if not whole:
            self._write(FORMAT)
            return []
        head, *lines = whole.split(b"\n")
        try:
            if json.loads(head) != FORMAT:
                raise ValueError("another format")  # noqa: TRY301 -- one message for all
            return [decode(row) for line in lines for row in json.loads(line)]
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise ConfigError(
                f"journal {self._path} is damaged: {type(error).__name__}",
                hint="Move it away to start afresh.",
            ) from error

    def append(self, records: Iterable[Record]) -> None:
        """Write a change and wait until the disk has it."""
        rows = [encode(record) for record in records]
        if rows:
            self._write(rows)

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Any) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _open_alone(path: Path) -> IO[bytes]:
    """The file, locked against other processes. Raises OSError when it is in use."""
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
