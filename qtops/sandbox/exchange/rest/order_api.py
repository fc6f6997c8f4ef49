"""Order endpoints: place, query, cancel, batches, fills."""

from collections.abc import Iterable
from typing import Any, Final

from qtops.sandbox.exchange.core.errors import BinanceError, missing_both, refuse
from qtops.sandbox.exchange.core.intake import read_order
from qtops.sandbox.exchange.core.market import DAY_MS
from qtops.sandbox.exchange.core.orders import Order
from qtops.sandbox.exchange.core.params import Params
from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Security, Table, by_symbol
from qtops.sandbox.exchange.rest.wire import (
    Json,
    acknowledged_order,
    answered_order,
    listed_order,
    queried_order,
    tested_order,
    trade_row,
)

_MAX_PLACED: Final = 5
_MAX_CANCELLED: Final = 10
_DEFAULT_ROWS: Final = 500
_MAX_ROWS: Final = 1000
_WEEK_MS: Final = 7 * DAY_MS


def place(call: Call) -> Json:
    """ACK (the default) says nothing about fills; RESULT is the final state."""
    return _place(call, call.params)


def _place(call: Call, params: Params) -> Json:
    hedge_mode = call.state.account.hedge_mode
    new = read_order(params, call.engine.instruments, call.now_ms, hedge_mode=hedge_mode)
    order = call.engine.place(new, call.now_ms, call.fill_share)
    wire = answered_order if new.response_type == "RESULT" else acknowledged_order
    return wire(order, call.engine.instruments[order.symbol])


def test_place(call: Call) -> Json:
    """Every check of a new order; nothing is placed."""
    hedge_mode = call.state.account.hedge_mode
    new = read_order(call.params, call.engine.instruments, call.now_ms, hedge_mode=hedge_mode)
    call.engine.admit(new)
    return tested_order()


def place_batch(call: Call) -> Json:
    """Each order on its own: refusals stand in the list beside accepted orders."""
    rows = call.params.json_list("batchOrders")
    if not 1 <= len(rows) <= _MAX_PLACED:
        raise refuse(-4082)
    return [_attempt(lambda row=row: _place(call, _row_params(row))) for row in rows]


def _row_params(row: Any) -> Params:
    if not isinstance(row, dict):
        raise refuse(-1130, "batchOrders")
    return Params({name: _as_text(value) for name, value in row.items() if value is not None})


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _attempt(action: Any) -> Json:
    try:
        return action()
    except BinanceError as refusal:
        return refusal.payload()


def query(call: Call) -> Json:
    """Open or not; a reused client id names the newest order."""
    symbol = call.symbol()
    order = call.engine.find(symbol, *call.params.order_reference())
    return queried_order(order, call.engine.instruments[symbol])


def query_open(call: Call) -> Json:
    """As query, but an order that is no longer open does not exist."""
    symbol = call.symbol()
    order = call.engine.find(symbol, *call.params.order_reference())
    if not order.is_open:
        raise refuse(-2013)
    return queried_order(order, call.engine.instruments[symbol])


def cancel(call: Call) -> Json:
    """An order that is not open is -2011."""
    return _cancel(call, call.symbol(), *call.params.order_reference())


def _cancel(call: Call, symbol: str, order_id: int | None, client_id: str | None) -> Json:
    order = call.engine.cancel(symbol, order_id, client_id, call.now_ms)
    return answered_order(order, call.engine.instruments[symbol])


def cancel_batch(call: Call) -> Json:
    """Each cancellation on its own, as in a batch of orders."""
    symbol = call.symbol()
    return [
        _attempt(lambda ref=ref: _cancel(call, symbol, *ref)) for ref in _references(call.params)
    ]


def _references(params: Params) -> list[tuple[int | None, str | None]]:
    found: list[tuple[int | None, str | None]]
    if "orderIdList" in params:
        found = [(_order_id(item), None) for item in params.json_list("orderIdList")]
    elif "origClientOrderIdList" in params:
        found = [(None, str(item)) for item in params.json_list("origClientOrderIdList")]
    else:
        raise missing_both("orderIdList", "origClientOrderIdList")
    if not 1 <= len(found) <= _MAX_CANCELLED:
        raise refuse(-4082)
    return found


