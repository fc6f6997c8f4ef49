"""Small HTTP surfaces beside a service: one server, one token check, one limit of calls."""

import asyncio
import contextlib
import hmac
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from qtops.errors import ConfigError
from qtops.ports import Clock

_BACKLOG: Final = 64
_GRACE_S: Final = 2
_MINUTE_MS: Final = 60_000
_WRONG_TOKENS_PER_MINUTE: Final = 30


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


class RefusedCallError(Exception):
    """A call that is answered with a refusal."""

    def __init__(self, status: int, reason: str, message: str, **more: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = refusal(status, reason, message, **more)


class Guard:
    """The token, then the pace.

    Wrong tokens have a pace of their own: who guesses does not use up the owner's calls.
    """

    def __init__(self, token: str, calls: RateLimit, clock: Clock, where: str) -> None:
        self._token = token
        self._calls = calls
        self._guesses = RateLimit(_WRONG_TOKENS_PER_MINUTE, _WRONG_TOKENS_PER_MINUTE)
        self._clock = clock
        self._where = where

    def admit(self, said: str) -> None:
        """Raises RefusedCallError: 401, or 429 with Retry-After."""
        right = same_token(said, self._token)
        limit = self._calls if right else self._guesses
        wait_ms = limit.wait_ms(self._clock.monotonic_ms())
        if wait_ms:
            refused = RefusedCallError(429, "rate_limited", f"again in {wait_ms / 1000:.1f} s")
            refused.answer.headers["Retry-After"] = str(int(wait_ms // 1000) + 1)
            raise refused
        if not right:
            raise RefusedCallError(
                401, "bad_token" if said else "no_token", f"needed: {self._where}"
            )


class Service(Protocol):
    """A service as `Beside` runs it."""

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None: ...


class Beside:
    """A service and its HTTP surface, which begin and end together."""

    def __init__(self, service: Service, app: Starlette, address: Address) -> None:
        self._service = service
        self._app = app
        self._address = address

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        async with serving(self._app, self._address) as url:
            structlog.get_logger("qtops.web").info("http.listening", url=url)
            await self._service.run(stop, ready)
