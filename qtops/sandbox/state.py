"""A sandbox's directory: whose it is, whether that one lives, and what it wrote down.

`sandbox.lock` is locked (flock) as long as the supervisor lives, whatever kills it, and holds its
process id. `sandbox.json` has what `sandbox up --json` prints.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from time import monotonic, sleep
from typing import Any, Final

from qtops.errors import HostError

STATE_SCHEMA: Final = "qtops.sandbox.up/v1"
STATE_FILE: Final = "sandbox.json"
ENV_FILE: Final = "env"
CONTROL_SOCKET: Final = "control.sock"
_ENV_FILES: Final = "env.d"
_LOCK_FILE: Final = "sandbox.lock"
_OURS: Final = (STATE_FILE, ENV_FILE, CONTROL_SOCKET, _ENV_FILES, "logs", "journal")
_RUNTIME_PREFIX: Final = "qtops-redis-"
_ATTEMPTS: Final = 5
_POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a directory. `pid` is the supervisor's while it lives, 0 when not known yet."""

    directory: Path
    pid: int | None
    state: Mapping[str, Any] | None

    @property
    def is_stale(self) -> bool:
        """A sandbox that could not clean up behind itself."""
        return self.pid is None and self.state is not None


def look(directory: Path) -> Found:
    """Reads only."""
    return Found(directory, _living_pid(directory / _LOCK_FILE), _read_state(directory))


def wait_until_gone(directory: Path, timeout_s: float) -> bool:
    """True once the supervisor has ended, which is after it has cleaned up."""
    deadline = monotonic() + timeout_s
    while _living_pid(directory / _LOCK_FILE) is not None:
        if monotonic() > deadline:
            return False
        sleep(_POLL_S)
    return True


def clean_stale(found: Found) -> None:
    """Remove what a dead sandbox left, and its directory where that was not the operator's."""
    place = SandboxDirectory(found.directory, keep=bool((found.state or {}).get("keep", True)))
    place.take_over()
    place.release()


class SandboxDirectory:
    """The directory of one sandbox. With `keep` logs and journal stay after `release`."""

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.path = path
        self.keep = keep
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    def env_file(self, service: str) -> Path:
        """What a service finds in its environment besides; read whenever it starts."""
        return self.path / _ENV_FILES / f"{service}.env"

    def claim(self) -> None:
        """Make it ours, or say who has it. What an earlier sandbox left in it is removed."""
        try:
            self.take_over()
            self._remove(_OURS)
            self.logs.mkdir(mode=0o700)
            self.journal.mkdir(mode=0o700)
            (self.path / _ENV_FILES).mkdir(mode=0o700)
        except OSError as error:
            raise HostError(f"{self.path} cannot be a sandbox: {error.strerror}") from error

    def take_over(self) -> None:
        """Make it ours as it is."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.path / _LOCK_FILE
        if any(self.path.iterdir()) and not lock.exists():
            raise HostError(
                f"{self.path} has files that no sandbox wrote",
                hint="give --dir a directory that is empty or does not exist",
            )
        self._lock = _locked(lock)
        if self._lock is None:
            raise HostError(
                f"a sandbox runs in {self.path} already (pid {_pid_in(lock) or 'unknown'})",
                hint=f"qtops sandbox down --dir {self.path}, or give another --dir",
            )
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        _remove_runtime(_read_state(self.path))

    def release(self) -> None:
        """Leave it as nobody's. Idempotent."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if self.keep:
            self._remove((STATE_FILE, ENV_FILE, CONTROL_SOCKET, _ENV_FILES))
        else:
            shutil.rmtree(self.path, ignore_errors=True)
            with suppress(OSError):  # .qtops, when nothing else is in it
                if self.path.parent.name == ".qtops":
                    self.path.parent.rmdir()
        os.close(lock)

    def write(self, name: str, text: str) -> None:
        """Replace a file in one step; only its owner may read it."""
        fresh = self.path / f".{name}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(self.path / name)

    def write_state(self, state: Mapping[str, Any]) -> None:
        self.write(STATE_FILE, json.dumps({"schema": STATE_SCHEMA, **state, "keep": self.keep}))

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _locked(path: Path) -> int | None:
    """The descriptor that holds the lock; None while a living process holds it.

    A few attempts, because somebody who merely looks holds it for a moment.
    """
    for _ in range(_ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except OSError:
            sleep(_POLL_S)
        os.close(descriptor)
    return None


def _living_pid(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _pid_in(path)
    finally:
        os.close(descriptor)
    return None


def _pid_in(path: Path) -> int:
    """0 in the moment before it is written."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return 0


def _read_state(directory: Path) -> Mapping[str, Any] | None:
    try:
        state = json.loads((directory / STATE_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _remove_runtime(state: Mapping[str, Any] | None) -> None:
    """The socket directory of a Redis that died with its supervisor."""
    runtime = Path(str((state or {}).get("runtime_dir") or "/"))
    allowed = {Path(gettempdir()), Path("/tmp")}  # noqa: S108  where redis_server makes them
    if runtime.name.startswith(_RUNTIME_PREFIX) and runtime.parent in allowed:
        shutil.rmtree(runtime, ignore_errors=True)
