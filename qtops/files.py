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
def held(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[int]:
    """The lock of the kernel on `path`; the file stays, the lock goes with the process.

    A child that is handed the descriptor keeps the lock when its parent is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        _wait_for(descriptor, path, time.monotonic() + wait_s)
        try:
            yield descriptor
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody has the lock; asking writes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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


def replace(
    path: Path, *parts: bytes | memoryview, durable: bool = False, like: Path | None = None
) -> None:
    """The old file or the new one, of `parts` one after another; permissions and owner are kept.

    A new file gets those of `like`, when that exists. OSError when the owner cannot be kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    model = next((one for one in (path, like) if one is not None and one.exists()), None)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            _take_after(descriptor, model)
            if durable:
                os.fsync(descriptor)
        Path(name).replace(path)
        if durable:
            sync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _take_after(descriptor: int, model: Path | None) -> None:
    if model is None:
        os.fchmod(descriptor, _MODE)
        return
    there, own = model.stat(), os.fstat(descriptor)
    if (there.st_uid, there.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(descriptor, there.st_uid, there.st_gid)
    os.fchmod(descriptor, there.st_mode & 0o7777)


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
