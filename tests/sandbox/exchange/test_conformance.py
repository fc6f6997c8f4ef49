"""Clients as people install them, pointed at this exchange: ccxt, python-binance, Binance's SDK."""

import asyncio
import gc

import httpx
import pytest

from tests.sandbox.exchange.conftest import KEY, SECRET, Api, running_exchange, scenario

pytestmark = [
    # websockets, imported by python-binance, announces its own legacy module.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:binance.*"),
    # requests' pools are closed by the garbage collector: these clients have no close().
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ETH, BTC, TRX = "ETH/USDT:USDT", "BTC/USDT:USDT", "TRX/USDT:USDT"


@pytest.fixture(scope="module")
def url():
    with running_exchange(scenario()) as url:
        yield url


@pytest.fixture(autouse=True)
def reset(url):
    """Every test finds the scenario's positions, and no other test the clients' open sockets."""
    yield
    gc.collect()
    with httpx.Client(base_url=url) as http:
        api = Api(http)
        for symbol, amount, price in (("ETHUSDT", "6.678", 2950), ("TRXUSDT", 17889, "0.3")):
            api.signed("DELETE", "/v1/allOpenOrders", symbol=symbol)
            api.control("POST", "positions", symbol=symbol, amount=amount, entry_price=price)
        api.signed("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT")
        api.control("POST", "positions", symbol="BTCUSDT", amount=0, entry_price=1)


class TestCcxt:
    @pytest.fixture
    def client(self, url):
        import ccxt

        client = ccxt.binanceusdm({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
        client.has["fetchCurrencies"] = False  # that endpoint belongs to the spot API
        for name, address in client.urls["api"].items():
            if name.startswith("fapi"):
                client.urls["api"][name] = f"{url}/fapi/{address.rsplit('/', 1)[1]}"
        client.load_markets()
        yield client
        client.close()

    def test_markets(self, client):
        assert len(client.markets) == 12
        market = client.market(TRX)
        assert (market["precision"]["amount"], market["limits"]["cost"]["min"]) == (1, 5)
        assert client.market(BTC)["precision"]["price"] == 0.1

    def test_market_data(self, client):
        assert client.fetch_ticker(BTC)["last"] == 88_000
        assert client.fetch_tickers([BTC, ETH])[ETH]["last"] == 2950
        assert len(client.fetch_ohlcv(BTC, "1m", limit=5)) == 5
        assert client.fetch_order_book(BTC, limit=5)["asks"][0][0] == 88_000.1
        assert client.fetch_funding_rate(BTC)["markPrice"] == 88_000
        assert len(client.fetch_trades(BTC, limit=3)) == 3
        assert client.fetch_time() > 0

    def test_account(self, client):
        balance = client.fetch_balance()["USDT"]
        assert balance["free"] + balance["used"] == pytest.approx(balance["total"])
        positions = {p["symbol"]: p for p in client.fetch_positions()}
        assert positions[TRX]["contracts"] == 17_889
        assert positions[ETH]["side"] == "long"
        assert client.fetch_position_mode(BTC)["hedged"] is False
        assert client.fetch_leverages([BTC])[BTC]["longLeverage"] == 20
        assert client.fetch_trading_fee(BTC)["taker"] == 0.0005
        assert BTC in client.fetch_leverage_tiers()

    def test_order_life(self, client):
        order = client.create_order(ETH, "market", "sell", 3.339, None, {"reduceOnly": True})
        assert (order["status"], order["filled"]) == ("closed", 3.339)
        assert client.fetch_order(order["id"], ETH)["average"] == 2950
        assert client.fetch_my_trades(ETH)[-1]["order"] == order["id"]
        resting = client.create_order(BTC, "limit", "buy", 0.01, 85_000)
        assert [o["id"] for o in client.fetch_open_orders(BTC)] == [resting["id"]]
        assert client.cancel_order(resting["id"], BTC)["status"] == "canceled"
        assert client.fetch_orders(BTC)[-1]["status"] == "canceled"
        client.cancel_all_orders(BTC)

    def test_errors(self, client):
        import ccxt

        with pytest.raises(ccxt.ExchangeError, match="-2019"):
            client.create_order(BTC, "limit", "buy", 100, 85_000)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            client.fetch_order("1", BTC)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            client.cancel_order("1", BTC)
        with pytest.raises(ccxt.ExchangeError, match="-2022"):
            client.create_order(BTC, "market", "sell", 0.01, None, {"reduceOnly": True})
        client.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            client.fetch_balance()
        client.apiKey = "wrong"
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            client.fetch_balance()


class TestPythonBinance:
    @pytest.fixture
    def client(self, url):
        from binance.client import Client

        loop = asyncio.new_event_loop()  # the client takes the current one and never closes it
        asyncio.set_event_loop(loop)
        client = Client(KEY, SECRET, ping=False)
        client.FUTURES_URL = f"{url}/fapi"
        yield client
        client.close_connection()
        asyncio.set_event_loop(None)
        loop.close()

    def test_reading(self, client):
        assert client.futures_ping() == {}
        assert len(client.futures_exchange_info()["symbols"]) == 12
        assert len(client.futures_account()["assets"]) == 1
        assert client.futures_account_balance()[0]["asset"] == "USDT"
        positions = {p["symbol"]: p["positionAmt"] for p in client.futures_position_information()}
        assert positions["TRXUSDT"] == "17889"
        assert client.futures_mark_price(symbol="BTCUSDT")["markPrice"] == "88000.00000000"
        assert len(client.futures_klines(symbol="BTCUSDT", interval="1m", limit=7)) == 7
        assert client.futures_get_position_mode() == {"dualSidePosition": False}
        assert client.futures_leverage_bracket(symbol="BTCUSDT")

    def test_order_life(self, client):
        order = client.futures_create_order(
            symbol="TRXUSDT",
            side="SELL",
            type="MARKET",
            quantity=8944,
            reduceOnly="true",
            newOrderRespType="RESULT",
        )
        assert (order["status"], order["executedQty"]) == ("FILLED", "8944")
        found = client.futures_get_order(symbol="TRXUSDT", orderId=order["orderId"])
        assert found["avgPrice"] == "0.300000"
        resting = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        rows = [{**resting, "quantity": q, "price": "85000"} for q in ("0.01", "0.00001")]
        good, bad = client.futures_place_batch_order(batchOrders=rows)
        assert (good["status"], bad["code"]) == ("NEW", -1111)
        client.futures_cancel_order(symbol="BTCUSDT", orderId=good["orderId"])
        assert client.futures_get_open_orders(symbol="BTCUSDT") == []
        assert client.futures_change_leverage(symbol="BTCUSDT", leverage=9)["leverage"] == 9

    def test_errors(self, client):
        from binance.exceptions import BinanceAPIException

        def code(**params):
            with pytest.raises(BinanceAPIException) as caught:
                client.futures_create_order(**params)
            return caught.value.code

        market = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET"}
        assert code(**market, quantity=1, reduceOnly="true") == -2022
        assert code(**market, quantity=0.001) == -4164
        assert code(**market, quantity=0.00246) == -1111


class TestBinanceSdk:
    @pytest.fixture
    def client(self, url):
        from binance_common.configuration import ConfigurationRestAPI
        from binance_sdk_derivatives_trading_usds_futures import (
            derivatives_trading_usds_futures as sdk,
        )

        settings = ConfigurationRestAPI(api_key=KEY, api_secret=SECRET, base_path=url, retries=0)
        client = sdk.DerivativesTradingUsdsFutures(config_rest_api=settings).rest_api
        yield client
        client._session.close()

    def test_reading(self, client):
        assert len(client.exchange_information().data().symbols) == 12
        assert client.check_server_time().data().server_time > 0
        for account in (client.account_information_v2, client.account_information_v3):
            data = account().data()
            assert data.total_margin_balance == data.total_wallet_balance
        rows = client.position_information_v3().data()
        assert {row.symbol: row.position_amt for row in rows}["ETHUSDT"] == "6.678"
        assert len(client.position_information_v2().data()) == 12
        assert client.futures_account_balance_v3().data()[0].asset == "USDT"
        assert client.get_current_position_mode().data().dual_side_position is False
        assert client.symbol_configuration(symbol="BTCUSDT").data()[0].margin_type == "CROSSED"
        assert client.futures_account_configuration().data().can_trade is True
        assert client.user_commission_rate(symbol="BTCUSDT").data().taker_commission_rate
        assert client.mark_price(symbol="BTCUSDT").data().actual_instance.mark_price
        assert client.notional_and_leverage_brackets().data().actual_instance
        assert len(client.query_user_rate_limit().data()) == 2

    def test_order_life(self, client):
        placed = client.new_order(
            symbol="TRXUSDT",
            side="SELL",
            type="MARKET",
            quantity=8944.0,
            reduce_only="true",
            new_order_resp_type="RESULT",
        )
        order = placed.data()
        assert (order.status, order.executed_qty) == ("FILLED", "8944")
        found = client.query_order(symbol="TRXUSDT", order_id=order.order_id).data()
        assert (found.avg_price, found.additional_properties) == ("0.300000", {})
        trades = client.account_trade_list(symbol="TRXUSDT").data()
        assert trades[-1].order_id == order.order_id
        resting = client.new_order(
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            quantity=0.01,
            price=85_000.0,
            time_in_force="GTC",
        ).data()
        assert resting.status == "NEW"
        assert len(client.current_all_open_orders(symbol="BTCUSDT").data()) == 1
        cancelled = client.cancel_order(symbol="BTCUSDT", order_id=resting.order_id).data()
        assert cancelled.status == "CANCELED"

    def test_errors(self, client):
        from binance_common.errors import BadRequestError

        with pytest.raises(BadRequestError, match="-2022"):
            client.new_order(
                symbol="BTCUSDT", side="SELL", type="MARKET", quantity=1.0, reduce_only="true"
            )
        with pytest.raises(BadRequestError, match="-1100"):
            client.new_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=1e-07)
