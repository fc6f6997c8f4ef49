"""One HTTP exchange with the venue: budget, sign, send once, and say what is known afterwards.

Nothing is resent here. An error is one line that names the endpoint; it never holds the key, the
signature or the query string.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx

from qtops.adapters.binance import decode
from qtops.adapters.binance.settings import VenueSettings
from qtops.adapters.binance.signing import encode, signed
from qtops.adapters.binance.weight import Cost, Priority, RateLedger, Usage, parse_usage
from qtops.contracts.environment import Environment
from qtops.contracts.venue_errors import classify
from qtops.errors import DecodeError, OutcomeClass, VenueError

T = TypeVar("T")

# May the exchange have received the request? False only where nothing was written to it.
MAY_HAVE_LEFT: Final[Mapping[type[Exception], bool]] = {
    httpx.ConnectError: False,
    httpx.ConnectTimeout: False,
    httpx.PoolTimeout: False,
    httpx.ProxyError: False,
    httpx.UnsupportedProtocol: False,
    httpx.InvalidURL: False,
    httpx.ReadError: True,
    httpx.ReadTimeout: True,
    httpx.WriteError: True,
    httpx.WriteTimeout: True,
    httpx.CloseError: True,
    httpx.LocalProtocolError: True,
    httpx.RemoteProtocolError: True,
    httpx.DecodingError: True,
    httpx.TooManyRedirects: True,
    httpx.HTTPStatusError: True,
    httpx.CookieConflict: True,
    httpx.StreamConsumed: True,
    httpx.StreamClosed: True,
    httpx.ResponseNotRead: True,
    httpx.RequestNotRead: True,
    TimeoutError: True,
    OSError: True,
}

_HINTS: Final = {
    OutcomeClass.UNKNOWN: "Look the order up by its client id before anything else.",
    OutcomeClass.RETRY: "Nothing was executed; try again after a wait.",
    OutcomeClass.RESYNC: "Nothing was executed; the clock is measured again.",
    OutcomeClass.HALT: "Check the API key, its IP list and permissions, and the account.",
    OutcomeClass.FINAL: "",
    OutcomeClass.ALREADY: "",
}

_LONGEST_TEXT: Final = 200
_SUCCESS: Final = range(200, 300)
_HEX_64: Final = re.compile(r"[0-9a-fA-F]{64}|signature=\S*", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `is_order`: it may change something, so a lost answer leaves it unknown.

    `keyed` carries the API key without a signature; `signed` implies it.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    cost: Cost = field(default_factory=Cost)
    priority: Priority = Priority.BACKGROUND
    signed: bool = False
    keyed: bool = False
    is_order: bool = False

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"


# Below what the exchange keeps idle connections for, so that none is used while it closes.
KEEPALIVE_S: Final = 30.0


class Transport:
    """Keeps the connections of one account."""

    def __init__(
        self, settings: VenueSettings, ledger: RateLedger, now_ms: Callable[[], int]
    ) -> None:
        """`now_ms` is the exchange's time; the ledger's windows are aligned to it."""
        logging.getLogger("httpx").addFilter(_no_urls)
        self._settings = settings
        self._ledger = ledger
        self._now_ms = now_ms
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            headers={"User-Agent": "qtops", "Accept": "application/json"},
            timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
            # An order must not pay for a handshake because nothing was sent for five seconds.
            limits=httpx.Limits(keepalive_expiry=KEEPALIVE_S),
            # A proxy or CA bundle of the environment is for the network, not for loopback.
            trust_env=settings.environment is not Environment.SANDBOX,
            # Certificates are always checked; without TLS there is nothing to load them for.
            verify=settings.is_encrypted,
        )

    async def send(self, request: Request, decoder: Callable[[Any], T]) -> T:
        """The decoded answer, or VenueError with what is known about the request's effect."""
        await self._reserve(request)
        response = await self._exchange(request)
        body, error = _read(response.content)
        usage = parse_usage(response.headers, response.status_code, error, self._now_ms())
        await self._ledger.observe(usage, self._now_ms())
        if response.status_code not in _SUCCESS or error:
            raise self._refusal(request, response, error, usage)
        try:
            return decoder(body)
        except DecodeError as cause:
            status = response.status_code
            outcome = classify(status, None, "", is_order=request.is_order)
            text = f"HTTP {status}, {cause.message}"
            raise self._fault(request, text, outcome, http_status=status) from cause

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _reserve(self, request: Request) -> None:
        wait_ms = await self._ledger.reserve(request.cost, request.priority, self._now_ms())
        if wait_ms > 0:
            raise VenueError(
                f"{request.endpoint}: not sent, the request budget is used up",
                outcome=OutcomeClass.RETRY,
                retry_after_s=wait_ms / 1000,
                hint=f"Try again in {wait_ms / 1000:.1f} s.",
            )

    async def _exchange(self, request: Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._settings.total_timeout_s):
                return await self._http.send(self._build(request))
        except tuple(MAY_HAVE_LEFT) as cause:
            # Subclasses we do not know count as sent.
            left = MAY_HAVE_LEFT.get(type(cause), True)
            unknown = left and request.is_order
            outcome = OutcomeClass.UNKNOWN if unknown else OutcomeClass.RETRY
            text = f"{'no answer' if left else 'not reached'} ({type(cause).__name__})"
            raise self._fault(request, text, outcome) from cause

    def _build(self, request: Request) -> httpx.Request:
        """GET carries parameters in the query, POST in the body: the bytes that were signed."""
        headers: dict[str, str] = {}
        if request.signed or request.keyed:
            headers["X-MBX-APIKEY"] = self._settings.api_key
        if request.signed:
            payload = signed(request.params, self._settings.api_secret)
        else:
            payload = encode(request.params)
        if request.method == "GET":
            target = f"{request.path}?{payload}" if payload else request.path
            return self._http.build_request("GET", target, headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._http.build_request(
            request.method, request.path, content=payload.encode(), headers=headers
        )

    def _refusal(
        self,
        request: Request,
        response: httpx.Response,
        error: tuple[int, str] | None,
        usage: Usage,
    ) -> VenueError:
        status = response.status_code
        code, message = error or (None, _plain_text(response))
        outcome = classify(status, code, message, is_order=request.is_order)
        text = f"HTTP {status} {code} {message}" if error else f"HTTP {status}, body is not JSON"
        fault = self._fault(request, text, outcome, http_status=status)
        fault.venue_code = code
        fault.retry_after_s = usage.penalty_s
        return fault

    def _fault(
        self,
        request: Request,
        text: str,
        outcome: OutcomeClass,
        http_status: int | None = None,
    ) -> VenueError:
        return VenueError(
            f"{request.endpoint}: {self._scrub(text)}",
            outcome=outcome,
            http_status=http_status,
            hint=_HINTS[outcome] if request.is_order or outcome is OutcomeClass.HALT else "",
        )

    def _scrub(self, text: str) -> str:
        for secret in (self._settings.api_key, self._settings.api_secret):
            text = text.replace(secret, "***") if secret else text
        text = _UNPRINTABLE.sub(" ", _HEX_64.sub("***", text))
        return text[:_LONGEST_TEXT].rstrip()


def _read(content: bytes) -> tuple[Any, tuple[int, str] | None]:
    """The body as JSON (None when it is not) and the error it carries."""
    try:
        body = decode.parse_json(content)
    except DecodeError:
        return None, None
    return body, decode.error(body)


def _plain_text(response: httpx.Response) -> str:
    """The body's words as `classify` wants them: `msg` of odd JSON, else a short plain body."""
    body, _ = _read(response.content)
    message = body.get("msg") if isinstance(body, dict) else None
    if isinstance(message, str):
        return message
    return response.text[:_LONGEST_TEXT]


def _no_urls(record: logging.LogRecord) -> bool:
    """The httpx logger writes whole URLs, signatures included, below WARNING."""
    return record.levelno >= logging.WARNING
