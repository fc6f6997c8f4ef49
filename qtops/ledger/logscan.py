"""Questions about a log without parsing it: an append costs the same at any length, nearly."""

import json
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from qtops.errors import DecodeError
from qtops.ledger.entry import GENESIS, Entry, next_id


class LogScan:
    """The bytes of a log. A quoted name cannot occur inside a value: JSON escapes its quotes."""

    def __init__(self, data: "mmap.mmap | bytes") -> None:
        self._data = data

    @classmethod
    @contextmanager
    def of(cls, path: Path) -> Iterator["LogScan"]:
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            yield cls(b"")
            return
        with stream:
            if not path.stat().st_size:
                yield cls(b"")
                return
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield cls(data)

    @property
    def torn(self) -> int:
        """How many bytes stand after the last finished line."""
        return len(self._data) - (self._data.rfind(b"\n") + 1)

    def tail(self) -> tuple[int, str]:
        """(number for the next record, hash of the last)."""
        end = self._data.rfind(b"\n")
        if end < 0:
            return 0, GENESIS
        record = self._record(self._data.rfind(b"\n", 0, end) + 1, end)
        try:
            return int(record["seq"]) + 1, str(record["entry_hash"])
        except (KeyError, ValueError, TypeError) as error:
            message = "the last line of the log is no chained record"
            raise DecodeError("bad_log", "log.jsonl", message) from error

    def find(self, name: str, value: str) -> Entry | None:
        """The first record whose `name` is `value`."""
        needle = f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}".encode()
        position = self._data.find(needle)
        while position >= 0:
            end = self._data.find(b"\n", position)
            end = end if end >= 0 else len(self._data)
            record = self._record(self._data.rfind(b"\n", 0, position) + 1, end)
            if record.get(name) == value:
                return record
            position = self._data.find(needle, end)
        return None

    def first_id(self, month: str) -> str:
        """The first id of a month in the log; empty when it has none."""
        return next(self._ids(f'"operation_id":"OPS-{month}-'.encode()), "")

    def next_id(self, day: str, reserved: Iterable[str] = ()) -> str:
        """The first free id of the day; `reserved` are taken, though not in the log."""
        return next_id(day, chain(reserved, self._ids(f'"operation_id":"OPS-{day}-'.encode())))

    def _ids(self, needle: bytes) -> Iterator[str]:
        position = self._data.find(needle)
        while position >= 0:
            start = position + len(b'"operation_id":"')
            yield self._data[start : self._data.find(b'"', start)].decode()
            position = self._data.find(needle, start)

    def _record(self, start: int, end: int) -> Entry:
        try:
            record = json.loads(self._data[start:end])
        except ValueError as error:
            message = "a line of the log is not JSON"
            raise DecodeError("bad_log", "log.jsonl", message) from error
        return record if isinstance(record, dict) else {}
