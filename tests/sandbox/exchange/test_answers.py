"""The JSON of orders and of the account: names, kinds of values, identities."""

from decimal import Decimal

import pytest

from tests.sandbox.exchange.conftest import scenario

D = Decimal
COMMON = {
    "orderId", "symbol", "status", "clientOrderId", "price", "origQty", "executedQty",
    "timeInForce", "type", "reduceOnly", "closePosition", "side", "positionSide", "stopPrice",
    "workingType", "priceProtect", "origType", "priceMatch", "selfTradePreventionMode",
    "goodTillDate", "updateTime",
}  # fmt: skip
ANSWERED = COMMON | {"cumQty"}
QUERIED = COMMON | {"avgPrice", "cumQuote", "time"}


async def test_a_placed_order_has_no_price_and_a_queried_one_has(api):
    placed = (await api.market("ETHUSDT", "SELL", "3.339", reduceOnly="true")).json()
    assert set(placed) == ANSWERED
    assert (placed["status"], placed["executedQty"], placed["price"]) == (
        "FILLED",
        "3.339",
        "0.00",
    )
    found = await api.signed("GET", "/v1/order", symbol="ETHUSDT", orderId=placed["orderId"])
    assert set(found.json()) == QUERIED
    assert (found.json()["avgPrice"], found.json()["cumQuote"]) == ("2950.000", "9850.050")
    (listed,) = (await api.signed("GET", "/v1/allOrders", symbol="ETHUSDT")).json()
    assert set(listed) == QUERIED | {"cumBase", "pair"}
    assert listed["price"] == "0"


async def test_ack_says_nothing_about_the_fill(api):
    answer = await api.market("ETHUSDT", "SELL", "1", newOrderRespType="ACK")
    assert set(answer.json()) == ANSWERED
    assert (answer.json()["status"], answer.json()["executedQty"]) == ("NEW", "0.000")
    default = await api.market("ETHUSDT", "SELL", "1", newOrderRespType=None)
    assert default.json()["status"] == "NEW"


async def test_a_cancelled_order(api):
    order = (await api.limit("ETHUSDT", "BUY", "1", "2900")).json()
    (listed,) = (await api.signed("GET", "/v1/openOrders")).json()
    assert set(listed) == QUERIED
    one = await api.signed("GET", "/v1/openOrder", symbol="ETHUSDT", orderId=order["orderId"])
    assert one.json() == listed
    reference = {"symbol": "ETHUSDT", "origClientOrderId": order["clientOrderId"]}
    cancelled = (await api.signed("DELETE", "/v1/order", **reference)).json()
    assert set(cancelled) == ANSWERED
    assert cancelled["status"] == "CANCELED"
    assert (await api.signed("GET", "/v1/openOrder", **reference)).json()["code"] == -2013


async def test_a_batch_mixes_orders_and_refusals_in_order(api):
    good = '{"symbol":"ETHUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"2900"'
    answer = await api.signed(
        "POST", "/v1/batchOrders", batchOrders=f'[{good},"quantity":"1"}},{good}}},7]'
    )
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert set(first) == ANSWERED
    assert (second["code"], third["code"]) == (-1102, -1130)
    answer = await api.signed(
        "DELETE", "/v1/batchOrders", symbol="ETHUSDT", orderIdList=f"[{first['orderId']},1]"
    )
    assert [row.get("status", row.get("code")) for row in answer.json()] == ["CANCELED", -2011]
    again = await api.signed(
        "DELETE", "/v1/batchOrders", symbol="ETHUSDT", origClientOrderIdList='["x"]'
    )
    assert again.json()[0]["code"] == -2011


