"""Files that are whole or absent, and a lock that dies with its holder."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from qtops.errors import HostError

LOCK_WAIT_S: Final = 60.0
_POLL_S: Final = 0.01
_MODE: Final = 0o644


@contextmanager
def held(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """The lock of the kernel on `path`; the file stays, the lock goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        _wait_for(descriptor, path, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                message = f"another process holds {path}"
                raise HostError(message, hint="try again when it is done") from None
            time.sleep(_POLL_S)
        else:
            return


def replace(path: Path, *parts: bytes | memoryview, durable: bool = False) -> None:
    """The old file or the new one, of `parts` one after another; permissions are kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def append_line(path: Path, line: bytes) -> None:
    """One line more, on the disk when this returns."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        if os.write(descriptor, line) != len(line):
            raise HostError(
                f"{path}: the disk took only a part of the line", hint="free some space"
            )
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """A new name survives a power cut only with its directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
