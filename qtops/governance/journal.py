"""The operations of one root on disk: open ones, ended ones, and the lock that each has."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from qtops.errors import DecodeError, HostError
from qtops.files import held, is_held, replace, sync_directory
from qtops.governance.obligations import DIRECTORY, obligation_path
from qtops.governance.operation import Operation, operation_from, record_of

ENDED: Final = "ledger/operations"
_WAIT_S: Final = 1.0


class Journal:
    """Where operations are kept, by the directory that holds `ledger/`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open_ids(self) -> list[str]:
        """In the order of their ids."""
        return sorted(path.stem for path in (self._root / DIRECTORY).glob("*.json"))

    def load(self, operation_id: str) -> Operation:
        """An open operation. HostError when it is not open, or its record is unreadable."""
        if operation := _read(obligation_path(self._root, operation_id)):
            return operation
        if self._ended(operation_id).exists():
            hint = f"qtops ops status {operation_id}"
            raise HostError(f"{operation_id} has ended", hint=hint)
        raise HostError(f"no operation {operation_id}", hint="qtops ops status")

    def recall(self, operation_id: str) -> Operation:
        """An open operation, or one that has ended. HostError as `load`."""
        return _read(self._ended(operation_id)) or self.load(operation_id)

    def is_open(self, operation_id: str) -> bool:
        return obligation_path(self._root, operation_id).exists()

    def save(self, operation: Operation) -> None:
        """On the disk when this returns."""
        path = obligation_path(self._root, operation.operation_id)
        replace(path, _data(operation), durable=True)
        sync_directory(path.parent)

    def report_path(self, operation_id: str) -> Path:
        return self._root / ENDED / f"{operation_id}.md"

    def put_report(self, operation_id: str, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        replace(self.report_path(operation_id), data, durable=True)

    def file_away(self, operation: Operation) -> None:
        """From the open ones to the ended ones; there is no moment at which it is in neither."""
        ended = self._ended(operation.operation_id)
        replace(ended, _data(operation), durable=True)
        sync_directory(ended.parent)
        path = obligation_path(self._root, operation.operation_id)
        path.unlink(missing_ok=True)
        sync_directory(path.parent)

    @contextmanager
    def held(self, operation_id: str) -> Iterator[int]:
        """Only one hand on an operation. Hardly waits: who holds it may be a step of hours.

        Yields the lock's descriptor, for the commands that are run under it. HostError when taken.
        """
        lock = self._lock(operation_id)
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(held(lock, _WAIT_S))
            except HostError as error:
                message = f"a command of {operation_id} is still running"
                raise HostError(message, hint=f"fuser -v {lock}") from error
            try:
                yield descriptor
            finally:
                if not self.is_open(operation_id):
                    lock.unlink(missing_ok=True)

    def is_busy(self, operation_id: str) -> bool:
        """Somebody works on it, or a command outlived whoever started it."""
        return is_held(self._lock(operation_id))

    def _lock(self, operation_id: str) -> Path:
        return self._root / DIRECTORY / f".{operation_id}.lock"

    def _ended(self, operation_id: str) -> Path:
        return self._root / ENDED / f"{operation_id}.json"


def _read(path: Path) -> Operation | None:
    """None when there is no such file."""
    try:
        return operation_from(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (DecodeError, ValueError, TypeError) as error:
        raise HostError(f"{path} is unreadable: {error}", hint=f"cat {path}") from error


def _data(operation: Operation) -> bytes:
    return json.dumps(record_of(operation), indent=1).encode() + b"\n"
