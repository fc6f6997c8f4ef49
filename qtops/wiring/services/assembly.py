"""What every service is built from: its connections, heartbeat, loop and metrics."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from qtops import __version__
from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.redis_connection import Purpose
from qtops.contracts.registry import Service, Stream
from qtops.errors import ConfigError
from qtops.settings.model import Settings
from qtops.wiring import open_link

if TYPE_CHECKING:
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.adapters.stream_feed import RedisFeed
    from qtops.contracts.account_event import AccountEvent
    from qtops.services.loop import Handler, Pulse

SHORTEST_TOKEN: Final = 16


class Runnable(Protocol):
    """A service ready to run: until `stop`, calling `ready` once it works."""

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None: ...


@dataclass(slots=True)
class Running:
    """A built service and what it holds open."""

    service: Service
    runnable: Runnable
    links: list[RedisLink]
    venue: "BinanceVenue | None" = None

    async def aclose(self) -> None:
        for link in self.links:
            await link.aclose()
        if self.venue is not None:
            await self.venue.aclose()


class Assembly:
    """Builds one service: its connections, metrics and heartbeat."""

    def __init__(self, service: Service, settings: Settings) -> None:
        from prometheus_client import CollectorRegistry

        self.service = service
        self.settings = settings
        self.clock = SystemClock()
        self.registry: CollectorRegistry = CollectorRegistry()
        self.links: list[RedisLink] = []
        self.link = self.connect("writer")

    def connect(self, purpose: Purpose) -> RedisLink:
        link = open_link(self.settings, purpose, f"qtops-{self.service.value}")
        self.links.append(link)
        return link

    def pulse(self) -> "Pulse":
        from qtops.adapters.heartbeat import RedisHeartbeat
        from qtops.services.loop import Pulse

        identity = {
            "service": self.service.value,
            "pid": str(os.getpid()),
            "host": socket.gethostname(),
            "version": __version__,
            "started_ms": str(self.clock.now_ms()),
        }
        return Pulse(RedisHeartbeat(self.link, self.service), identity)

    def inboxes(self) -> list[Any]:
        return [self.inbox(stream) for stream in (Stream.APPLY_PLAN, Stream.APPLY_PLAN_MANUAL)]

    def inbox(self, stream: Stream) -> Any:
        from qtops.adapters.inbox import RedisInbox

        consumer = f"{self.service.value}@{socket.gethostname()}"
        return RedisInbox(self.link, self.connect("blocking"), stream, self.service, consumer)

    def account_feed(self) -> "RedisFeed[AccountEvent]":
        """The exchange's news as they come, for a service that they wake."""
        from qtops.adapters.stream_feed import RedisFeed
        from qtops.contracts.account_event import AccountEvent

        return RedisFeed(self.connect("blocking"), Stream.EXCHANGE_EVENTS, AccountEvent.from_fields)

    def loop(self, handler: "Handler", inboxes: Sequence[Any]) -> Any:
        from qtops.services.loop import ServiceLoop
        from qtops.services.metrics.loop import LoopMetrics

        metrics = LoopMetrics(self.registry, self.service)
        return ServiceLoop(handler, inboxes, self.pulse(), self.clock, metrics)

    def serve_metrics(self) -> None:
        """On loopback unless told otherwise; a port of 0 is off."""
        from prometheus_client import start_http_server

        setting = self.service.metrics_setting
        port = self.settings.integer(setting)
        host = self.settings.text("QTOPS_METRICS_HOST")
        if not port:
            return
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigError(
                f"metrics of {self.service.value} cannot listen on {host}:{port}: {error.strerror}",
                hint=f"set {setting} to a free port, or to 0",
            ) from error


def long_enough(setting: str, token: str) -> str:
    """A token that cannot be guessed in a lifetime, or ConfigError."""
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"{setting} is shorter than {SHORTEST_TOKEN} characters",
            hint="set it to what `openssl rand -hex 32` prints",
        )
    return token


Builder = Callable[[Service, Settings], Running]
