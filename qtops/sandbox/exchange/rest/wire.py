"""Numbers and orders as the venue prints them."""

from decimal import Decimal
from typing import Any

from qtops.contracts.values import fmt_decimal
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.orders import NEW, Order, Trade

Json = Any
MONEY_PLACES = 8


def padded(value: Decimal, places: int) -> str:
    """At least `places` decimals; more where the value has them. Never an exponent."""
    text = fmt_decimal(value)
    whole, _, fraction = text.partition(".")
    fraction = fraction.ljust(places, "0")
    return f"{whole}.{fraction}" if fraction else whole


def cash(value: Decimal) -> str:
    """Eight decimals, as balances and margins have."""
    return padded(round(value, MONEY_PLACES), MONEY_PLACES)


def _base(order: Order, rules: Instrument) -> dict[str, Json]:
    places = rules.price_precision
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": padded(order.price, places),
        "origQty": padded(order.quantity, rules.quantity_precision),
        "executedQty": padded(order.executed, rules.quantity_precision),
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": padded(Decimal(0), places),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.kind,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.self_trade_mode,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.update_ms,
    }


def answered_order(order: Order, rules: Instrument) -> Json:
    """The answer to POST and DELETE: with cumQty, without avgPrice and cumQuote."""
    return {**_base(order, rules), "cumQty": padded(order.executed, rules.quantity_precision)}


def acknowledged_order(order: Order, rules: Instrument) -> Json:
    """The answer to POST with ACK: accepted, and nothing is said about fills."""
    nothing = padded(Decimal(0), rules.quantity_precision)
    return {
        **_base(order, rules),
        "status": NEW,
        "executedQty": nothing,
        "cumQty": nothing,
        "updateTime": order.time_ms,
    }


def queried_order(order: Order, rules: Instrument) -> Json:
    """The answer to GET: with avgPrice, cumQuote and time, without cumQty."""
    places = rules.price_precision + 1
    return {
        **_base(order, rules),
        "avgPrice": padded(round(order.average_price, places), places),
        "cumQuote": padded(order.quote, places),
        "time": order.time_ms,
    }


def listed_order(order: Order, rules: Instrument) -> Json:
    """A row of allOrders: prices without padding, pair and cumBase added."""
    return {
        **queried_order(order, rules),
        "price": fmt_decimal(order.price),
        "stopPrice": "0",
        "cumBase": "0",
        "pair": order.symbol,
    }


def tested_order() -> Json:
    """The answer to order/test: an order that is nothing."""
    return {
        "orderId": 0,
        "symbol": "",
        "status": "",
        "clientOrderId": "",
        "price": "0",
        "origQty": "0",
        "executedQty": "0",
        "cumQty": "0",
        "timeInForce": "",
        "type": "",
        "reduceOnly": False,
        "closePosition": False,
        "side": "",
        "positionSide": "",
        "stopPrice": "0",
        "workingType": "",
        "priceProtect": False,
        "origType": "",
        "priceMatch": "",
        "selfTradePreventionMode": "",
        "goodTillDate": 0,
        "updateTime": 0,
    }


def trade_row(trade: Trade, rules: Instrument) -> Json:
    """A row of userTrades."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "pair": trade.symbol,
        "side": trade.side,
        "price": padded(trade.price, rules.price_precision),
        "qty": padded(trade.quantity, rules.quantity_precision),
        "realizedPnl": cash(trade.realized),
        "quoteQty": padded(trade.quote, rules.price_precision + 1),
        "commission": cash(trade.commission),
        "commissionAsset": rules.quote,
        "time": trade.time_ms,
        "buyer": trade.side == "BUY",
        "maker": trade.is_maker,
        "positionSide": trade.position_side,
        "baseQty": "0",
        "marginAsset": rules.quote,
    }
