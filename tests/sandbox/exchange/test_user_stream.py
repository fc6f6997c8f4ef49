"""The user data stream as its clients see it: key, paths, events and their order, faults."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from qtops.sandbox.exchange.server import serve
from tests.sandbox.exchange.conftest import HEADERS, Api, scenario

FILL = ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]
HOUR_MS = 3_600_000


class Served(Api):
    """A real server in this loop, and its key endpoints."""

    def __init__(self, http, url):
        super().__init__(http)
        self.ws = url.replace("http", "ws", 1)

    async def key(self, method="POST"):
        return (await self.http.request(method, "/fapi/v1/listenKey", headers=HEADERS)).json()

    async def listen(self, query=""):
        key = (await self.key())["listenKey"]
        return await connect(f"{self.ws}/private/ws?listenKey={key}{query}", proxy=None)

    async def fault(self, kind, event="*", **more):
        await self.control("POST", "faults", path=f"/private/ws/{event}", kind=kind, **more)

    async def sell(self):
        return await self.market("TRXUSDT", "SELL", "100", reduceOnly="true")


@asynccontextmanager
async def serving():
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(scenario(), on_ready=ready.set_result))
    url = await ready
    try:
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:
            yield Served(http, url)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def exchange():
    async with serving() as served:
        yield served


async def take(socket, count):
    return [json.loads(await asyncio.wait_for(socket.recv(), 10)) for _ in range(count)]


def names(events):
    return [event["e"] for event in events]


async def test_a_market_fill_tells_in_the_venues_order(exchange):
    async with await exchange.listen() as socket:
        order = (await exchange.sell()).json()
        events = await take(socket, 4)
    assert names(events) == FILL
    lite, accepted, account, filled = events
    assert (accepted["o"]["x"], accepted["o"]["X"]) == ("NEW", "NEW")
    body = filled["o"]
    assert (body["x"], body["X"], body["i"]) == ("TRADE", "FILLED", order["orderId"])
    assert (body["z"], body["ap"], body["L"], body["n"]) == ("100", "0.3", "0.3", "0.015")
    assert body["t"] == lite["t"] != 0
    assert account["a"]["m"] == "ORDER"
    assert account["a"]["P"][0]["pa"] == "17789"
    assert account["a"]["B"][0]["wb"] == "99999.98500000"


async def test_a_resting_order_tells_of_its_life_and_a_transfer_of_the_wallet(exchange):
    async with await exchange.listen() as socket:
        order = (await exchange.limit("BTCUSDT", "BUY", "0.01", "85000")).json()
        await exchange.signed("DELETE", "/v1/order", symbol="BTCUSDT", orderId=order["orderId"])
        await exchange.control("POST", "balance", available=500_000)
        accepted, cancelled, account = await take(socket, 3)
    assert [e["o"]["x"] for e in (accepted, cancelled)] == ["NEW", "CANCELED"]
    assert account["a"]["m"] == "DEPOSIT"
    assert float(account["a"]["B"][0]["bc"]) > 0


async def test_only_the_events_asked_for_are_sent(exchange):
    async with await exchange.listen("&events=ACCOUNT_UPDATE") as socket:
        await exchange.sell()
        await exchange.sell()
        assert names(await take(socket, 2)) == ["ACCOUNT_UPDATE"] * 2


async def test_the_combined_path_wraps_events(exchange):
    key = (await exchange.key())["listenKey"]
    async with connect(f"{exchange.ws}/private/stream?listenKey={key}", proxy=None) as socket:
        await exchange.sell()
        [first] = await take(socket, 1)
    assert (first["stream"], first["data"]["e"]) == (key, "TRADE_LITE")


@pytest.mark.parametrize("path", ["/private/ws/nonsense", "/private/ws", "/elsewhere", "/ws/old"])
async def test_an_unknown_key_or_path_is_refused(exchange, path):
    await exchange.key()
    with pytest.raises(InvalidStatus):
        await connect(f"{exchange.ws}{path}", proxy=None)


async def test_the_old_path_stays_silent(exchange):
    key = (await exchange.key())["listenKey"]
    async with (
        connect(f"{exchange.ws}/ws/{key}", proxy=None) as old,
        connect(f"{exchange.ws}/private/ws/{key}", proxy=None) as routed,
    ):
        await exchange.sell()
        assert names(await take(routed, 4)) == FILL
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old.recv(), 0.01)


async def test_the_key_is_given_again_extended_and_given_up(exchange):
    assert (await exchange.key("PUT"))["code"] == -1125
    first = await exchange.key()
    await exchange.control("POST", "clock", offset_ms=HOUR_MS - 60_000)
    assert await exchange.key("PUT") == first == await exchange.key()
    await exchange.control("POST", "clock", offset_ms=2 * HOUR_MS - 120_000)
    assert await exchange.key() == first
    assert await exchange.key("DELETE") == {}
    assert await exchange.key() != first
    answer = await exchange.http.post("/fapi/v1/listenKey")
    assert answer.json()["code"] == -2014


async def test_a_key_that_runs_out_is_told_and_its_stream_falls_silent(exchange):
    async with await exchange.listen() as old:
        await exchange.control("POST", "clock", offset_ms=HOUR_MS)
        assert names(await take(old, 1)) == ["listenKeyExpired"]
        async with await exchange.listen() as fresh:
            await exchange.control("POST", "positions", symbol="BTCUSDT", amount="0.5")
            assert names(await take(fresh, 1)) == ["ACCOUNT_UPDATE"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old.recv(), 0.01)


@pytest.mark.parametrize(
    ("kind", "event", "expected"),
    [
        ("stream_drop", "TRADE_LITE", FILL[1:]),
        ("stream_duplicate", "ACCOUNT_UPDATE", [*FILL[:3], "ACCOUNT_UPDATE", FILL[3]]),
        ("stream_reorder", "TRADE_LITE", [FILL[1], FILL[0], *FILL[2:]]),
    ],
)
async def test_faults_lose_double_and_reorder_events(exchange, kind, event, expected):
    async with await exchange.listen() as socket:
        await exchange.fault(kind, event)
        await exchange.sell()
        assert names(await take(socket, len(expected))) == expected


async def test_a_fault_delays_an_event(exchange):
    async with await exchange.listen() as socket:
        await exchange.fault("stream_delay_ms", "TRADE_LITE", value=20)
        await exchange.sell()
        assert names(await take(socket, 4)) == [*FILL[1:], FILL[0]]


async def test_a_fault_breaks_the_connection(exchange):
    async with await exchange.listen() as socket:
        await exchange.fault("stream_disconnect")
        await exchange.sell()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)


async def test_the_servers_end_closes_the_streams():
    async with serving() as exchange:
        socket = await exchange.listen()
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.recv(), 10)