async def test_cancel_all_and_the_countdown(api):
    await api.limit("ETHUSDT", "BUY", "1", "2900")
    done = (await api.signed("DELETE", "/v1/allOpenOrders", symbol="ETHUSDT")).json()
    assert done["code"] == 200
    assert (await api.signed("GET", "/v1/openOrders", symbol="ETHUSDT")).json() == []
    armed = await api.signed(
        "POST", "/v1/countdownCancelAll", symbol="ETHUSDT", countdownTime=100_000
    )
    assert armed.json() == {"symbol": "ETHUSDT", "countdownTime": "100000"}


async def test_lists_keep_the_newest_orders_and_the_oldest_trades(api):
    for _ in range(3):
        await api.market("ETHUSDT", "SELL", "0.1")
    orders = (await api.signed("GET", "/v1/allOrders", symbol="ETHUSDT")).json()
    ids = [order["orderId"] for order in orders]
    assert ids == sorted(ids)
    newest = (await api.signed("GET", "/v1/allOrders", symbol="ETHUSDT", limit=2)).json()
    assert [order["orderId"] for order in newest] == ids[1:]
    after = await api.signed("GET", "/v1/allOrders", symbol="ETHUSDT", orderId=ids[1], limit=1)
    assert [order["orderId"] for order in after.json()] == [ids[1]]
    oldest = (await api.signed("GET", "/v1/userTrades", symbol="ETHUSDT", limit=2)).json()
    assert [trade["orderId"] for trade in oldest] == ids[:2]
    own = await api.signed("GET", "/v1/userTrades", symbol="ETHUSDT", orderId=ids[2])
    assert [trade["orderId"] for trade in own.json()] == [ids[2]]
    rest = await api.signed("GET", "/v1/userTrades", symbol="ETHUSDT", fromId=oldest[1]["id"])
    assert [trade["orderId"] for trade in rest.json()] == ids[1:]


async def test_the_wallet_moves_by_profit_less_commission(api):
    before = D((await api.signed("GET", "/v3/account")).json()["totalWalletBalance"])
    await api.control("POST", "prices", symbol="ETHUSDT", mark_price="2991.37")
    await api.market("ETHUSDT", "SELL", "3.339", reduceOnly="true")
    await api.market("ETHUSDT", "SELL", "5.001")
    trades = (await api.signed("GET", "/v1/userTrades", symbol="ETHUSDT")).json()
    moved = sum(D(trade["realizedPnl"]) - D(trade["commission"]) for trade in trades)
    after = D((await api.signed("GET", "/v3/account")).json()["totalWalletBalance"])
    assert after - before == moved
    incomes = (await api.signed("GET", "/v1/income", symbol="ETHUSDT")).json()
    assert sum(D(row["income"]) for row in incomes) == moved


async def identities(api):
    """The equations of API.md section 7, on whatever the account holds."""
    account = (await api.signed("GET", "/v3/account")).json()
    totals = {name: D(value) for name, value in account.items() if isinstance(value, str)}
    assert totals["totalMarginBalance"] == (
        totals["totalWalletBalance"] + totals["totalUnrealizedProfit"]
    )
    used = totals["totalPositionInitialMargin"] + totals["totalOpenOrderInitialMargin"]
    assert totals["availableBalance"] == max(0, totals["totalMarginBalance"] - used)
    configs = {c["symbol"]: c for c in (await api.signed("GET", "/v1/symbolConfig")).json()}
    for row in (await api.signed("GET", "/v3/positionRisk")).json():
        amount, mark, entry = (D(row[k]) for k in ("positionAmt", "markPrice", "entryPrice"))
        leverage = configs[row["symbol"]]["leverage"]
        assert D(row["notional"]) == amount * mark
        assert abs(D(row["unRealizedProfit"]) - (mark - entry) * amount) < D("0.00000001")
        assert D(row["positionInitialMargin"]) == abs(amount * mark) / leverage


async def test_the_identities_hold(api):
    await identities(api)
    await api.market("ETHUSDT", "BUY", "1")
    await api.limit("BTCUSDT", "BUY", "0.5", "87000")
    await api.control("POST", "prices", symbol="ETHUSDT", mark_price="2901.23")
    await identities(api)


