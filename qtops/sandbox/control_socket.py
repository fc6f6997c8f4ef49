"""A running sandbox asked from another process: one line of JSON there, one line back.

`{"restart": "executor"}` is answered when the service is ready again, `{"state": "executor"}` at
once; the answer is `{"word": …, "life": …}` or `{"error": …}`. Only the owner may connect.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

from qtops.contracts.service_state import ACTIVE, ServiceState
from qtops.errors import HostError, QtopsError
from qtops.sandbox.state import CONTROL_SOCKET

_ANSWER_LIMIT_S: Final = 60.0


class Supervisor(Protocol):
    """What of the sandbox can be asked for."""

    @property
    def pids(self) -> Mapping[str, int]: ...

    async def restart(self, name: str) -> None: ...


class ControlServer:
    """Answers as long as the sandbox is up, one request at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Lock()

    async def start(self, directory: Path) -> None:
        before = os.umask(0o177)
        try:
            with _short(directory) as path:
                self._server = await asyncio.start_unix_server(self._serve, path)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Returns after the request that is being worked on; those behind it are turned away."""
        async with self._turn:
            if self._server is not None:
                self._server.close()
                self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            line = await reader.readline()
            async with self._turn:
                answer = await self._answer(line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, str]:
        if self._server is None:
            return {"error": "it is going down"}
        try:
            request = json.loads(line)
            if name := request.get("restart"):
                await self._supervisor.restart(name)
            pid = self._supervisor.pids.get(name or request["state"])
        except QtopsError as error:
            return {"error": error.message}
        except (ValueError, KeyError, AttributeError, TypeError):
            return {"error": "not a request that this sandbox knows"}
        return {"word": ACTIVE if pid else "down", "life": str(pid or "")}


class SandboxControl:
    """Implements `qtops.rollback.steps.ServiceControl` with the sandbox of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def restart(self, service: str) -> None:
        await self._ask({"restart": service})

    async def state(self, service: str) -> ServiceState:
        answer = await self._ask({"state": service})
        return ServiceState(answer["word"], answer["life"])

    async def _ask(self, request: Mapping[str, str]) -> dict[str, Any]:
        """Raises HostError when no sandbox answers, or it could not."""
        where = f"the sandbox in {self._directory}"
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                answer = await self._exchange(request)
        except (OSError, ValueError) as error:
            hint = f"qtops sandbox status --dir {self._directory}"
            raise HostError(f"{where} does not answer", hint=hint) from error
        if error_text := answer.get("error"):
            raise HostError(f"{where}: {error_text}")
        return answer

    async def _exchange(self, request: Mapping[str, str]) -> dict[str, Any]:
        with _short(self._directory) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            return answer
        finally:
            writer.close()


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A path to the socket for as long as it is bound or connected; a socket's takes 107 bytes."""
    path = directory / CONTROL_SOCKET
    proc = Path("/proc/self/fd")
    if not proc.is_dir():
        yield str(path)
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(proc / str(descriptor) / CONTROL_SOCKET)
    finally:
        os.close(descriptor)
