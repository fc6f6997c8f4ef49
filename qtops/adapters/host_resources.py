"""Disk, memory, load and the size of the logs, from /proc and the file system."""

import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from qtops.adapters.host_vitals import disk_vitals
from qtops.contracts.system_reading import HostReading

LOGS: Final = Path("/var/log")
_MOST_FILES: Final = 20_000


def host_resources(
    disks: Sequence[Path], proc: Path = Path("/proc"), logs: Path = LOGS
) -> HostReading:
    """What cannot be read is None. OSError when a disk cannot."""
    memory = dict(_memory(proc))
    load = _first_line(proc / "loadavg").split()
    return HostReading(
        disks=tuple(disk_vitals(disks)),
        memory_total=memory.get("MemTotal"),
        memory_available=memory.get("MemAvailable"),
        load=Decimal(load[1]) if len(load) > 1 else None,
        processors=os.cpu_count() or 1,
        log_bytes=_size(logs),
        log_filesystem_bytes=_filesystem(logs),
    )


def _memory(proc: Path) -> Iterator[tuple[str, int]]:
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdecimal():
            yield name, int(words[0]) * 1024


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return ""


def _size(root: Path) -> int | None:
    """Bytes on disk under `root`; None when it cannot be listed or holds too many files."""
    total = seen = 0
    unread: list[OSError] = []
    for directory, _, names in os.walk(root, onerror=unread.append):
        for name in names:
            seen += 1
            try:
                total += os.lstat(Path(directory) / name).st_blocks * 512
            except OSError as error:
                unread.append(error)
        if seen > _MOST_FILES:
            return None
    return None if unread else total


def _filesystem(root: Path) -> int | None:
    try:
        numbers = os.statvfs(root)
    except OSError:
        return None
    return numbers.f_blocks * numbers.f_frsize
