"""Whether the account may have this order: ids, reduce-only, leverage bracket, margin."""

from dataclasses import replace
from decimal import Decimal

from qtops.contracts.values import floor_to_step
from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.core.filters import check_filters
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.intake import NewOrder
from qtops.sandbox.exchange.core.margin import Margin
from qtops.sandbox.exchange.core.orders import BUY, LONG, MARKET, SELL, SHORT, Order, sign_of
from qtops.sandbox.exchange.core.state import State

ZERO = Decimal(0)


class Admission:
    """The checks that look at the account, after those that look at the order alone."""

    def __init__(self, state: State, instruments: dict[str, Instrument], margin: Margin) -> None:
        self._state = state
        self._instruments = instruments
        self._margin = margin

    def admit(self, order: NewOrder) -> NewOrder:
        """The order as it may enter: reduce-only is cut to what there is to reduce."""
        rules = self._instruments[order.symbol]
        order = replace(order, reduce_only=order.reduce_only or closes_hedge(order))
        check_filters(order, rules, self._margin.mark(order.symbol), is_reducing=order.reduce_only)
        if len(self._state.orders.open_orders(order.symbol)) >= rules.max_orders:
            raise refuse(-2025)
        if self._state.orders.has_open_client_id(order.client_id):
            raise refuse(-4116)
        if order.reduce_only:
            return self._cut(order, rules)
        self._check_margin(order)
        return order

    def closable(self, order: NewOrder | Order) -> Decimal:
        """How much of its position an order could reduce; 0 on the wrong side or when flat."""
        position = self._state.position(order.symbol, order.position_side)
        amount = position.amount * -sign_of(order.side)
        return max(ZERO, amount)

    def _cut(self, order: NewOrder, rules: Instrument) -> NewOrder:
        """-2022 when there is nothing to reduce. In hedge mode closing too much is -2022 too."""
        room = floor_to_step(self.closable(order), rules.step)
        if order.kind != MARKET:
            room -= self._reserved(order)
        if room <= ZERO or (self._state.account.hedge_mode and order.quantity > room):
            raise refuse(-2022)
        return replace(order, quantity=min(order.quantity, room))

    def _reserved(self, order: NewOrder) -> Decimal:
        """What resting reduce-only orders already cover. A MARKET order goes before them."""
        resting = (
            other.remaining
            for other in self._state.orders.open_orders(order.symbol)
            if other.reduce_only
            and (other.side, other.position_side) == (order.side, order.position_side)
        )
        return sum(resting, ZERO)

    def _check_margin(self, order: NewOrder) -> None:
        """Only the part that opens needs margin; a pure reduction never fails here."""
        symbol = self._state.symbols[order.symbol]
        position = self._state.position(order.symbol, order.position_side)
        after = abs(position.amount + sign_of(order.side) * order.quantity)
        if after <= abs(position.amount):
            return
        price = symbol.mark if order.price is None else order.price
        rules = self._instruments[order.symbol]
        if after * price > rules.max_notional(symbol.leverage):
            raise refuse(-2027)
        held = self._margin.order_margin(order.symbol)
        more = self._margin.order_margin(order.symbol, order.side, order.quantity * price) - held
        if more > self._margin.totals().available:
            raise refuse(-2019)


def closes_hedge(order: NewOrder) -> bool:
    """In hedge mode, SELL on the long side and BUY on the short side can only close."""
    return (order.position_side, order.side) in {(LONG, SELL), (SHORT, BUY)}
