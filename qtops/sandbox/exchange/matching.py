"""Fills: what may execute now, at which price, and what a fill does to the account.

There is no crowd here. The book always trades at the reference price, the mark rounded to the
tick, in any size: a MARKET order and a LIMIT order that crosses the reference fill there as
taker; a resting LIMIT order fills at its own price, as maker, once the reference reaches it.
"""

from decimal import ROUND_HALF_UP, Decimal

from qtops.contracts.values import floor_to_step
from qtops.sandbox.exchange.account import Account, Income
from qtops.sandbox.exchange.instruments import Instrument
from qtops.sandbox.exchange.orders import (
    BUY,
    EXPIRED,
    FILLED,
    FIRST_TRADE_ID,
    MARKET,
    PARTIALLY_FILLED,
    Order,
    Trade,
    sign_of,
)
from qtops.sandbox.exchange.positions import ZERO, Position, closing_part, money


def reference_price(mark: Decimal, rules: Instrument) -> Decimal:
    """The mark rounded to the nearest tick, at least one tick."""
    ticks = (mark / rules.tick).to_integral_value(ROUND_HALF_UP)
    return max(ticks, Decimal(1)) * rules.tick


def reference_of(account: Account, symbol: str) -> Decimal:
    return reference_price(account.marks[symbol], account.instruments[symbol])


def crosses(side: str, limit: Decimal, reference: Decimal) -> bool:
    """Whether a LIMIT order at `limit` can trade at the reference price."""
    return limit >= reference if side == BUY else limit <= reference


def move_isolated_wallet(account: Account, row: Position, signed: Decimal, price: Decimal) -> None:
    """Set margin aside when an isolated row grows, give it back in proportion as it shrinks."""
    settings = account.settings_of(row.symbol)
    if not settings.is_isolated:
        return
    closing = closing_part(row.amount, signed)
    if closing:
        row.isolated_wallet = money(row.isolated_wallet * (1 - abs(closing / row.amount)))
    row.isolated_wallet += money(abs(signed - closing) * price / settings.leverage)


def fill(
    account: Account, order: Order, quantity: Decimal, now_ms: int, *, maker_at: Decimal | None
) -> None:
    """Execute part of an order: position, wallet, trade and incomes move together."""
    rules = account.instruments[order.symbol]
    price = reference_of(account, order.symbol) if maker_at is None else maker_at
    rate = rules.taker_rate if maker_at is None else rules.maker_rate
    row = account.position(order.symbol, order.position_side)
    signed = sign_of(order.side) * quantity
    move_isolated_wallet(account, row, signed, price)
    quote = price * quantity
    trade = Trade(
        trade_id=FIRST_TRADE_ID + len(account.trades),
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        price=price,
        quantity=quantity,
        quote=quote,
        realized=row.fill(signed, price, now_ms),
        commission=money(quote * rate),
        is_maker=maker_at is not None,
        time_ms=now_ms,
    )
    record(account, trade)
    order.executed += quantity
    order.quote += quote
    order.close(FILLED if order.remaining == 0 else PARTIALLY_FILLED, now_ms)
    account.orders.settle(order)


def record(account: Account, trade: Trade) -> None:
    """Book a fill: the wallet moves by realised profit minus commission, nothing else."""
    account.trades.append(trade)
    account.wallet += trade.realized - trade.commission
    account.update_ms = trade.time_ms
    for kind, amount in (("REALIZED_PNL", trade.realized), ("COMMISSION", -trade.commission)):
        if amount:
            income = Income(kind, trade.symbol, amount, trade.time_ms, trade.trade_id)
            account.incomes.append(income)


def fillable(account: Account, order: Order) -> Decimal:
    """What may execute: the remainder, and for a reduce-only order no more than the position."""
    if not order.reduce_only:
        return order.remaining
    amount = account.position(order.symbol, order.position_side).amount
    return min(order.remaining, max(ZERO, -amount * sign_of(order.side)))


def execute_on_arrival(
    account: Account, order: Order, now_ms: int, fraction: Decimal | None
) -> None:
    """Trade a new order against the book, then let it rest or expire by its type."""
    takes = order.kind == MARKET or crosses(
        order.side, order.price, reference_of(account, order.symbol)
    )
    quantity = fillable(account, order) if takes else ZERO
    if fraction is not None:
        quantity = floor_to_step(quantity * fraction, account.instruments[order.symbol].step)
    if quantity > 0:
        fill(account, order, quantity, now_ms, maker_at=None)
    if order.is_open and (order.kind == MARKET or order.time_in_force in {"IOC", "FOK"}):
        order.close(EXPIRED, now_ms)
    account.orders.settle(order)
    expire_stale_reductions(account, order.symbol, now_ms)


def fill_resting(account: Account, symbol: str, now_ms: int) -> None:
    """Fill what the new reference price reaches: best price first, then oldest."""
    reference = reference_of(account, symbol)
    reached = [
        order
        for order in account.orders.open_orders(symbol)
        if crosses(order.side, order.price, reference)
    ]
    reached.sort(key=lambda order: (-sign_of(order.side) * order.price, order.order_id))
    for order in reached:
        quantity = fillable(account, order) if order.is_open else ZERO
        if quantity > 0:
            fill(account, order, quantity, now_ms, maker_at=order.price)
        expire_stale_reductions(account, symbol, now_ms)


def expire_stale_reductions(account: Account, symbol: str, now_ms: int) -> None:
    """A resting reduce-only order with nothing left to reduce expires."""
    for order in account.orders.open_orders(symbol):
        if order.reduce_only and fillable(account, order) == 0:
            order.close(EXPIRED, now_ms)
            account.orders.settle(order)
