"""Whether the account may place an order: filters, ids, reduce-only, leverage, margin, TIF."""

from decimal import Decimal

from qtops.sandbox.exchange import filters, margin
from qtops.sandbox.exchange.account import Account
from qtops.sandbox.exchange.errors import refuse
from qtops.sandbox.exchange.intake import NewOrder
from qtops.sandbox.exchange.matching import crosses, reference_of
from qtops.sandbox.exchange.orders import BUY, LIMIT, LONG, MARKET, SHORT, sign_of
from qtops.sandbox.exchange.positions import ZERO

# priceMatch -> (does it take the other side of the book, levels behind the best price)
MATCH_LEVELS = {
    "OPPONENT": (True, 0),
    "OPPONENT_5": (True, 4),
    "QUEUE": (False, 0),
    "QUEUE_5": (False, 4),
    "QUEUE_10": (False, 9),
    "QUEUE_20": (False, 19),
}


def admit(account: Account, asked: NewOrder) -> NewOrder:
    """The order as it will be booked: price matched, reduction cut to the position.

    Raises BinanceError with the first rule that forbids it. Changes nothing.
    """
    order = with_matched_price(account, with_implied_reduction(account, asked))
    rules = account.instruments[order.symbol]
    refusal = filters.first_violation(order, rules, account.marks[order.symbol])
    if refusal is not None:
        raise refusal
    if len(account.orders.open_orders(order.symbol)) >= rules.max_orders:
        raise refuse(-2025)
    if order.client_id and account.orders.has_open_client_id(order.client_id):
        raise refuse(-4116)
    if order.reduce_only:
        order = order.with_quantity(reducible(account, order))
    else:
        check_capacity(account, order)
    check_time_in_force(account, order)
    return order


def with_implied_reduction(account: Account, order: NewOrder) -> NewOrder:
    """In hedge mode an order against its position side closes, so it is reduce-only."""
    closes = (order.position_side, order.side) in {(LONG, "SELL"), (SHORT, "BUY")}
    if not (account.is_hedge and closes):
        return order
    return order.as_reduction()


def with_matched_price(account: Account, order: NewOrder) -> NewOrder:
    """The price that priceMatch takes from the book, one tick either side of the reference."""
    if order.price_match == "NONE":
        return order
    takes, level = MATCH_LEVELS[order.price_match]
    ticks = (1 + level) * (sign_of(order.side) if takes else -sign_of(order.side))
    tick = account.instruments[order.symbol].tick
    return order.with_price(reference_of(account, order.symbol) + ticks * tick)


def reducible(account: Account, order: NewOrder) -> Decimal:
    """How much the order may reduce; nothing is -2022.

    A LIMIT order leaves room for the reduce-only orders that already rest. In one-way mode a
    larger quantity is cut down, in hedge mode it is refused.
    """
    amount = account.position(order.symbol, order.position_side).amount
    room = max(ZERO, -amount * sign_of(order.side))
    if order.kind == LIMIT:
        room -= margin.total(
            resting.remaining
            for resting in account.orders.open_orders(order.symbol)
            if resting.reduce_only
            and (resting.side, resting.position_side) == (order.side, order.position_side)
        )
    if room <= 0 or (account.is_hedge and order.quantity > room):
        raise refuse(-2022)
    return min(order.quantity, room)


def check_capacity(account: Account, order: NewOrder) -> None:
    """What the order may add must fit the leverage bracket (-2027) and the margin (-2019)."""
    row = account.position(order.symbol, order.position_side)
    mark = account.marks[order.symbol]
    leverage = account.settings_of(order.symbol).leverage
    bids, asks = margin.open_notionals(account, row)
    before = margin.exposure(row, mark, bids, asks)
    added = order.quantity * assumed_price(account, order)
    is_buy = order.side == BUY
    after = margin.exposure(
        row, mark, bids + (added if is_buy else 0), asks + (ZERO if is_buy else added)
    )
    if after <= before:
        return
    if after > account.instruments[order.symbol].max_notional(leverage):
        raise refuse(-2027)
    if (after - before) / leverage > margin.summarize(account).available_raw:
        raise refuse(-2019)


def assumed_price(account: Account, order: NewOrder) -> Decimal:
    """The price margin is taken at: the limit, or the mark where the order would fill there."""
    mark = account.marks[order.symbol]
    if order.kind == MARKET:
        return mark
    return order.price if order.side == BUY else max(order.price, mark)


def check_time_in_force(account: Account, order: NewOrder) -> None:
    """FOK must fill now (-5021), GTX must not (-5022)."""
    if order.kind != LIMIT:
        return
    takes = crosses(order.side, order.price, reference_of(account, order.symbol))
    if order.time_in_force == "GTX" and takes:
        raise refuse(-5022)
    if order.time_in_force == "FOK" and (not takes or order.fill_fraction is not None):
        raise refuse(-5021)