async def test_version_2_lists_every_symbol_and_version_3_only_the_used(api):
    assert len((await api.signed("GET", "/v2/account")).json()["positions"]) == 12
    assert len((await api.signed("GET", "/v2/positionRisk")).json()) == 12
    await api.limit("BTCUSDT", "BUY", "0.5", "87000")
    used = ["BTCUSDT", "ETHUSDT", "TRXUSDT"]
    for path, rows in (("/v3/account", "positions"), ("/v3/positionRisk", None)):
        answer = (await api.signed("GET", path)).json()
        found = answer if rows is None else answer[rows]
        assert [row["symbol"] for row in found] == used


async def test_odd_kinds_of_values_are_copied(api):
    (risk,) = (await api.signed("GET", "/v2/positionRisk", symbol="ETHUSDT")).json()
    assert (risk["leverage"], risk["isAutoAddMargin"], risk["marginType"]) == (
        "20",
        "false",
        "cross",
    )
    (config,) = (await api.signed("GET", "/v1/symbolConfig", symbol="ETHUSDT")).json()
    assert (config["leverage"], config["isAutoAddMargin"], config["marginType"]) == (
        20,
        False,
        "CROSSED",
    )
    (ladder,) = (await api.signed("GET", "/v1/leverageBracket", symbol="BTCUSDT")).json()
    first, second = ladder["brackets"][:2]
    assert (first["initialLeverage"], first["notionalCap"]) == (125, 300_000)
    assert (first["maintMarginRatio"], second["cum"]) == (0.004, 300.0)
    rate = (await api.signed("GET", "/v1/commissionRate", symbol="ETHUSDT")).json()
    assert rate["takerCommissionRate"] == "0.000500"


async def test_settings(api):
    changed = await api.signed("POST", "/v1/leverage", symbol="BTCUSDT", leverage=10)
    assert changed.json() == {
        "symbol": "BTCUSDT",
        "leverage": 10,
        "maxNotionalValue": "230000000",
    }
    done = await api.signed("POST", "/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    assert done.json() == {"code": 200, "msg": "success"}
    await api.signed("POST", "/v1/multiAssetsMargin", multiAssetsMargin="TRUE")
    refused = await api.signed("POST", "/v1/multiAssetsMargin", multiAssetsMargin="true")
    assert refused.json()["code"] in {-4168, -4171}
    mode = (await api.signed("GET", "/v1/positionSide/dual")).json()
    assert mode == {"dualSidePosition": False}
    assert (await api.signed("GET", "/v1/apiTradingStatus")).json()["indicators"] == {}
    assert (await api.signed("GET", "/v1/accountConfig")).json()["canTrade"] is True


async def test_an_isolated_position(api):
    await api.signed("POST", "/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    await api.market("BTCUSDT", "BUY", "0.1")
    await api.control("POST", "prices", symbol="BTCUSDT", mark_price=88100)
    (risk,) = (await api.signed("GET", "/v2/positionRisk", symbol="BTCUSDT")).json()
    assert (risk["isolatedWallet"], risk["isolatedMargin"]) == ("440", "450.00000000")
    lower = await api.signed("POST", "/v1/leverage", symbol="BTCUSDT", leverage=10)
    assert lower.json()["code"] == -4161


class TestLeverage:
    @pytest.fixture
    def start(self):
        return scenario(leverage=75, wallet_balance=D(1000))

    async def test_it_must_fit_the_position_and_the_balance(self, api):
        await api.control("POST", "positions", symbol="BTCUSDT", amount=9, entry_price=88000)
        refused = await api.signed("POST", "/v1/leverage", symbol="BTCUSDT", leverage=125)
        assert refused.json()["code"] == -2027
        refused = await api.signed("POST", "/v1/leverage", symbol="BTCUSDT", leverage=1)
        assert refused.json()["code"] == -2028
