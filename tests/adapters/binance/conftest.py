"""A raw HTTP server that answers by script: what a venue, its proxies and its network may do."""

import asyncio
import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

import pytest

from qtops.adapters.binance.client import BinanceVenue
from qtops.adapters.binance.settings import VenueSettings

KEY = "k" * 64
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"


class FixedClock:
    """Stands still until told otherwise."""

    def __init__(self, ms=1_789_837_693_000):
        self.ms = ms

    def now_ms(self):
        return self.ms

    def monotonic_ms(self):
        return float(self.ms)


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def payload(self):
        return urlsplit(self.target).query or self.body.decode()

    @property
    def params(self):
        return {key: values[0] for key, values in parse_qs(self.payload).items()}


def answer(body, status=200, headers=None):
    """A complete response; `body` is JSON data, text or bytes."""
    if not isinstance(body, str | bytes):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def refusal(status, code, message="refused", headers=None):
    return answer({"code": code, "msg": message}, status, headers)


async def reset(writer):
    """The connection breaks after the request arrived."""
    writer.transport.abort()


async def hang(writer):
    """No answer; the connection stays open."""
    await asyncio.Event().wait()


async def drip(writer):
    """An answer that never ends, byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.005)


class Stub:
    """`on(path, …)` plans the answers to come; the last one repeats."""

    answer = staticmethod(answer)
    refusal = staticmethod(refusal)
    reset = staticmethod(reset)
    hang = staticmethod(hang)
    drip = staticmethod(drip)

    def __init__(self, clock):
        self.clock = clock
        self.offset_ms = 0
        self.received = []
        self.connections = 0
        self._planned = defaultdict(list)

    def on(self, path, *answers):
        self._planned[path] = list(answers)

    def to(self, path):
        return [request for request in self.received if request.path == path]

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await self._one(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Received(method, target, headers, body)
        self.received.append(request)
        reply = self._reply(request.path)
        if callable(reply):
            await reply(writer)
        else:
            writer.write(reply)
            await writer.drain()

    def _reply(self, path):
        planned = self._planned[path]
        if not planned and path == "/fapi/v1/time":
            return answer({"serverTime": self.clock.now_ms() + self.offset_ms})
        return planned.pop(0) if len(planned) > 1 else planned[0]


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
async def stub(clock):
    scripted = Stub(clock)
    handlers = set()

    async def handle(reader, writer):
        handlers.add(asyncio.current_task())
        await scripted.serve(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield scripted
    server.close()
    for task in handlers:
        task.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
    await server.wait_closed()


@pytest.fixture
def settings(stub):
    return VenueSettings(stub.url, KEY, SECRET)


@pytest.fixture
async def make_venue(settings, clock):
    """A client of the stub; keyword arguments replace settings, `ledger` the budget."""
    made = []

    def make(ledger=None, **changes):
        made.append(BinanceVenue(replace(settings, **changes), clock, ledger))
        return made[-1]

    yield make
    for venue in made:
        await venue.aclose()


@pytest.fixture
def venue(make_venue):
    return make_venue()
