"""Clients as people install them, on the sandbox's user data stream: ccxt.pro, python-binance."""

import asyncio

import pytest

from tests.sandbox.exchange.conftest import KEY, SECRET, running_exchange, scenario

pytestmark = [
    # websockets, imported by python-binance, announces its own legacy module.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:binance.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TRX = "TRX/USDT:USDT"


@pytest.fixture(scope="module")
def url():
    with running_exchange(scenario()) as url:
        yield url


async def test_ccxt_watches_an_order_to_its_end(url):
    import ccxt.pro

    client = ccxt.pro.binanceusdm({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    client.has["fetchCurrencies"] = False  # that endpoint belongs to the spot API
    for name, address in client.urls["api"].items():
        if name.startswith("fapi"):
            client.urls["api"][name] = f"{url}/fapi/{address.rsplit('/', 1)[1]}"
    client.urls["api"]["ws"]["linear"] = f"{url.replace('http', 'ws', 1)}/ws"
    try:
        watching = asyncio.ensure_future(client.watch_my_trades(TRX))
        placed = set()
        while not watching.done():
            order = await client.create_order(
                TRX, "market", "sell", 100, None, {"reduceOnly": True}
            )
            placed.add(order["id"])
            await asyncio.wait({watching}, timeout=0.2)
        [trade, *_] = watching.result()
        assert trade["order"] in placed
        assert (trade["amount"], trade["price"], trade["fee"]["currency"]) == (100, 0.3, "USDT")
    finally:
        await client.close()


async def test_python_binance_reads_a_fill_in_order(url):
    from binance import AsyncClient, BinanceSocketManager

    client = AsyncClient(KEY, SECRET)
    client.FUTURES_URL = f"{url}/fapi"
    sockets = BinanceSocketManager(client)
    sockets.FSTREAM_URL = f"{url.replace('http', 'ws', 1)}/"
    try:
        async with sockets.futures_user_socket() as socket:
            order = {"symbol": "TRXUSDT", "side": "SELL", "type": "MARKET", "quantity": 100}
            await client.futures_create_order(**order, reduceOnly="true")
            events = [await asyncio.wait_for(socket.recv(), 10) for _ in range(4)]
        assert [e["e"] for e in events[1:]] == [
            "ORDER_TRADE_UPDATE",
            "ACCOUNT_UPDATE",
            "ORDER_TRADE_UPDATE",
        ]
        assert events[3]["o"]["X"] == "FILLED"
    finally:
        await client.close_connection()
