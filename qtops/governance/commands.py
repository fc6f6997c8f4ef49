"""Runs one command: no shell, its own process group, a time limit, its output kept as proof."""

import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import IO, Final

from qtops.errors import UsageError
from qtops.governance.operation import Ran

TAIL_BYTES: Final = 4096
GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Runner:
    """How commands are run. `lock` is handed on, so that a command that outlives qtops holds it."""

    now_ms: Callable[[], int]
    mask: Callable[[str], str]
    limit_s: float
    lock: int

    def __call__(self, command: Sequence[str], directory: Path) -> Ran:
        """The command's end, or its being ended at the limit; both are a result."""
        started_at_ms = self.now_ms()
        with tempfile.TemporaryFile() as output:
            # A file, not a pipe: a daemon that keeps its output open does not keep us waiting.
            exit_code, result = self._outcome(command, directory, output)
            tail, digest, size = _read(output)
        return Ran(
            command=tuple(map(self.mask, command)),
            started_at_ms=started_at_ms,
            ended_at_ms=self.now_ms(),
            exit_code=exit_code,
            result=result,
            output_tail=self.mask(tail),
            output_sha256=digest,
            output_bytes=size,
        )

    def _outcome(
        self, command: Sequence[str], directory: Path, output: IO[bytes]
    ) -> tuple[int | None, str]:
        try:
            exit_code = self._wait(command, directory, output)
        except OSError as error:
            return None, f"not started: {error.strerror}"
        return exit_code, _words(exit_code, self.limit_s)

    def _wait(self, command: Sequence[str], directory: Path, output: IO[bytes]) -> int | None:
        process: subprocess.Popen[bytes] | None = None
        try:
            with _interrupts_deferred():
                process = subprocess.Popen(
                    command,
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(self.lock,),
                    start_new_session=True,
                )
            return process.wait(self.limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process is not None and process.returncode is None:
                _end(process)


def need_program(command: Sequence[str], directory: Path, option: str) -> None:
    """UsageError when there is nothing to run: such a command says nothing about the system."""
    if not command or not command[0] or any("\0" in word for word in command):
        raise UsageError(f"{option}: no command")
    name = str(directory / command[0]) if "/" in command[0] else command[0]
    if which(name) is None:
        raise UsageError(f"{option}: no program {command[0]!r}", hint="nothing was run")


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Ctrl-C waits until the child is known; one that nobody knows would run on."""
    pending: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending:
            raise KeyboardInterrupt


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The whole group: asked first, then killed, who left the leader behind too."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)


def _read(output: IO[bytes]) -> tuple[str, str, int]:
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    digest = hashlib.file_digest(output, "sha256").hexdigest()  # type: ignore[arg-type]  # IO[bytes] reads
    output.seek(max(0, size - TAIL_BYTES))
    return output.read().decode(errors="replace"), digest, size


def _words(exit_code: int | None, limit_s: float) -> str:
    if exit_code is None:
        return f"ended at its limit of {limit_s:g} s"
    return f"exit {exit_code}" if exit_code >= 0 else f"killed by signal {-exit_code}"
