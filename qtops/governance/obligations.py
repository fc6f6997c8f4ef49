"""What was begun and not brought to an end: one file each in `<root>/ledger/open/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DIRECTORY: Final = "ledger/open"


@dataclass(frozen=True, slots=True)
class Obligation:
    """Somebody owes an end to it. `command` is the next command, which leads there."""

    operation_id: str
    what: str
    opened_at_ms: int
    by: str
    command: str


def obligation_path(root: Path, operation_id: str) -> Path:
    """Where an operation is kept while it is open."""
    return root / DIRECTORY / f"{operation_id}.json"


def open_obligations(root: Path) -> list[Obligation]:
    """Oldest first. A file that cannot be read is an obligation too, never skipped."""
    found = [_obligation(path) for path in (root / DIRECTORY).glob("*.json")]
    return sorted(found, key=lambda one: (one.opened_at_ms, one.operation_id))


def _obligation(path: Path) -> Obligation:
    try:
        return _from_record(path.stem, json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Obligation(path.stem, f"unreadable file {path}", 0, "UNKNOWN", f"cat {path}")


def _from_record(operation_id: str, record: Mapping[str, Any]) -> Obligation:
    return Obligation(
        operation_id=operation_id,
        what=str(record["what"]),
        opened_at_ms=int(record["opened_at_ms"]),
        by=str(record["by"]),
        command=f"qtops ops end {operation_id}",
    )
