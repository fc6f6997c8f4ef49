"""Small HTTP surfaces beside a service: one server, one token check, one limit of calls."""

import asyncio
import contextlib
import hmac
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from qtops.errors import ConfigError

_BACKLOG: Final = 64
_GRACE_S: Final = 2
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one. `setting` is what an operator would change."""

    host: str
    port: int
    setting: str


@contextlib.asynccontextmanager
async def serving(app: Starlette, address: Address) -> AsyncIterator[str]:
    """Serve while the block runs, then answer what is in flight and close. Gives the base URL.

    Raises ConfigError when the address cannot be listened on.
    """
    with _listen(address) as listener:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            limit_concurrency=_BACKLOG,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()[:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            await running


class _Server(uvicorn.Server):
    """Leaves signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(address: Address) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        where = f"{address.host}:{address.port}"
        raise ConfigError(
            f"cannot listen on {where}: {error.strerror or error}",
            hint=f"set {address.setting} to a free port",
        ) from error
    return listener


def application(routes: list[Route]) -> Starlette:
    """Routes, and every failure as JSON; what broke in us is logged by the server."""

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        words = {404: "not_found", 405: "method_not_allowed"}
        return refusal(status, words.get(status, "internal_error"))

    handlers: dict[Any, Any] = {HTTPException: refused, Exception: refused}
    return Starlette(routes=routes, exception_handlers=handlers)


def refusal(status: int, reason: str, message: str = "", **more: str) -> JSONResponse:
    """The one form of a refusal: a reason code for programs, a sentence for people."""
    body = {"status": "refused", "reason": reason, "message": message, **more}
    return JSONResponse({name: text for name, text in body.items() if text}, status)


def same_token(said: str, wanted: str) -> bool:
    """In a time that does not tell how much of it was right. An empty one is never right."""
    return bool(wanted) and hmac.compare_digest(said.encode(errors="replace"), wanted.encode())


class RateLimit:
    """At most `burst` calls at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: int, burst: int) -> None:
        self._gap_ms = _MINUTE_MS / per_minute
        self._ahead_ms = (burst - 1) * self._gap_ms
        self._next_ms = 0.0  # when an evenly paced caller would call next

    def wait_ms(self, now_ms: float) -> float:
        """0 lets the call through and counts it; otherwise the time until one would be."""
        due_ms = max(self._next_ms, now_ms)
        if due_ms - now_ms > self._ahead_ms:
            return due_ms - now_ms - self._ahead_ms
        self._next_ms = due_ms + self._gap_ms
        return 0.0
