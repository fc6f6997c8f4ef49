"""Placing, cancelling and changing orders, and what passing time does to them."""

from decimal import Decimal

from qtops.sandbox.exchange import matching
from qtops.sandbox.exchange.account import Account
from qtops.sandbox.exchange.admission import admit
from qtops.sandbox.exchange.errors import refuse
from qtops.sandbox.exchange.filters import first_violation
from qtops.sandbox.exchange.intake import NewOrder
from qtops.sandbox.exchange.orders import CANCELED, EXPIRED, LIMIT, Order


def place(account: Account, asked: NewOrder, now_ms: int) -> Order:
    """Book an order and trade it against the book. Raises BinanceError, then nothing changed."""
    new = admit(account, asked)
    order_id = account.orders.next_id()
    order = Order(
        order_id=order_id,
        client_id=new.client_id or f"auto_{order_id}",
        symbol=new.symbol,
        side=new.side,
        kind=new.kind,
        time_in_force=new.time_in_force,
        quantity=new.quantity,
        price=new.price,
        reduce_only=new.reduce_only,
        position_side=new.position_side,
        time_ms=now_ms,
        update_ms=now_ms,
        good_till_ms=new.good_till_ms,
        price_match=new.price_match,
        self_trade_mode=new.self_trade_mode,
    )
    account.orders.add(order)
    account.update_ms = now_ms
    matching.execute_on_arrival(account, order, now_ms, new.fill_fraction)
    return order


def cancel(
    account: Account, symbol: str, by: tuple[int | None, str | None], now_ms: int
) -> Order:
    """Cancel one open order; anything else is -2011."""
    order = account.orders.find(symbol, *by)
    if order is None or not order.is_open:
        raise refuse(-2011)
    order.close(CANCELED, now_ms)
    account.orders.settle(order)
    return order


def cancel_all(account: Account, symbol: str, now_ms: int) -> list[Order]:
    """Cancel every open order of a symbol; none is fine too."""
    orders = account.orders.open_orders(symbol)
    for order in orders:
        order.close(CANCELED, now_ms)
        account.orders.settle(order)
    return orders


def modify(
    account: Account, by: tuple[int | None, str | None], wanted: NewOrder, now_ms: int
) -> Order:
    """Give an open LIMIT order a new price and quantity; it may then trade at once."""
    order = account.orders.find(wanted.symbol, *by)
    if order is None or not order.is_open:
        raise refuse(-2013)
    if order.kind != LIMIT or order.side != wanted.side:
        raise refuse(-5026)
    if (order.quantity, order.price) == (wanted.quantity, wanted.price):
        raise refuse(-5027)
    mark = account.marks[order.symbol]
    refusal = first_violation(wanted, account.instruments[order.symbol], mark)
    if refusal is not None:
        raise refusal
    if wanted.quantity <= order.executed:
        return cancel(account, wanted.symbol, by, now_ms)
    order.quantity, order.price, order.update_ms = wanted.quantity, wanted.price, now_ms
    matching.execute_on_arrival(account, order, now_ms, None)
    return order


def set_mark(account: Account, symbol: str, mark: Decimal, now_ms: int) -> None:
    """Move the mark price and fill the resting orders it reaches."""
    account.marks[symbol] = mark
    matching.fill_resting(account, symbol, now_ms)


def set_countdown(account: Account, symbol: str, delay_ms: int, now_ms: int) -> None:
    """Arm the dead-man switch of a symbol, or disarm it with 0."""
    if delay_ms:
        account.countdowns[symbol] = now_ms + delay_ms
    else:
        account.countdowns.pop(symbol, None)


def is_due(account: Account, now_ms: int) -> bool:
    """Whether time has passed a countdown or an order's good-till date."""
    return any(at <= now_ms for at in account.countdowns.values()) or any(
        0 < order.good_till_ms <= now_ms for order in account.orders.open_by_id.values()
    )


def tick(account: Account, now_ms: int) -> None:
    """Carry out what `is_due` announces."""
    for symbol, at in list(account.countdowns.items()):
        if at <= now_ms:
            del account.countdowns[symbol]
            cancel_all(account, symbol, now_ms)
    for order in account.orders.open_orders():
        if 0 < order.good_till_ms <= now_ms:
            order.close(EXPIRED, now_ms)
            account.orders.settle(order)
