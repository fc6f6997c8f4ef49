"""Intake: signals over HTTP → `trade.intent`.

It publishes wishes; whether one may be had is the bridge's and the gates' to say.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qtops.contracts.codec import parse_json_object
from qtops.contracts.intent import Intent
from qtops.contracts.signals import Ignored, Shape, intent_of, shape_of, token_in
from qtops.errors import DecodeError, RedisError
from qtops.ports import Clock
from qtops.ports.intake import IntentLog
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.intake import IntakeMetrics
from qtops.services.web import (
    Address,
    Guard,
    RateLimit,
    RefusedCallError,
    application,
    serving,
)

LARGEST_BODY: Final = 64 * 1024
BODY_WITHIN_S: Final = 5.0
WHERE: Final = "Authorization: Bearer, X-Token, or token in the body"


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    """Where it listens, the token, and how many signals it takes."""

    address: Address
    token: str
    per_minute: int
    burst: int


class Intake:
    """One request, one intent, one entry in the stream. Holds nothing between requests."""

    def __init__(
        self,
        config: IntakeConfig,
        log: IntentLog,
        pulse: Pulse,
        clock: Clock,
        metrics: IntakeMetrics,
    ) -> None:
        self._config = config
        self._intents = log
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        calls = RateLimit(config.per_minute, config.burst)
        self._guard = Guard(config.token, calls, clock, WHERE)
        self._accepted = self._refused = self._errors = self._last_ms = 0
        self._redis = "not asked yet"
        self._log = structlog.get_logger("qtops.intake")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Listen until `stop`. Ready once it listens and Redis answered."""
        announced = False
        async with serving(self._app(), self._config.address) as url:
            self._log.info("intake.listening", url=url)
            while not stop.is_set():
                await self._beat(url)
                if not announced and not self._redis:
                    ready()
                    announced = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), BEAT_EVERY_S if announced else 1.0)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()

    def _app(self) -> Starlette:
        return application(
            [
                Route("/signal", self._signal, methods=["POST"]),
                Route("/signal/{shape}", self._signal, methods=["POST"]),
                Route("/health", self._health, methods=["GET"]),
            ]
        )

    async def _health(self, _request: Request) -> Response:
        """200 while intents can be written, else 503."""
        payload: dict[str, Any] = {
            "status": "unhealthy" if self._redis else "ok",
            "accepted": self._accepted,
            "refused": self._refused,
            "last_accepted_ms": self._last_ms,
        }
        if self._redis:
            payload["redis"] = self._redis
        return JSONResponse(payload, 503 if self._redis else 200)

    async def _signal(self, request: Request) -> Response:
        try:
            return await self._take(request)
        except RefusedCallError as error:
            self._refused += 1
            self._metrics.refused(error.reason)
            self._log.warning("signal.refused", reason=error.reason)
            return error.answer
        except ClientDisconnect:  # gone before its body arrived: there is nobody to answer
            return Response()

    async def _take(self, request: Request) -> Response:
        """Who it is comes first: a stranger is not told what would have been right."""
        raw = await _body(request)
        try:
            body = parse_json_object(raw.decode(), "body")
        except (UnicodeDecodeError, DecodeError):
            body = None
        self._guard.admit(_token(request) or token_in(body or {}))
        if body is None:
            raise RefusedCallError(400, "bad_json", "the body is not a JSON object")
        try:
            shape = _shape(request, body)
            intent = intent_of(body, shape)
        except DecodeError as error:
            reason = error.reason
            raise RefusedCallError(400, reason, error.message, field=error.field) from error
        if isinstance(intent, Ignored):
            self._metrics.ignored(shape.value)
            ignored = {"status": "ignored", "reason": intent.reason, "message": intent.message}
            return JSONResponse(ignored)
        return await self._publish(self._without_token(intent), shape)

    def _without_token(self, intent: Intent) -> Intent:
        """A sender may have put the token where nobody looks for it; the stream is read by many."""
        token = self._config.token
        clean = {n: text for n, text in intent.extra.items() if token not in n + text}
        if token in intent.source:
            raise RefusedCallError(400, "token_misplaced", "source holds the token")
        return replace(intent, extra=clean)

    async def _publish(self, intent: Intent, shape: Shape) -> Response:
        try:
            entry = await self._intents.publish(intent)
        except RedisError as error:
            self._errors += 1
            self._log.warning("redis.unavailable", error=error.message)
            message = "Redis did not answer; it may or may not have been written"
            raise RefusedCallError(503, "redis_unavailable", message) from error
        self._accepted += 1
        self._last_ms = self._clock.now_ms()
        self._metrics.accepted(shape.value)
        told = {"shape": shape.value, "symbol": intent.symbol, "side": intent.side.value}
        self._log.info("signal.accepted", entry=entry, **told)
        return JSONResponse({"status": "accepted", "id": entry, **told}, 202)

    async def _beat(self, url: str) -> None:
        try:
            await self._pulse.heartbeat.beat(
                {
                    **self._pulse.identity,
                    "url": url,
                    "beat_ms": str(self._clock.now_ms()),
                    "handled": str(self._accepted),
                    "last_handled_ms": str(self._last_ms),
                    "errors": str(self._errors),
                }
            )
            self._redis = ""
        except RedisError as error:
            self._errors += 1
            self._redis = "unavailable"
            self._log.warning("redis.unavailable", error=error.message)


async def _body(request: Request) -> bytes:
    """At most 64 KiB, within 5 s."""
    chunks = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                chunks += chunk
                if len(chunks) > LARGEST_BODY:
                    raise RefusedCallError(413, "too_large", f"at most {LARGEST_BODY} bytes")
    except TimeoutError as error:
        raise RefusedCallError(408, "too_slow", f"within {BODY_WITHIN_S:.0f} s") from error
    return bytes(chunks)


def _token(request: Request) -> str:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-token", "")


def _shape(request: Request, body: dict[str, Any]) -> Shape:
    said = request.path_params.get("shape")
    if said is None:
        return shape_of(body)
    if said not in list(Shape):
        raise RefusedCallError(404, "unknown_shape", f"/signal/ and one of {', '.join(Shape)}")
    return Shape(said)
