"""The exchange itself: accepts orders, fills them at the mark price, keeps the account.

Pure: the time is an argument, nothing is read or written outside `state`. MARKET fills at the mark
(rounded to the tick) as taker; LIMIT does so when it crosses on arrival, else rests and fills at
its own price as maker once the mark reaches it.
"""

from dataclasses import replace
from decimal import Decimal

from qtops.contracts.values import floor_to_step
from qtops.sandbox.exchange.core.admission import Admission
from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.intake import NewOrder
from qtops.sandbox.exchange.core.margin import Margin
from qtops.sandbox.exchange.core.market import on_tick
from qtops.sandbox.exchange.core.news import ACCEPTED, TRADED, AccountNews, OrderNews
from qtops.sandbox.exchange.core.orders import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    FIRST_TRADE_ID,
    MARKET,
    PARTIALLY_FILLED,
    Order,
    Trade,
    sign_of,
)
from qtops.sandbox.exchange.core.positions import Position, money
from qtops.sandbox.exchange.core.settings import Settings
from qtops.sandbox.exchange.core.state import MarkChange, State, Transfer
from qtops.sandbox.exchange.core.walk import Walk

ZERO, ONE = Decimal(0), Decimal(1)
_PRICE_MATCH_TICKS = {
    "OPPONENT": 1,
    "OPPONENT_5": 5,
    "QUEUE": -1,
    "QUEUE_5": -5,
    "QUEUE_10": -10,
    "QUEUE_20": -20,
}
_NEVER_RESTS = frozenset({"IOC", "FOK"})
_MAKER_ONLY = frozenset({"GTX", "RPI"})


