"""The sandbox exchange as a server: one socket, one account, until cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from qtops.errors import HostError
from qtops.sandbox.exchange.rest.app import build_app
from qtops.sandbox.exchange.rest.connections import Connections
from qtops.sandbox.exchange.rest.venue import Venue
from qtops.sandbox.exchange.scenario import ExchangeScenario

_GRACE_S = 2
_KEEP_ALIVE_S = 75  # as load balancers in front of exchanges have it
_BACKLOG = 128
_PING_EVERY_S, _PONG_WITHIN_S = 180, 600  # of WebSockets, as the venue has it


async def serve(
    scenario: ExchangeScenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    journal: Path | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until cancelled; then answer what is in flight and close.

    Args:
        scenario: the start; a journal that has a state goes before it.
        host: loopback unless told otherwise.
        port: 0 takes a free one.
        journal: where state is kept between runs; None keeps it in memory.
        on_ready: called with the base URL once the socket listens.

    Raises:
        HostError: the address is in use, or the journal cannot be opened.
        ConfigError: the journal is damaged.

    """
    connections = Connections()
    venue = Venue(scenario, journal)
    try:
        with _listen(host, port) as listener:
            config = uvicorn.Config(
                build_app(venue, connections),
                http=connections.protocol(),
                ws="websockets-sansio",
                ws_ping_interval=_PING_EVERY_S,
                ws_ping_timeout=_PONG_WITHIN_S,
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
            server = _Server(config, lambda: on_ready(_url(listener)))
            await _run(server, listener, connections)
    finally:
        venue.close()


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to its owner."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


async def _run(server: _Server, listener: socket.socket, connections: Connections) -> None:
    """Turn a cancellation into an orderly shutdown: held clients are let go first."""
    running = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(running)
    finally:
        connections.closing.set()
        server.should_exit = True
        await running


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named so that asyncio recognises TCP and turns Nagle's delay off: without it
    # every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise HostError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Choose another port; 0 takes a free one.",
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
