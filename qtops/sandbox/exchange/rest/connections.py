"""Holding and breaking client connections, which HTTP frameworks do not offer."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class Connections:
    """The transports of all connected clients, by the client's address."""

    def __init__(self) -> None:
        self._transports: dict[Address, asyncio.Transport] = {}
        self.closing = asyncio.Event()

    def protocol(self) -> type[H11Protocol]:
        """A uvicorn protocol that enrols its connections here."""
        return _enrolling(self._transports)

    def abort(self, client: Address) -> None:
        """Break the connection at once: the client sees it end without an answer."""
        transport = self._transports.get(client)
        if transport is not None:
            transport.abort()

    def forget(self, client: Address) -> None:
        """A connection that became a WebSocket has ended; HTTP's protocol is not told."""
        self._transports.pop(client, None)

    async def hold(self, duration_s: float, disconnected: Callable[[], Any]) -> None:
        """Wait, but no longer than the client or the server does."""
        waits = {
            asyncio.ensure_future(self.closing.wait()),
            asyncio.ensure_future(disconnected()),
        }
        try:
            await asyncio.wait(waits, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def _enrolling(transports: dict[Address, asyncio.Transport]) -> type[H11Protocol]:
    class EnrollingProtocol(H11Protocol):
        """As uvicorn's, and known by its client's address while connected."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                transports[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                transports.pop(self.client, None)
            super().connection_lost(exc)

    return EnrollingProtocol
