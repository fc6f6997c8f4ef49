"""What `qtops health` reads of this machine: file systems, and failed units of systemd."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from qtops.adapters.host_program import output_of
from qtops.contracts.vitals import DiskVitals
from qtops.errors import HostError

SYSTEMD_RUNS: Final = Path("/run/systemd/system")  # what sd_booted(3) looks at
UNITS: Final = ("quantum-*", "qtops-*")
_LIST_FAILED: Final = ("list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--all")

_SHOW: Final = ("show", "--property=Id,WorkingDirectory,ExecStart", "--no-pager", "--")


def disk_vitals(paths: Sequence[Path]) -> Sequence[DiskVitals]:
    """Each file system the paths lie on once, as an ordinary user may fill it. Raises OSError."""
    by_device = {path.stat().st_dev: path for path in reversed(paths)}
    return [_vitals(by_device[device]) for device in reversed(by_device)]


def _vitals(path: Path) -> DiskVitals:
    numbers = os.statvfs(path)
    inodes = _ratio(numbers.f_favail, numbers.f_files) if numbers.f_files else None
    free = _ratio(numbers.f_bavail, numbers.f_blocks)
    return DiskVitals(str(path), numbers.f_bavail * numbers.f_frsize, free, inodes)


def _ratio(free: int, total: int) -> Decimal:
    return round(Decimal(free) / max(1, total), 4)


def runs_systemd(runs: Path = SYSTEMD_RUNS) -> bool:
    """Whether systemd is the init here; see sd_booted(3)."""
    return runs.is_dir()


async def failed_units(program: str = "systemctl") -> Sequence[str]:
    """Names of our units that have failed. HostError when systemctl cannot say."""
    out = await output_of([program, *_LIST_FAILED, *UNITS])
    return [line.split()[0] for line in out.splitlines() if line.split()]


async def unit_commands(
    program: str = "systemctl", runs: Path = SYSTEMD_RUNS
) -> Sequence[Mapping[str, str]]:
    """Id, WorkingDirectory and ExecStart of our loaded units, as `systemctl show` says them.

    HostError where systemd is not the init, or cannot say.
    """
    if not runs_systemd(runs):
        raise HostError("systemd is not the init here")
    out = await output_of([program, *_SHOW, *UNITS])
    blocks = [block.splitlines() for block in out.split("\n\n") if block.strip()]
    return [dict(line.split("=", 1) for line in block if "=" in line) for block in blocks]
