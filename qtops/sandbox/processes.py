"""One child process: started, listened to until it says it is ready, ended, its log kept.

A child never outlives the process that started it (see `redis_server` for how). A thread of its
own starts it and waits for its end; what is learned arrives as futures, so nothing polls.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from qtops.errors import HostError
from qtops.sandbox.redis_server import PARENT_DEATH_LAUNCHER

READY_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0
_READER_TIMEOUT_S: Final = 1.0
_LOG_LINES: Final = 5
_ERROR_SCHEMA: Final = "qtops.error/v1"
_LOG_BYTES: Final = 8192

# an interpreter ignores SIGPIPE, and what it becomes would inherit that
_DEFAULT_SIGPIPE: Final = "import _signal\n_signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)\n"
_TIED: Final = _DEFAULT_SIGPIPE + PARENT_DEATH_LAUNCHER

T = TypeVar("T")


def tied(command: Sequence[str]) -> list[str]:
    """`command`, made to die with the thread that starts it. Linux only; elsewhere unchanged."""
    if not sys.platform.startswith("linux"):
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


def describe_exit(code: int) -> str:
    """`ended with code 3` or `was killed by SIGKILL`."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start. It is ready once its stdout has a JSON line whose schema is `ready_schema`.

    Everything else that it writes goes to `log`, which is appended to.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    cwd: Path
    log: Path
    ready_schema: str


class Child:
    """One life of one process."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.is_ending = False
        self._process: subprocess.Popen[bytes] | None = None
        self._launched: Future[str] = Future()
        self._announced: Future[Mapping[str, Any] | None] = Future()
        self._ended: Future[int] = Future()

    def start(self) -> None:
        """Returns at once; whether it worked is for `ready` to say."""
        name = f"qtops-{self.spec.name}"
        threading.Thread(target=self._own, name=name, daemon=True).start()

    async def ready(self, timeout_s: float = READY_TIMEOUT_S) -> Mapping[str, Any]:
        """What it announced. HostError with the end of its log when it ended or stayed silent."""
        try:
            async with asyncio.timeout(timeout_s):
                announcement = await _result(self._announced)
        except TimeoutError:
            raise self._failure(f"did not get ready within {timeout_s:g} s") from None
        if announcement is not None:
            return announcement
        if fault := await _result(self._launched):
            raise HostError(f"{self.spec.name} cannot be started: {fault}")
        raise self._failure(f"{describe_exit(await self.ended())} before it was ready")

    async def ended(self) -> int:
        """Its exit code, negative for a signal, once it has ended."""
        return await _result(self._ended)

    async def stop(self, patience_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, SIGKILL when that was not enough. Idempotent."""
        await self._signal(signal.SIGTERM)
        await self._signal(signal.SIGCONT)  # a paused process cannot hear
        try:
            async with asyncio.timeout(patience_s):
                return await self.ended()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        await self._signal(signal.SIGKILL)
        return await self.ended()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise HostError(f"{self.spec.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and not self._ended.done()

    @property
    def exit_code(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def log_tail(self) -> str:
        """The last lines of its log, as one."""
        with suppress(OSError), self.spec.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
            told = [line.strip() for line in lines if line.strip()]
            return " | ".join(told[-_LOG_LINES:])
        return ""

    def _failure(self, what: str) -> HostError:
        tail = self.log_tail() or "it wrote no log"
        return HostError(f"{self.spec.name} {what}: {tail}")

    async def _signal(self, number: signal.Signals) -> None:
        self.is_ending = True
        await _result(self._launched)
        if self._process is not None:
            self._process.send_signal(number)

    def _own(self) -> None:
        """The thread that the kernel ties the child to."""
        try:
            self._process = process = self._spawn()
        except OSError as error:
            self._launched.set_result(str(error))
            self._announced.set_result(None)
            self._ended.set_result(1)
            return
        self._launched.set_result("")
        reader = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        reader.start()
        code = process.wait()
        reader.join(_READER_TIMEOUT_S)
        _set(self._announced, None)
        self._ended.set_result(code)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.spec.log.open("ab") as log:
            return subprocess.Popen(
                tied(self.spec.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.spec.cwd,
                env=dict(self.spec.environ),
                start_new_session=True,  # Ctrl-C is for us; we stop the child
            )

    def _listen(self, stdout: IO[bytes]) -> None:
        with stdout, self.spec.log.open("ab", buffering=0) as log:
            for line in stdout:
                document = _document(line)
                schema = document.get("schema")
                if schema == self.spec.ready_schema:
                    _set(self._announced, document)
                elif schema != _ERROR_SCHEMA:  # stderr has told it, in one line
                    log.write(line)


async def _result(future: Future[T]) -> T:
    """Waits for what a thread will say. A waiter that is cancelled does not cancel the future."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _set(future: Future[T], value: T) -> None:
    with suppress(InvalidStateError):
        future.set_result(value)


def _document(line: bytes) -> dict[str, Any]:
    """A line that is a JSON object; anything else is an empty one."""
    if not line.startswith(b"{"):
        return {}
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
