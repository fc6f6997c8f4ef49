"""The ASGI application: the exchange, and its control interface beside it."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.rest.connections import Connections
from qtops.sandbox.exchange.rest.control import PREFIX, Control
from qtops.sandbox.exchange.rest.gateway import Gateway
from qtops.sandbox.exchange.rest.stream_door import StreamDoor
from qtops.sandbox.exchange.rest.venue import Venue

_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


def build_app(venue: Venue, connections: Connections) -> Starlette:
    """HTTP goes to one of two doors, WebSockets to a third.

    An error of ours is -1000 with HTTP 500, and is logged.
    """
    gateway, control = Gateway(venue, connections), Control(venue)
    streams = StreamDoor(venue, connections)

    async def answer(request: Request) -> Response:
        door = control if str(request.scope["path"]).startswith(PREFIX) else gateway
        try:
            return await door.handle(request)
        except ClientDisconnect:  # gone before its body arrived: there is nobody to answer
            return Response()

    async def stream(socket: WebSocket) -> None:
        await streams.handle(socket)

    async def broken(_request: Request, _error: Exception) -> Response:
        refusal = refuse(-1000)
        return JSONResponse(refusal.payload(), 500)

    handlers: dict[Any, Any] = {Exception: broken}
    routes = [
        Route("/{path:path}", answer, methods=_METHODS),
        WebSocketRoute("/{path:path}", stream),
    ]
    return Starlette(routes=routes, exception_handlers=handlers)
