"""The user data stream: its one key, who listens, and what faults do to an event on its way."""

import asyncio
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.news import News
from qtops.sandbox.exchange.rest.faults import Fault, FaultKind, Faults
from qtops.sandbox.exchange.rest.wire import Json
from qtops.sandbox.exchange.rest.wire_stream import StreamWire

KEY_LIFE_MS: Final = 3_600_000
_KEY_LENGTH: Final = 64
_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(eq=False, slots=True)
class Listener:
    """One connection. An empty `wanted` means every event; None in the queue ends it abruptly."""

    key: str
    wanted: frozenset[str] = frozenset()
    queue: asyncio.Queue[Json | None] = field(default_factory=asyncio.Queue)

    def tell(self, event: Json) -> None:
        if not self.wanted or event["e"] in self.wanted or event["e"] == "listenKeyExpired":
            self.queue.put_nowait(event)


class UserStreams:
    """All streams of the one account. A restart forgets the key: its clients ask for a new one."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._wire = StreamWire(engine)
        self._faults = faults
        self._key: str | None = None
        self._expires_ms = 0
        self._listeners: set[Listener] = set()
        self._held: list[Json] = []

    # --- the key --------------------------------------------------------------------------------
    def create(self, now_ms: int) -> str:
        """The key in force, or a new one; either way it lives for an hour from now."""
        self.expire(now_ms)
        if self._key is None:
            self._key = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LENGTH))
        self._expires_ms = now_ms + KEY_LIFE_MS
        return self._key

    def extend(self, now_ms: int) -> str | None:
        """None when there is no key to extend."""
        self.expire(now_ms)
        return None if self._key is None else self.create(now_ms)

    def close(self) -> None:
        self._key = None

    def is_valid(self, key: str, now_ms: int) -> bool:
        self.expire(now_ms)
        return key == self._key

    def expire(self, now_ms: int) -> None:
        """End a key that nobody kept alive; whoever listens is told once."""
        if self._key is None or now_ms < self._expires_ms:
            return
        ended = {"e": "listenKeyExpired", "E": now_ms, "listenKey": self._key}
        self._send([ended])
        self._key = None

    # --- events ---------------------------------------------------------------------------------
    def join(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def publish(self, news: Iterable[News], now_ms: int) -> None:
        """Tell it to those whose key is in force, through the faults. With none it is lost."""
        self.expire(now_ms)
        if not self._hearing():
            return
        for event in self._wire.events(news, now_ms):
            self._through(event, self._faults.draw_event(event["e"]))

    def _through(self, event: Json, fault: Fault | None) -> None:
        match fault and fault.kind:
            case FaultKind.STREAM_DROP:
                return
            case FaultKind.STREAM_DISCONNECT:
                for listener in self._hearing():
                    listener.queue.put_nowait(None)
            case FaultKind.STREAM_DELAY if fault is not None:
                delay_s = fault.number(0) / 1000
                asyncio.get_running_loop().call_later(delay_s, self._send, [event])
            case FaultKind.STREAM_REORDER:
                self._held.append(event)
            case FaultKind.STREAM_DUPLICATE:
                self._send([event, event])
            case _:
                held, self._held = self._held, []
                self._send([event, *held])

    def _send(self, events: Iterable[Json]) -> None:
        for event in events:
            for listener in self._hearing():
                listener.tell(event)

    def _hearing(self) -> list[Listener]:
        return [listener for listener in self._listeners if listener.key == self._key]
