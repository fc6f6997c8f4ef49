"""The stream's client against the sandbox exchange: keep-alive, rollover, silence."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_sockets

from qtops.adapters.binance.client import BinanceVenue
from qtops.adapters.binance.settings import VenueSettings
from qtops.adapters.binance.user_stream import BinanceUserStream, StreamTiming
from qtops.adapters.clock import SystemClock
from qtops.contracts.account_event import AccountEvent
from qtops.sandbox.exchange.scenario import load_scenario
from qtops.sandbox.exchange.server import serve

QUICK = {"first_retry_s": 0.01, "longest_retry_s": 0.02}


class Told:
    """A listener that remembers, and wakes the test with each word."""

    def __init__(self):
        self.log = asyncio.Queue()

    async def connected(self, at_ms: int, gap_from_ms: int) -> None:
        await self.log.put(("connected", at_ms, gap_from_ms))

    async def received(self, event: AccountEvent) -> None:
        await self.log.put(("received", event))

    def disconnected(self, why: str) -> None:
        self.log.put_nowait(("disconnected", why))

    def unreadable(self, why: str) -> None:
        self.log.put_nowait(("unreadable", why))

    async def next(self):
        return await asyncio.wait_for(self.log.get(), 10)


@pytest.fixture
async def venue():
    played = load_scenario("flat")
    ready = asyncio.get_running_loop().create_future()
    exchange = asyncio.create_task(serve(played, on_ready=ready.set_result))
    url = await ready
    client = BinanceVenue(VenueSettings(url, played.api_key, played.api_secret), SystemClock())
    client.url = url.replace("http", "ws", 1)
    yield client
    await client.aclose()
    exchange.cancel()
    await asyncio.gather(exchange, return_exceptions=True)


class Following:
    """A stream in the background that tells `told`."""

    def __init__(self, venue, url, **timing):
        self.told = Told()
        stream = BinanceUserStream(venue, url, SystemClock(), StreamTiming(**QUICK, **timing))
        self._task = asyncio.create_task(stream.follow(self.told))

    async def __aenter__(self):
        return self.told

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_connection_is_renewed_before_the_venue_ends_it(venue):
    async with Following(venue, venue.url, connection_life_s=0.05) as told:
        _, first_ms, gap_ms = await told.next()
        assert gap_ms == 0
        assert (await told.next())[0] == "disconnected"
        assert (await told.next())[2] == first_ms


async def test_a_key_that_is_gone_at_the_keep_alive_is_replaced(venue):
    async with Following(venue, venue.url, extend_every_s=0.2) as told:
        assert (await told.next())[0] == "connected"
        key = {"X-MBX-APIKEY": venue._settings.api_key}
        await venue._transport._http.delete("/fapi/v1/listenKey", headers=key)
        assert await told.next() == ("disconnected", "the listen key is gone")
        assert (await told.next())[0] == "connected"


async def test_the_key_is_kept_alive_without_ending_the_connection(venue, monkeypatch):
    extended = asyncio.Event()
    original = venue.extend_listen_key

    async def extend():
        await original()
        extended.set()

    monkeypatch.setattr(venue, "extend_listen_key", extend)
    async with Following(venue, venue.url, extend_every_s=0.02) as told:
        assert (await told.next())[0] == "connected"
        await asyncio.wait_for(extended.wait(), 10)
        assert told.log.empty()


async def test_a_peer_that_went_silent_is_left(venue):
    over = asyncio.Event()

    async def silent(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # nothing is answered any more, pings included
        await over.wait()
        connection.transport.abort()

    async with serve_sockets(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        timing = {"ping_every_s": 0.05, "ping_timeout_s": 0.05}
        async with Following(venue, f"ws://127.0.0.1:{port}", **timing) as told:
            assert (await told.next())[0] == "connected"
            assert await told.next() == ("disconnected", "connection lost")
        over.set()


async def test_what_cannot_be_read_is_told_and_passed_over(venue):
    async def mumble(connection: ServerConnection) -> None:
        await connection.send("not json")
        await connection.wait_closed()

    async with serve_sockets(mumble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Following(venue, f"ws://127.0.0.1:{port}") as told:
            assert (await told.next())[0] == "connected"
            assert await told.next() == ("unreadable", "bad_json")


async def test_no_reason_for_a_disconnection_holds_the_key(venue):
    key = await venue.open_listen_key()
    async with Following(venue, "ws://127.0.0.1:1") as told:
        kind, why = await told.next()
    assert kind == "disconnected"
    assert key not in why
