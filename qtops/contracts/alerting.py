"""When a changed verdict is worth a word: once a change has held, and not while it flaps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from qtops.contracts.health import Status
from qtops.errors import DecodeError

HOLDS_FOR: Final = 2
WINDOW: Final = 20
FLAPS_FROM: Final = 6
SETTLED_AT: Final = 2
SCHEMA: Final = "qtops.health.state/v1"


class AlertKind(StrEnum):
    """What there is to say."""

    CHANGED = "changed"
    FLAPPING = "flapping"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Alert:
    """A verdict that differs from the one last said. `held_ms` is how long that one stood."""

    kind: AlertKind
    before: Status
    now: Status
    held_ms: int
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """What was last said, and the verdicts of the last passes, oldest first."""

    said: Status = Status.OK
    since_ms: int = 0
    recent: tuple[Status, ...] = ()
    is_flapping: bool = False

    @property
    def changes(self) -> int:
        """How often the verdict differed from the one before, in the window."""
        return sum(a is not b for a, b in zip(self.recent, self.recent[1:], strict=False))


def observe(watch: Watch, status: Status, now_ms: int) -> tuple[Watch, Alert | None]:
    """The watch after one more pass, and what to say, if anything.

    FAIL is said at once; every other change when it has held for two passes. From six changes in
    the last twenty passes on it flaps, which is said once; then nothing until two changes or fewer
    are left in the window. The first pass of all speaks only when it is not OK.
    """
    since_ms = watch.since_ms or now_ms
    recent = (*watch.recent, status)[-WINDOW:]
    seen = replace(watch, recent=recent, since_ms=since_ms)
    held_ms = max(0, now_ms - since_ms)
    if seen.is_flapping:
        if seen.changes > SETTLED_AT:
            return seen, None
        calm = Watch(status, now_ms, recent)
        return calm, Alert(AlertKind.SETTLED, watch.said, status, held_ms)
    if seen.changes >= FLAPS_FROM:
        alert = Alert(AlertKind.FLAPPING, watch.said, status, held_ms, seen.changes)
        return replace(seen, is_flapping=True), alert
    if status is watch.said or not _has_held(recent):
        return seen, None
    return Watch(status, now_ms, recent), Alert(AlertKind.CHANGED, watch.said, status, held_ms)


def _has_held(recent: tuple[Status, ...]) -> bool:
    newest = recent[-1]
    return newest is Status.FAIL or recent[-HOLDS_FOR:] == (newest,) * HOLDS_FOR


def encode_watch(watch: Watch) -> str:
    """The state file."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "said": watch.said.value,
            "since_ms": watch.since_ms,
            "recent": [status.value for status in watch.recent],
            "is_flapping": watch.is_flapping,
        }
    )


def decode_watch(text: str) -> Watch:
    """Strict. Raises DecodeError: a state that cannot be read is not a state of health."""
    try:
        body: Any = json.loads(text)
        if not isinstance(body, Mapping) or body.get("schema") != SCHEMA:
            raise DecodeError("bad_state", "schema", f"no {SCHEMA} document")
        return Watch(
            said=Status(body["said"]),
            since_ms=int(body["since_ms"]),
            recent=tuple(Status(word) for word in body["recent"])[-WINDOW:],
            is_flapping=body["is_flapping"] is True,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError("bad_state", "state", f"state: {error}") from None
