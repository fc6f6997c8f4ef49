"""One WebSocket, from its handshake to its end."""

import asyncio
import json
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from qtops.sandbox.exchange.rest.connections import Connections
from qtops.sandbox.exchange.rest.user_streams import Listener
from qtops.sandbox.exchange.rest.venue import Venue

_ROUTED: Final = "/private/"
_OLD: Final = "/ws/"
_TICK_S: Final = 0.5  # how late a key's end is noticed when nothing else happens


class StreamDoor:
    """`/private/ws/KEY`, `/private/ws?listenKey=KEY&events=A/B`, `/private/stream?listenKey=KEY`.

    The old `/ws/KEY` connects and stays silent, as the venue's has since 2026-04. A key that is not
    in force, and any other path, is refused in the handshake.
    """

    def __init__(self, venue: Venue, connections: Connections) -> None:
        self._venue = venue
        self._connections = connections

    async def handle(self, socket: WebSocket) -> None:
        """Serve one client until it leaves, the server ends, or a fault breaks the connection."""
        path = str(socket.scope["path"])
        key = socket.query_params.get("listenKey") or path.rpartition("/")[2]
        if not path.startswith((_ROUTED, _OLD)) or not self._is_valid(key):
            await socket.close()
            return
        await socket.accept()
        events = socket.query_params.get("events", "")
        listener = Listener(key, frozenset(filter(None, events.split("/"))))
        if path.startswith(_ROUTED):
            self._venue.streams.join(listener)
        try:
            await self._serve(socket, listener, enveloped=path.startswith(f"{_ROUTED}stream"))
        finally:
            self._venue.streams.leave(listener)
            if socket.client is not None:
                self._connections.forget((socket.client.host, socket.client.port))

    def _is_valid(self, key: str) -> bool:
        return self._venue.streams.is_valid(key, self._venue.now_ms())

    async def _serve(self, socket: WebSocket, listener: Listener, *, enveloped: bool) -> None:
        work = {
            asyncio.create_task(self._send(socket, listener, enveloped=enveloped)),
            asyncio.create_task(_until_gone(socket)),
            asyncio.create_task(self._until_closing(socket)),
        }
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _send(self, socket: WebSocket, listener: Listener, *, enveloped: bool) -> None:
        while True:
            try:
                event = await asyncio.wait_for(listener.queue.get(), _TICK_S)
            except TimeoutError:
                self._venue.streams.expire(self._venue.now_ms())
                continue
            if event is None:
                self._break(socket)
                return
            sent: Any = {"stream": listener.key, "data": event} if enveloped else event
            await socket.send_text(json.dumps(sent, separators=(",", ":")))

    def _break(self, socket: WebSocket) -> None:
        if socket.client is not None:
            self._connections.abort((socket.client.host, socket.client.port))

    async def _until_closing(self, socket: WebSocket) -> None:
        await self._connections.closing.wait()
        await socket.close(1001)


async def _until_gone(socket: WebSocket) -> None:
    """What clients say is not answered; the protocol answers their pings."""
    while True:
        try:
            await socket.receive_text()
        except (WebSocketDisconnect, KeyError):
            return
