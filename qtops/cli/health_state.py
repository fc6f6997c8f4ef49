"""`qtops health --state FILE`: what the pass before said, so that only a change is worth a word."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtops.cli.context import AppContext
from qtops.cli.spans import span

if TYPE_CHECKING:
    from qtops.contracts.alerting import Alert, Watch
    from qtops.contracts.health import Health

LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """What a pass found, and whether that is news. Without a state every verdict is said."""

    health: "Health"
    took_ms: int
    alert: "Alert | None" = None
    is_watched: bool = False

    @property
    def is_news(self) -> bool:
        return self.alert is not None or not self.is_watched


def note_change(env: AppContext, path: Path, found: "Health", took_ms: int) -> Said:
    """Compare with the file, write it anew, and say what there is to say.

    A file that cannot be read starts anew, and one that cannot be written would repeat or swallow
    alarms: either is a finding of the pass, and makes it speak.
    """
    from qtops.contracts.alerting import encode_watch, observe
    from qtops.files import replace

    path = env.host.cwd / path
    watch, fault = _read(path)
    watch, alert = observe(watch, found.status, env.now_ms())
    try:
        replace(path, encode_watch(watch).encode())
    except OSError as error:
        fault = f"state {path} was not written: {error.strerror}"
    if fault:
        return Said(_with_fault(found, path, fault), took_ms, alert)
    return Said(found, took_ms, alert, is_watched=True)


def _read(path: Path) -> "tuple[Watch, str]":
    from qtops.contracts.alerting import Watch, decode_watch
    from qtops.errors import DecodeError

    try:
        with path.open(encoding="utf-8") as stream:
            return decode_watch(stream.read(LARGEST)), ""
    except FileNotFoundError:
        return Watch(), ""
    except (OSError, UnicodeDecodeError) as error:
        return Watch(), f"state {path} cannot be read: {error}"
    except DecodeError as error:
        return Watch(), f"state {path} cannot be read: {error.message}"


def _with_fault(found: "Health", path: Path, fault: str) -> "Health":
    from qtops.contracts.health import Check, Finding, Health, Status

    finding = Finding(Status.WARN, fault, f"ls -l {path}")
    return Health((*found.checks, Check("state", "not kept", (finding,))))


def alert_text(alert: "Alert") -> str:
    """`was OK for 3 h`, behind the verdict."""
    from qtops.contracts.alerting import AlertKind
    from qtops.reports.health import WORDS

    held = span(alert.held_ms)
    if alert.kind is AlertKind.FLAPPING:
        return f"flapping, {alert.changes} changes; quiet until it settles"
    if alert.kind is AlertKind.SETTLED:
        return f"settled after {held}"
    return f"was {WORDS[alert.before]} for {held}"


def alert_payload(alert: "Alert | None") -> dict[str, Any] | None:
    """As JSON has it; null when there is nothing to say."""
    if alert is None:
        return None
    return {
        "kind": alert.kind.value,
        "before": alert.before.value,
        "now": alert.now.value,
        "held_ms": alert.held_ms,
        "changes": alert.changes,
    }