class Engine:
    """All changes of orders, positions and money pass through here."""

    def __init__(
        self, state: State, instruments: dict[str, Instrument], walk: Walk | None = None
    ) -> None:
        self.state = state
        self.instruments = instruments
        self.margin = Margin(state, instruments)
        self._admission = Admission(state, instruments, self.margin)
        self.settings = Settings(state, instruments, self.margin)
        self._walk = walk
        self._cancel_at: dict[str, int] = {}

    def advance(self, now_ms: int) -> None:
        """Let time pass: prices walk, GTD orders expire, dead-man switches fire."""
        if self._walk is not None:
            for symbol in self._walk.bases:
                self._move_mark(symbol, self._walk.price(symbol, now_ms), now_ms)
        for symbol, deadline in list(self._cancel_at.items()):
            if deadline <= now_ms:
                del self._cancel_at[symbol]
                self.cancel_all(symbol, now_ms)
        for order in self.state.orders.open_orders():
            if 0 < order.good_till_ms <= now_ms:
                self._close(order, EXPIRED, now_ms)

    def cancel_after(self, symbol: str, delay_ms: int, now_ms: int) -> None:
        """Cancel the symbol's orders in `delay_ms` unless called again; 0 disarms."""
        self._cancel_at.pop(symbol, None)
        if delay_ms:
            self._cancel_at[symbol] = now_ms + delay_ms

    def admit(self, new: NewOrder) -> NewOrder:
        """Every check of a new order and nothing else. Raises the refusal."""
        admitted = self._admission.admit(self._with_price(new))
        if new.time_in_force == "FOK" and not self._crosses(admitted):
            raise refuse(-5021)
        if new.time_in_force in _MAKER_ONLY and self._crosses(admitted):
            raise refuse(-5022)
        return admitted

    def place(self, new: NewOrder, now_ms: int, share: Decimal = ONE) -> Order:
        """Accept and match an order. `share` below 1 is a thin book: only that part can fill."""
        admitted = self.admit(new)
        if new.time_in_force == "FOK" and share < ONE:
            raise refuse(-5021)
        order = self._accept(admitted, now_ms)
        if self._crosses(admitted):
            step = self.instruments[order.symbol].step
            quantity = floor_to_step(order.quantity * share, step)
            self._fill(order, quantity, self.market_price(order.symbol), now_ms)
        if order.is_open and (order.kind == MARKET or order.time_in_force in _NEVER_RESTS):
            self._close(order, EXPIRED, now_ms)
        self._drop_needless(order.symbol, now_ms)
        return order

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> Order:
        """The order, open or not; -2013 when there is none."""
        order = self.state.orders.find(symbol, order_id, client_id)
        if order is None:
            raise refuse(-2013)
        return order

    def cancel(
        self, symbol: str, order_id: int | None, client_id: str | None, now_ms: int
    ) -> Order:
        """Cancel an open order; anything else is -2011."""
        order = self.state.orders.find(symbol, order_id, client_id)
        if order is None or not order.is_open:
            raise refuse(-2011)
        self._close(order, CANCELED, now_ms)
        return order

    def cancel_all(self, symbol: str, now_ms: int) -> None:
        for order in self.state.orders.open_orders(symbol):
            self._close(order, CANCELED, now_ms)

    def set_mark(self, symbol: str, mark: Decimal, now_ms: int) -> None:
        """Move the mark price; resting orders it reaches fill at their own price."""
        record, change = self.state.symbols[symbol], MarkChange(symbol, mark, now_ms)
        self.state.marks.setdefault(symbol, []).append(change)
        self.state.touch(record, change)
        self._move_mark(symbol, mark, now_ms)

    def walks(self, symbol: str) -> bool:
        """Whether its price moves by itself; then it cannot be set, and has no history to keep."""
        return self._walk is not None and symbol in self._walk.bases

    def _move_mark(self, symbol: str, mark: Decimal, now_ms: int) -> None:
        self.state.symbols[symbol].mark = mark
        for order in sorted(self.state.orders.open_orders(symbol), key=_priority):
            if order.is_open and reaches(order.side, order.price, mark):
                self._fill(order, self._fillable(order), order.price, now_ms, is_maker=True)
                self._drop_needless(symbol, now_ms)

    def set_position(
        self, symbol: str, side: str, amount: Decimal, entry: Decimal, now_ms: int
    ) -> None:
        """Put a position in place of the present one, without an order."""
        position = self.state.position(symbol, side)
        position.amount, position.update_ms = amount, now_ms
        position.entry = entry if amount else ZERO
        self.state.touch(position)
        self._tell_account("ADJUSTMENT", now_ms, position=position)
        self._drop_needless(symbol, now_ms)

    def set_available(self, available: Decimal, now_ms: int) -> None:
        """Move money in or out until this much is available for new orders."""
        account = self.state.account
        amount = available - self.margin.totals().free
        transfer = Transfer(len(self.state.transfers) + 1, amount, now_ms)
        account.wallet += amount
        account.update_ms = now_ms
        self.state.transfers.append(transfer)
        self.state.touch(account, transfer)
        reason = "DEPOSIT" if amount > ZERO else "WITHDRAW"
        self._tell_account(reason, now_ms, change=amount)

    def market_price(self, symbol: str) -> Decimal:
        """Where a MARKET order fills: the mark on the nearest tick, at least one tick."""
        return on_tick(self.margin.mark(symbol), self.instruments[symbol].tick)

    def _crosses(self, order: NewOrder) -> bool:
        if order.price is None:
            return True
        return reaches(order.side, order.price, self.margin.mark(order.symbol))

    def _with_price(self, new: NewOrder) -> NewOrder:
        """Price matching resolved: so many ticks towards (or away from) the other side."""
        if new.price_match == "NONE":
            return new
        tick = self.instruments[new.symbol].tick
        ticks = sign_of(new.side) * _PRICE_MATCH_TICKS[new.price_match]
        return replace(new, price=self.market_price(new.symbol) + ticks * tick)

    def _accept(self, new: NewOrder, now_ms: int) -> Order:
        order = Order(
            order_id=self.state.orders.next_id(),
            client_id=new.client_id,
            symbol=new.symbol,
            side=new.side,
            kind=new.kind,
            time_in_force=new.time_in_force,
            quantity=new.quantity,
            price=ZERO if new.price is None else new.price,
            reduce_only=new.reduce_only,
            position_side=new.position_side,
            time_ms=now_ms,
            update_ms=now_ms,
            arrival_ms=now_ms - self.state.account.clock_offset_ms,
            good_till_ms=new.good_till_ms,
            price_match=new.price_match,
            self_trade_mode=new.self_trade_mode,
        )
        self.state.orders.add(order)
        self.state.touch(order)
        self.state.news.append(OrderNews(replace(order), ACCEPTED, now_ms))
        return order

    def _fillable(self, order: Order) -> Decimal:
        if not order.reduce_only:
            return order.remaining
        return min(order.remaining, self._admission.closable(order))

    def _fill(
        self,
        order: Order,
        quantity: Decimal,
        price: Decimal,
        now_ms: int,
        *,
        is_maker: bool = False,
    ) -> None:
        """One match: the order, the position, the wallet and a trade, together."""
        if quantity <= ZERO:
            return
        rules, account = self.instruments[order.symbol], self.state.account
        position = self.state.position(order.symbol, order.position_side)
        realized = position.fill(sign_of(order.side) * quantity, price, now_ms)
        quote = price * quantity
        commission = money(quote * (rules.maker_rate if is_maker else rules.taker_rate))
        trade = Trade(
            trade_id=FIRST_TRADE_ID + len(self.state.trades),
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            position_side=order.position_side,
            price=price,
            quantity=quantity,
            quote=quote,
            realized=realized,
            commission=commission,
            is_maker=is_maker,
            time_ms=now_ms,
        )
        self.state.trades.append(trade)
        account.wallet += realized - commission
        account.update_ms = order.update_ms = now_ms
        order.executed += quantity
        order.quote += quote
        order.status = PARTIALLY_FILLED if order.remaining else FILLED
        self.state.orders.settle(order)
        self.state.touch(order, trade, position, account)
        self._tell_account("ORDER", now_ms, position=position)
        self.state.news.append(OrderNews(replace(order), TRADED, now_ms, trade))

    def _drop_needless(self, symbol: str, now_ms: int) -> None:
        """Resting reduce-only orders end when there is nothing left for them to reduce."""
        for order in self.state.orders.open_orders(symbol):
            if order.reduce_only and self._admission.closable(order) == ZERO:
                self._close(order, EXPIRED, now_ms)

    def _close(self, order: Order, status: str, now_ms: int) -> None:
        order.close(status, now_ms)
        self.state.orders.settle(order)
        self.state.touch(order)
        self.state.news.append(OrderNews(replace(order), status, now_ms))

    def _tell_account(
        self, reason: str, now_ms: int, *, position: Position | None = None, change: Decimal = ZERO
    ) -> None:
        held = None if position is None else replace(position)
        wallet = self.state.account.wallet
        self.state.news.append(AccountNews(reason, wallet, change, now_ms, held))


def _priority(order: Order) -> tuple[Decimal, int]:
    """Best price first, then oldest."""
    return -sign_of(order.side) * order.price, order.order_id


def reaches(side: str, price: Decimal, mark: Decimal) -> bool:
    """Whether a limit order of that side trades when the market is at `mark`."""
    return mark <= price if side == BUY else mark >= price
