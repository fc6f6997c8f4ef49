"""Our units as systemd and the journal know them. Reads only."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from qtops.adapters.host_program import output_of
from qtops.adapters.host_vitals import SYSTEMD_RUNS, runs_systemd
from qtops.contracts.system_reading import UnitState
from qtops.errors import HostError
from qtops.ports import Clock

GLOBS: Final = ("quantum-*.service", "qtops-*.service")
LOG_LINES: Final = 60
_LONGEST_LINE: Final = 300
_PROPERTIES: Final = (
    "Id,LoadState,ActiveState,SubState,Type,UnitFileState,Result,ExecMainStatus,NRestarts,"
    "ExecMainStartTimestampMonotonic,User,WorkingDirectory,EnvironmentFiles,"
    "ExecStart,NeedDaemonReload"
)
_ARGV: Final = re.compile(r"argv\[\]=(.*?) ;")
_ENV_FILE: Final = re.compile(r"^(.*) \(ignore_errors=(?:yes|no)\)$")


class HostUnits:
    """What `systemctl` and `journalctl` say. Every method raises HostError when they cannot."""

    def __init__(
        self,
        clock: Clock,
        *,
        systemctl: str = "systemctl",
        journalctl: str = "journalctl",
        runs: Path = SYSTEMD_RUNS,
        proc: Path = Path("/proc"),
    ) -> None:
        self._clock = clock
        self._systemctl = systemctl
        self._journalctl = journalctl
        self._runs = runs
        self._proc = proc

    async def states(self) -> Sequence[UnitState]:
        """Loaded units, and those that have a file and are not loaded."""
        if not runs_systemd(self._runs):
            raise HostError("systemd is not the init here")
        shown, files = await asyncio.gather(
            output_of([self._systemctl, "show", f"--property={_PROPERTIES}", "--", *GLOBS]),
            self._files(),
        )
        boot_ms = self._boot_ms()
        loaded = {unit.name: unit for unit in map(_unit(boot_ms), _blocks(shown))}
        for line in files.splitlines():
            name, state, *_ = [*line.split(), "", ""]
            if name and name not in loaded and "@." not in name:
                load = "masked" if state == "masked" else "not-loaded"
                loaded[name] = UnitState(name, load, "inactive", file_state=state)
        return [loaded[name] for name in sorted(loaded)]

    async def _files(self) -> str:
        command = [self._systemctl, "list-unit-files", "--no-legend", "--no-pager", *GLOBS]
        try:
            return await output_of(command)
        except HostError as error:
            if error.message.endswith("ended with 1: "):
                return ""  # how some versions say that no file fits
            raise

    async def log(self, unit: str) -> tuple[str, ...]:
        """The unit's last lines, oldest first."""
        command = [self._journalctl, "--unit", unit, "--lines", str(LOG_LINES), "--no-pager"]
        text = await output_of([*command, "--output=json", "--output-fields=MESSAGE"])
        return tuple(line for row in text.splitlines() for line in _messages(row))

    def _boot_ms(self) -> int:
        """When the monotonic clock was zero, in UTC ms."""
        try:
            up_s = (self._proc / "uptime").read_text(encoding="ascii").split()[0]
        except OSError as error:
            raise HostError(f"{error.filename}: {error.strerror}") from error
        return self._clock.now_ms() - int(up_s.replace(".", "")) * 10


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            name, equals, value = line.partition("=")
            if equals:  # EnvironmentFiles comes once for each file
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        if fields.get("Id"):
            yield fields


def _unit(boot_ms: int) -> Any:
    def unit(fields: Mapping[str, str]) -> UnitState:
        started_us = _number(fields.get("ExecMainStartTimestampMonotonic"))
        files = fields.get("EnvironmentFiles", "").splitlines()
        argv = _ARGV.search(fields.get("ExecStart", ""))
        return UnitState(
            name=fields["Id"],
            load=fields.get("LoadState", ""),
            active=fields.get("ActiveState", ""),
            sub=fields.get("SubState", ""),
            kind=fields.get("Type", ""),
            file_state=fields.get("UnitFileState", ""),
            result=fields.get("Result", ""),
            exit_status=_number(fields.get("ExecMainStatus")),
            restarts=_number(fields.get("NRestarts")),
            started_ms=boot_ms + started_us // 1000 if started_us else None,
            user=fields.get("User", ""),
            directory=fields.get("WorkingDirectory", "").lstrip("!-"),
            environment_files=tuple(m[1] for f in files if (m := _ENV_FILE.match(f))),
            command=tuple(argv[1].split()) if argv else (),
            needs_reload=fields.get("NeedDaemonReload") == "yes",
        )

    return unit


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _messages(row: str) -> Iterator[str]:
    """The journal gives bytes that are no text as a list of numbers, and nothing as null."""
    try:
        message = json.loads(row).get("MESSAGE")
    except (ValueError, AttributeError):
        return
    if isinstance(message, list):
        message = bytes(message).decode(errors="replace")
    for line in str(message or "").splitlines():
        if line.strip():
            yield line.rstrip()[:_LONGEST_LINE]