def _order_id(item: Any) -> int:
    text = str(item)
    if not text.isascii() or not text.isdigit():
        raise refuse(-1130, "orderIdList")
    return int(text)


def cancel_all(call: Call) -> Json:
    """The same answer when nothing was open."""
    call.engine.cancel_all(call.symbol(), call.now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def cancel_after(call: Call) -> Json:
    """The dead-man switch: the symbol's orders go unless this is called again."""
    symbol = call.symbol()
    delay_ms = call.params.integer("countdownTime")
    call.engine.cancel_after(symbol, delay_ms, call.now_ms)
    return {"symbol": symbol, "countdownTime": str(delay_ms)}


def open_orders(call: Call) -> Json:
    """Oldest first."""
    symbol = call.symbol() if "symbol" in call.params else None
    orders = call.state.orders.open_orders(symbol)
    return [queried_order(order, call.engine.instruments[order.symbol]) for order in orders]


def all_orders(call: Call) -> Json:
    """Ascending by id; with a limit the newest rows, from `orderId` on the oldest."""
    symbol = call.symbol() if "symbol" in call.params else None
    limit = call.params.limit(_DEFAULT_ROWS, _MAX_ROWS)
    first = call.params.optional_integer("orderId")
    start, end = _week(call.params)
    orders = list(_within(call.state.orders.history(symbol), start, end))
    if first is None:
        chosen = orders[-limit:]
    else:
        chosen = [order for order in orders if order.order_id >= first][:limit]
    return [listed_order(order, call.engine.instruments[order.symbol]) for order in chosen]


def _within(orders: Iterable[Order], start: int | None, end: int | None) -> Iterable[Order]:
    for order in orders:
        if (start is None or order.time_ms >= start) and (end is None or order.time_ms <= end):
            yield order


def user_trades(call: Call) -> Json:
    """Ascending; with a limit the oldest rows of the window (the last 7 days unless given)."""
    symbol, params = call.symbol(), call.params
    limit = params.limit(_DEFAULT_ROWS, _MAX_ROWS)
    first, order_id = params.optional_integer("fromId"), params.optional_integer("orderId")
    start, end = _week(params)
    if first is not None and (start is not None or end is not None):
        raise refuse(-1128)
    if start is None and first is None:
        start = (call.now_ms if end is None else end) - _WEEK_MS
    rows = [
        trade
        for trade in call.state.trades
        if trade.symbol == symbol
        and order_id in {None, trade.order_id}
        and (first is None or trade.trade_id >= first)
        and (start is None or trade.time_ms >= start)
        and (end is None or trade.time_ms <= end)
    ]
    return [trade_row(trade, call.engine.instruments[symbol]) for trade in rows[:limit]]


def _week(params: Params) -> tuple[int | None, int | None]:
    start, end = params.window()
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise refuse(-1127, "168")
    return start, end


_SIGNED: Final = Security.SIGNED
_ORDER: Final = "/fapi/v1/order"
_BATCH: Final = "/fapi/v1/batchOrders"
ENDPOINTS: Final[Table] = {
    ("POST", _ORDER): Endpoint(place, 0, _SIGNED, orders=(1, 1), is_order=True),
    ("GET", _ORDER): Endpoint(query, 1, _SIGNED),
    ("DELETE", _ORDER): Endpoint(cancel, 1, _SIGNED, is_order=True),
    ("POST", "/fapi/v1/order/test"): Endpoint(test_place, 0, _SIGNED, is_order=True),
    ("POST", _BATCH): Endpoint(place_batch, 5, _SIGNED, orders=(5, 1), is_order=True),
    ("DELETE", _BATCH): Endpoint(cancel_batch, 1, _SIGNED, is_order=True),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(cancel_all, 1, _SIGNED, is_order=True),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(cancel_after, 10, _SIGNED),
    ("GET", "/fapi/v1/openOrder"): Endpoint(query_open, 1, _SIGNED),
    ("GET", "/fapi/v1/openOrders"): Endpoint(open_orders, by_symbol(1, 40), _SIGNED),
    ("GET", "/fapi/v1/allOrders"): Endpoint(all_orders, 5, _SIGNED),
    ("GET", "/fapi/v1/userTrades"): Endpoint(user_trades, 5, _SIGNED),
}
