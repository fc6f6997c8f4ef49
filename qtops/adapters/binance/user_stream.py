"""The user data stream over WebSocket: key, keep-alive, silence, rollover, reconnection."""

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from qtops.adapters.binance.events import EXPIRED, read_message
from qtops.contracts.environment import Environment, environment_of
from qtops.errors import DecodeError, VenueError
from qtops.ports import Clock, StreamListener

_NO_SUCH_KEY: Final = -1125
_logger = logging.getLogger("qtops.user_stream.socket")
_logger.setLevel(logging.WARNING)  # below that the library writes addresses, which hold the key


class ListenKeys(Protocol):
    """What the stream needs of the REST client."""

    def timestamp_ms(self) -> int: ...

    async def sync_clock(self) -> int: ...

    async def open_listen_key(self) -> str: ...

    async def extend_listen_key(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """Seconds. The key lives an hour, a connection 24 hours; the venue pings every three minutes.

    A ping of ours that is not answered in `ping_timeout_s` ends a connection that went silent.
    """

    extend_every_s: float = 1_800.0
    extend_retry_s: float = 60.0
    connection_life_s: float = 23 * 3_600.0
    ping_every_s: float = 20.0
    ping_timeout_s: float = 20.0
    connect_timeout_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0


class StreamEndedError(Exception):
    """The connection is of no more use; the text says why."""


class BinanceUserStream:
    """Implements `qtops.ports.UserStream` at `url` (ws:// or wss://, host and port only)."""

    def __init__(
        self, keys: ListenKeys, url: str, clock: Clock, timing: StreamTiming | None = None
    ) -> None:
        self._keys = keys
        self._url = url.rstrip("/")
        self._clock = clock
        self._timing = timing or StreamTiming()
        self._heard_ms = 0
        self._failures = 0

    async def follow(self, listener: StreamListener) -> NoReturn:
        """Connect, listen, and connect again after a growing, jittered pause. Never returns."""
        while True:
            try:
                await self._one_connection(listener)
            except (StreamEndedError, ConnectionClosed) as ended:
                why = str(ended) if isinstance(ended, StreamEndedError) else "connection lost"
            except VenueError as error:
                why = error.message
            except (WebSocketException, OSError, TimeoutError) as error:
                why = f"not connected ({type(error).__name__})"
            listener.disconnected(why)
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        """Doubling, and anywhere in its upper half: not all clients come back at one moment."""
        t = self._timing
        most: float = min(t.first_retry_s * 2**self._failures, t.longest_retry_s)
        self._failures = min(self._failures + 1, 16)
        return most * random.uniform(0.5, 1.0)  # noqa: S311  not for secrecy

    async def _one_connection(self, listener: StreamListener) -> NoReturn:
        await self._keys.sync_clock()
        key = await self._keys.open_listen_key()
        async with self._connect(f"{self._url}/private/ws?listenKey={key}") as socket:
            at_ms = self._keys.timestamp_ms()
            await listener.connected(at_ms, self._heard_ms)
            self._heard_ms = max(self._heard_ms, at_ms)
            self._failures = 0
            await self._listen(socket, listener)

    def _connect(self, address: str) -> connect:
        t = self._timing
        # As for REST: a proxy of the environment is for the network, not for loopback.
        loopback = environment_of(self._url) is Environment.SANDBOX
        return connect(
            address,
            proxy=None if loopback else True,
            ping_interval=t.ping_every_s,
            ping_timeout=t.ping_timeout_s,
            open_timeout=t.connect_timeout_s,
            close_timeout=1.0,
            user_agent_header="qtops",
            logger=_logger,
        )

    async def _listen(self, socket: ClientConnection, listener: StreamListener) -> NoReturn:
        """Until the connection ends; between messages the key is kept alive."""
        now = self._clock.monotonic_ms()
        ends = now + self._timing.connection_life_s * 1000
        extend = now + self._timing.extend_every_s * 1000
        while (now := self._clock.monotonic_ms()) < ends:
            if now >= extend:
                extend = now + await self._extend() * 1000
            try:
                async with asyncio.timeout((min(ends, extend) - now) / 1000):
                    raw = await socket.recv()
            except TimeoutError:
                continue
            await self._pass_on(raw, listener)
        raise StreamEndedError("renewed before its 24 hours are over")

    async def _extend(self) -> float:
        """Seconds until the next time. A key that is gone ends the connection."""
        try:
            await self._keys.extend_listen_key()
        except VenueError as error:
            if error.venue_code == _NO_SUCH_KEY:
                raise StreamEndedError("the listen key is gone") from error
            return self._timing.extend_retry_s  # the key has half its life left
        return self._timing.extend_every_s

    async def _pass_on(self, raw: str | bytes, listener: StreamListener) -> None:
        try:
            name, event = read_message(raw)
        except DecodeError as error:
            listener.unreadable(error.reason)
            return
        if name == EXPIRED:
            raise StreamEndedError("the listen key expired")
        if event is not None:
            self._heard_ms = max(self._heard_ms, event.event_ms)
            await listener.received(event)
