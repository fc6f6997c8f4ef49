"""The server around the exchange: socket, start, end, log."""

import asyncio
import logging

import httpx
import pytest

from qtops.errors import HostError
from qtops.sandbox.exchange.server import serve
from tests.sandbox.exchange.conftest import KEY, SECRET, Api, running_exchange, scenario


def test_it_listens_on_loopback_when_it_says_so(exchange_server):
    assert exchange_server.startswith("http://127.0.0.1:")
    assert httpx.get(f"{exchange_server}/fapi/v1/ping").json() == {}


def test_a_port_in_use_is_told(exchange_server):
    port = int(exchange_server.rsplit(":", 1)[1])
    with pytest.raises(HostError, match=str(port)):
        asyncio.run(serve(scenario(), port=port, on_ready=lambda _url: None))


async def test_cancelling_ends_it_and_frees_the_port():
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(scenario(), on_ready=ready.set_result))
    url = await ready
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


def test_latency_of_the_scenario(caplog):
    caplog.set_level(logging.DEBUG)
    with running_exchange(scenario(latency_ms=50)) as url, httpx.Client(base_url=url) as http:
        answer = Api(http).market("ETHUSDT", "SELL", "1")
        assert answer.elapsed.total_seconds() >= 0.045
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert not any(KEY in line or SECRET in line or "signature" in line for line in ours)


def test_headers_are_the_venues(exchange_server):
    headers = httpx.get(f"{exchange_server}/fapi/v1/time").headers
    assert headers["Content-Type"] == "application/json"
    assert int(headers["X-MBX-USED-WEIGHT-1M"]) > 0
    assert "server" not in headers


async def test_an_error_of_ours_is_minus_1000_with_500(venue, api, caplog):
    venue.market.day = None
    api.http._transport.raise_app_exceptions = False
    answer = await api.public("/v1/ticker/24hr", symbol="ETHUSDT")
    assert (answer.status_code, answer.json()["code"]) == (500, -1000)
    assert (await api.public("/v1/time")).status_code == 200
