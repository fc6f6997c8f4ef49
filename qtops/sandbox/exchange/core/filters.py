"""The symbol's own rules for an order, in the order in which this exchange applies them."""

from decimal import Decimal

from qtops.contracts.values import fmt_decimal
from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.intake import NewOrder
from qtops.sandbox.exchange.core.orders import BUY, MARKET

ZERO = Decimal(0)
_REDUCE_ONLY_STATES = {"BOTH": -4105, "BUY": -4106, "SELL": -4107}


def decimals(value: Decimal) -> int:
    """Digits behind the point that carry value: `1.0` has none."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_filters(order: NewOrder, rules: Instrument, mark: Decimal, *, is_reducing: bool) -> None:
    """Status, precision, PRICE_FILTER, LOT_SIZE, PERCENT_PRICE, MIN_NOTIONAL.

    An order that can only reduce is exempt from MIN_NOTIONAL and from risk control.
    """
    _check_status(order, rules, is_reducing=is_reducing)
    _check_signs(order)
    _check_precision(order, rules)
    if order.price is not None:
        _check_price(order.price, rules)
    _check_lot(order, rules)
    if order.price is not None:
        _check_percent(order.side, order.price, rules, mark)
    notional = order.quantity * (mark if order.price is None else order.price)
    if not is_reducing and notional < rules.min_notional:
        raise refuse(-4164, fmt_decimal(rules.min_notional))


def _check_status(order: NewOrder, rules: Instrument, *, is_reducing: bool) -> None:
    if rules.status != "TRADING":
        raise refuse(-4141 if rules.status == "CLOSE" else -4140)
    if rules.risk_control in {"BOTH", order.side} and not is_reducing:
        raise refuse(_REDUCE_ONLY_STATES[rules.risk_control])


def _check_signs(order: NewOrder) -> None:
    if order.quantity <= ZERO:
        raise refuse(-4003)
    if order.price is not None and order.price <= ZERO:
        raise refuse(-4001)


def _check_precision(order: NewOrder, rules: Instrument) -> None:
    too_fine = decimals(order.quantity) > rules.quantity_precision
    if too_fine or (order.price is not None and decimals(order.price) > rules.price_precision):
        raise refuse(-1111)


def _check_price(price: Decimal, rules: Instrument) -> None:
    if price > rules.max_price:
        raise refuse(-4002)
    if price < rules.min_price:
        raise refuse(-4013)
    if price % rules.tick != ZERO:
        raise refuse(-4014)


def _check_lot(order: NewOrder, rules: Instrument) -> None:
    """LOT_SIZE for LIMIT, MARKET_LOT_SIZE for MARKET. The smallest quantity is one step."""
    largest = rules.market_max_quantity if order.kind == MARKET else rules.max_quantity
    if order.quantity < rules.step:
        raise refuse(-4004)
    if order.quantity > largest:
        raise refuse(-4005)
    if order.quantity % rules.step != ZERO:
        raise refuse(-4023)


def _check_percent(side: str, price: Decimal, rules: Instrument, mark: Decimal) -> None:
    """Only the side that would overpay is bounded: a BUY above, a SELL below the mark."""
    if side == BUY and price > mark * rules.percent_up:
        raise refuse(-4016, fmt_decimal(mark * rules.percent_up))
    if side != BUY and price < mark * rules.percent_down:
        raise refuse(-4024, fmt_decimal(mark * rules.percent_down))
