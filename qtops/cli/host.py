"""Everything a command gets from the process it runs in, as one value that tests can replace."""

import io
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from qtops.settings.environment import process_environment

if TYPE_CHECKING:
    from qtops.ports import Clock

ETC_DIR = Path("/etc/quantum")
ROOT_STATE = Path("/var/lib/qtops")


class ShellClock:
    """The local clock, for time stamps and durations of a command; no gate ever sees it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic() * 1000


@dataclass(frozen=True, slots=True)
class Host:
    """Streams, environment, directories and clock."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    cwd: Path
    home: Path
    etc_dir: Path = ETC_DIR
    root_state: Path = ROOT_STATE
    clock: "Clock" = field(default_factory=ShellClock)

    @classmethod
    def of_process(cls) -> "Host":
        environ = process_environment()
        return cls(
            stdin=sys.stdin or io.StringIO(),
            stdout=_never_failing(sys.stdout),
            stderr=_never_failing(sys.stderr),
            environ=environ,
            cwd=_working_directory(),
            home=Path(environ.get("HOME", "/nonexistent")),
        )


def _never_failing(stream: TextIO | None) -> TextIO:
    """A character the terminal cannot show is escaped; it does not end the command."""
    if stream is None:
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _working_directory() -> Path:
    """The current directory; the root when it was deleted under us."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.sep)
