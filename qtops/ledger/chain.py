"""Whether a log is what was written: every line canonical, every hash right, nothing missing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qtops.errors import DecodeError
from qtops.ledger.entry import GENESIS, Entry, canonical, content_key, hash_of, is_signature

_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was written. `where` names the entry or line."""

    where: str
    text: str


@dataclass(slots=True)
class Reading:
    """A log as read: its records, and where it breaks."""

    records: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def head(self) -> str:
        return str(self.records[-1].get("entry_hash", "")) if self.records else GENESIS


def read_chain(data: bytes) -> Reading:
    """Every line, checked on its own and against the one before. Reads on after a fault."""
    reading = Reading()
    if data and not data.endswith(b"\n"):
        reading.faults.append(Fault("last line", "is not finished; a writer was cut off"))
        data = data[: data.rfind(b"\n") + 1]
    seen: set[str] = set()
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        record = _parse(line, number, reading)
        if record is None:
            continue
        before = reading.head
        for text in _faults(record, len(reading.records), before, seen):
            reading.faults.append(Fault(name_of(record, number), text))
        seen.add(str(record.get("operation_id")))
        reading.records.append(record)
    return reading


def name_of(record: Entry, line: int) -> str:
    """A record as people know it, with its line."""
    what = f"signature of {record['signature_of']}" if is_signature(record) else ""
    return f"{what or record.get('operation_id', '?')} (line {line})"


def _parse(line: bytes, number: int, reading: Reading) -> Entry | None:
    try:
        record = json.loads(line)
    except ValueError as error:
        reading.faults.append(Fault(f"line {number}", f"is not JSON: {error}"))
        return None
    if not isinstance(record, dict):
        reading.faults.append(Fault(f"line {number}", "is no record"))
        return None
    try:
        if canonical(record) != line:
            reading.faults.append(Fault(name_of(record, number), "is not in canonical form"))
    except DecodeError as error:
        reading.faults.append(Fault(name_of(record, number), error.message))
        return None
    return record


def _faults(record: Entry, index: int, before: str, seen: set[str]) -> Iterator[str]:
    if record.get("entry_hash") != hash_of(record):
        yield "was edited: its hash does not match its content"
    if record.get("prev_hash") != before:
        yield f"does not follow {before[:_SHORT]}: one before it was removed, inserted or moved"
    if record.get("seq") != index:
        yield f"has number {record.get('seq')} where {index} belongs"
    if is_signature(record):
        return
    if record.get("operation_id") in seen:
        yield "has an id that is already taken"
    if record.get("content_key") != content_key(record):
        yield "has a content key that does not match its content"


def check_head(records: Sequence[Any], expected: str, source: str) -> Fault | None:
    """Whether a head that was recorded elsewhere is still part of this log."""
    if expected == GENESIS or any(record.get("entry_hash") == expected for record in records):
        return None
    text = f"the recorded head {expected[:_SHORT]} is not in the log: its tail was cut or rewritten"
    return Fault(source, text)
