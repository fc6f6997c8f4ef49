"""Exchanges to test against: in process (`api`), in a thread over HTTP (`running_exchange`)."""

import asyncio
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from qtops.sandbox.exchange.rest.app import build_app
from qtops.sandbox.exchange.rest.auth import signature_of
from qtops.sandbox.exchange.rest.connections import Connections
from qtops.sandbox.exchange.rest.venue import Venue
from qtops.sandbox.exchange.scenario import load_scenario
from qtops.sandbox.exchange.server import serve

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

KEY, SECRET = "k" * 64, "s" * 64
HEADERS = {"X-MBX-APIKEY": KEY}


def scenario(name="exit-proof", **changes):
    return replace(load_scenario(name), api_key=KEY, api_secret=SECRET, **changes)


def now_ms():
    return time.time_ns() // 1_000_000


def signed_query(params, *, secret=SECRET, timestamp=None):
    stamped = {**params, "timestamp": now_ms() if timestamp is None else timestamp}
    query = urlencode(stamped)
    return f"{query}&signature={signature_of(secret, query, '')}"


class Api:
    """An httpx client, sync or async alike, that signs; answers are raw responses."""

    def __init__(self, http):
        self.http = http

    def public(self, path, **params):
        return self.http.get(f"/fapi{path}", params=params)

    def signed(self, method, path, **params):
        query = signed_query({k: v for k, v in params.items() if v is not None})
        return self.http.request(method, f"/fapi{path}?{query}", headers=HEADERS)

    def order(self, **params):
        return self.signed("POST", "/v1/order", **{"newOrderRespType": "RESULT", **params})

    def market(self, symbol, side, quantity, **params):
        return self.order(symbol=symbol, side=side, type="MARKET", quantity=quantity, **params)

    def limit(self, symbol, side, quantity, price, **params):
        given = {"timeInForce": "GTC", **params}
        return self.order(
            symbol=symbol, side=side, type="LIMIT", quantity=quantity, price=price, **given
        )

    def control(self, method, path, /, **body):
        return self.http.request(method, f"/sandbox/v1/{path}", json=body or None)


@pytest.fixture
def start():
    """The scenario of `api`; a module or test may override it."""
    return scenario()


@pytest.fixture
def venue(start):
    return Venue(start)


@pytest.fixture
async def api(venue):
    """A fresh exchange without sockets."""
    transport = httpx.ASGITransport(build_app(venue, Connections()))
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as http:
        yield Api(http)


@contextmanager
def running_exchange(start, *, journal=None):
    """A real server in a thread; gives its URL once it listens, and stops it in the end."""
    ready, said = threading.Event(), {}

    async def main():
        said["loop"], said["task"] = asyncio.get_running_loop(), asyncio.current_task()

        def on_ready(url):
            said["url"] = url
            ready.set()

        await serve(start, journal=journal, on_ready=on_ready)

    def run():
        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            pass
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="exchange")
    thread.start()
    assert ready.wait(10)
    try:
        yield said["url"]
    finally:
        said["loop"].call_soon_threadsafe(said["task"].cancel)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def exchange_server():
    """One server for the whole session: for tests that read, or clean up after themselves."""
    with running_exchange(scenario()) as url:
        yield url


@pytest.fixture
def live():
    """A fresh server and a signing client for it."""
    with running_exchange(scenario()) as url, httpx.Client(base_url=url, timeout=10) as http:
        yield Api(http)
