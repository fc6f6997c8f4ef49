"""What a rollback was about to do, on the disk before it does it.

One file each, replaced whole. A journal in state `applying` or `undoing` that nobody works on is
one whose process died; the lock of `Journals` tells the two apart.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from qtops.errors import HostError, UsageError
from qtops.files import LOCK_WAIT_S, held, is_held, replace
from qtops.rollback.steps import AnyStep, from_fields, to_fields

SCHEMA: Final = "qtops.rollback.journal/v1"
_PRIVATE_MODE: Final = 0o700


class State(StrEnum):
    """Where a rollback stands."""

    APPLYING = "applying"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class Stage(StrEnum):
    """Where one step stands. `started` is written before anything happens."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    UNDONE = "undone"


@dataclass(slots=True)
class Journal:
    """One rollback. `confirm_by_ms` is 0 when nobody has to confirm it, or somebody has."""

    rollback_id: str
    kind: str
    by: str
    reason: str
    started_ms: int
    redis: str
    steps: list[AnyStep]
    stages: list[Stage]
    state: State = State.APPLYING
    confirm_by_ms: int = 0
    ledger_root: str = ""
    ledger_id: str = ""
    fault: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Its process died, or what it had to take back did not come back."""
        return self.state in {State.APPLYING, State.UNDOING}

    @property
    def is_unconfirmed(self) -> bool:
        """It stands, and is taken back unless somebody confirms it."""
        return self.state is State.DONE and self.confirm_by_ms > 0


class Journals:
    """Every journal of one machine, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "rollbacks"

    @contextmanager
    def locked(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """One rollback at a time."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_MODE)
        with held(self.directory / ".lock", wait_s):
            yield

    def is_locked(self) -> bool:
        """Whether some process is at work on a rollback."""
        return is_held(self.directory / ".lock")

    def write(self, journal: Journal) -> None:
        """On the disk when this returns."""
        fields = asdict(journal) | {"steps": [to_fields(step) for step in journal.steps]}
        document = {"schema": SCHEMA, **fields}
        text = json.dumps(document, indent=1, default=str)
        replace(self._path(journal.rollback_id), f"{text}\n".encode(), durable=True)

    def read(self, rollback_id: str) -> Journal:
        """UsageError when there is none; HostError when it cannot be understood."""
        path = self._path(rollback_id)
        if Path(rollback_id).name != rollback_id or not path.is_file():
            raise UsageError(f"there is no rollback {rollback_id}", hint="qtops rollback list")
        try:
            return _journal(json.loads(path.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{path} is not a journal of this version ({error})"
            raise HostError(
                message, hint="move the file away once its changes are dealt with"
            ) from error

    def every(self) -> list[Journal]:
        """Oldest first."""
        return [self.read(path.stem) for path in sorted(self.directory.glob("RB-*.json"))]

    def open(self) -> Journal | None:
        """The rollback that has to be finished, undone or confirmed before the next one."""
        return next(iter(self.owed()), None)

    def owed(self) -> list[Journal]:
        """Every rollback that is cut off or not confirmed, oldest first."""
        return [one for one in self.every() if one.is_unfinished or one.is_unconfirmed]

    def arm(self, rollback_id: str) -> None:
        """Whoever will take it back unless it is confirmed says so."""
        replace(self._armed(rollback_id), b"")

    def disarm(self, rollback_id: str) -> None:
        """Forget who said so."""
        self._armed(rollback_id).unlink(missing_ok=True)

    def is_armed(self, rollback_id: str) -> bool:
        return self._armed(rollback_id).exists()

    def log(self, rollback_id: str) -> Path:
        """What that process has to say."""
        return self.directory / f"{rollback_id}.log"

    def new_id(self, stem: str) -> str:
        """`stem`, or with a number behind it when that is taken."""
        names = [f"RB-{stem}", *(f"RB-{stem}-{number}" for number in range(2, 1000))]
        free = (name for name in names if not self._path(name).exists())
        return next(free)

    def _armed(self, rollback_id: str) -> Path:
        return self.directory / f"{rollback_id}.armed"

    def _path(self, rollback_id: str) -> Path:
        return self.directory / f"{rollback_id}.json"


def _journal(fields: dict[str, Any]) -> Journal:
    schema = fields.pop("schema")
    if schema != SCHEMA:
        raise ValueError(schema)
    return Journal(
        **fields
        | {
            "steps": [from_fields(step) for step in fields["steps"]],
            "stages": [Stage(stage) for stage in fields["stages"]],
            "state": State(fields["state"]),
        }
    )
