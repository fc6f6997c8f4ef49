"""One HTTP request to the exchange, from its arrival to its answer or to the lack of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qtops.sandbox.exchange.core.errors import BinanceError, refuse
from qtops.sandbox.exchange.core.params import Params, merge
from qtops.sandbox.exchange.rest import (
    account_api,
    listen_key_api,
    market_api,
    order_api,
    settings_api,
)
from qtops.sandbox.exchange.rest.connections import Connections
from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Security, Table
from qtops.sandbox.exchange.rest.faults import Fault, FaultKind, Verdict
from qtops.sandbox.exchange.rest.venue import Venue

ENDPOINTS: Final[Table] = {
    **market_api.ENDPOINTS,
    **order_api.ENDPOINTS,
    **account_api.ENDPOINTS,
    **settings_api.ENDPOINTS,
    **listen_key_api.ENDPOINTS,
}
HOLD_MS: Final = 30_000
BAN_S: Final = 120
_PLACING: Final = frozenset({"/fapi/v1/order", "/fapi/v1/batchOrders"})
_NOT_FOUND: Final = Endpoint(lambda _call: {})
_UNKNOWN: Final = BinanceError(
    -1000, "Unknown error, please check your request or try again later.", status=503
)
_UNAVAILABLE: Final = BinanceError(-1001, "Service Unavailable.", status=503)
_HOLDING: Final = frozenset({FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER})
_BREAKING: Final = frozenset({FaultKind.DISCONNECT_BEFORE, FaultKind.DISCONNECT_AFTER})


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came in, the exact bytes kept for the signature."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    client: tuple[str, int]


class Gateway:
    """Order of things: fault, limits, path, key, signature and time, then the endpoint."""

    def __init__(self, venue: Venue, connections: Connections) -> None:
        self._venue = venue
        self._connections = connections

    async def handle(self, request: Request) -> Response:
        """The answer. Where a fault asks for none, the connection ends instead."""
        arrival = await _arrival(request)
        self._count(arrival)
        verdict = self._venue.faults.draw(arrival.method, arrival.path)
        await self._delay(request, verdict.delay_ms + self._venue.latency_ms)
        response = self._run(arrival, verdict.fill_share) if verdict.runs else Response()
        self._venue.commit()
        if verdict.failure is None:
            return response
        return await self._fail(request, arrival, verdict)

    def _count(self, arrival: Arrival) -> None:
        if arrival.method == "POST" and arrival.path in _PLACING:
            account = self._venue.state.account
            account.requests_received += 1
            self._venue.state.touch(account)

    async def _delay(self, request: Request, delay_ms: int) -> None:
        if delay_ms:
            await self._connections.hold(delay_ms / 1000, lambda: _disconnected(request))

    def _run(self, arrival: Arrival, fill_share: Decimal) -> Response:
        """The endpoint's answer, or the refusal, with the headers of the limits."""
        now_ms = self._venue.now_ms()
        self._venue.engine.advance(now_ms)
        endpoint = ENDPOINTS.get((arrival.method, arrival.path), _NOT_FOUND)
        try:
            status, retry_after_s = 200, None
            payload = self._call(arrival, endpoint, now_ms, fill_share)
        except BinanceError as refusal:
            status, payload = refusal.status, refusal.payload()
            retry_after_s = refusal.retry_after_s
        headers = self._headers(arrival, endpoint, now_ms, retry_after_s)
        return JSONResponse(payload, status, headers)

    def _call(self, arrival: Arrival, endpoint: Endpoint, now_ms: int, fill_share: Decimal) -> Any:
        if endpoint is _NOT_FOUND:
            raise refuse(-5000, arrival.path, arrival.method)
        venue = self._venue
        if endpoint.security is not Security.NONE:
            venue.auth.check_key(arrival.headers.get("x-mbx-apikey"))
        params = Params(merge(arrival.query, arrival.body))
        venue.limits.charge_weight(arrival.client[0], endpoint.weight_of(params), now_ms)
        if endpoint.security is Security.SIGNED:
            venue.auth.check_signature(arrival.query, arrival.body, params, now_ms)
        venue.limits.charge_orders(*endpoint.orders, now_ms)
        return endpoint.handler(Call(venue, params, now_ms, fill_share))

    def _headers(
        self, arrival: Arrival, endpoint: Endpoint, now_ms: int, retry_after_s: int | None
    ) -> dict[str, str]:
        headers = self._venue.limits.headers(arrival.client[0], now_ms, is_order=endpoint.is_order)
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        return {**headers, "x-response-time": "0ms"}

    async def _fail(self, request: Request, arrival: Arrival, verdict: Verdict) -> Response:
        """What the client gets to see of a request that a fault has hit."""
        fault = verdict.failure
        if fault is None:
            return Response()
        if fault.kind in _HOLDING | _BREAKING:
            if fault.kind in _HOLDING:
                hold_s = fault.number(HOLD_MS) / 1000
                await self._connections.hold(hold_s, lambda: _disconnected(request))
            return Silence(self._connections, arrival.client)
        now_ms = self._venue.now_ms()
        refusal = _refusal(fault, now_ms)
        endpoint = ENDPOINTS.get((arrival.method, arrival.path), _NOT_FOUND)
        headers = self._headers(arrival, endpoint, now_ms, refusal.retry_after_s)
        return JSONResponse(refusal.payload(), refusal.status, headers)


class Silence(Response):
    """No answer at all: the connection is broken off."""

    def __init__(self, connections: Connections, client: tuple[str, int]) -> None:
        super().__init__()
        self._connections = connections
        self._client = client

    async def __call__(self, _scope: Any, receive: Any, _send: Any) -> None:
        self._connections.abort(self._client)
        while (await receive())["type"] != "http.disconnect":
            pass


def _refusal(fault: Fault, now_ms: int) -> BinanceError:
    """The answer of a fault that answers."""
    match fault.kind:
        case FaultKind.RATE_LIMIT:
            wait_s = None if fault.value is None else int(fault.value)
            text = refuse(-1003, 2400).message
            return BinanceError(-1003, text, status=429, retry_after_s=wait_s)
        case FaultKind.BAN:
            wait_s = fault.number(BAN_S)
            text = f"Way too many requests; IP banned until {now_ms + wait_s * 1000}."
            return BinanceError(-1003, text, status=418, retry_after_s=wait_s)
        case FaultKind.UNAVAILABLE:
            return _UNAVAILABLE
        case FaultKind.ERROR:
            return refuse(fault.number(-1000), "%s", "%s")
        case _:
            return _UNKNOWN


async def _arrival(request: Request) -> Arrival:
    client = request.client
    return Arrival(
        method=request.method,
        path=request.scope["path"],
        query=request.scope["query_string"].decode("latin-1"),
        body=(await request.body()).decode("utf-8", "replace"),
        headers=request.headers,
        client=("", 0) if client is None else (client.host, client.port),
    )


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
