"""Margin of an account in cross mode, and of positions set apart (isolated). One asset: USDT."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.orders import BOTH, BUY, SELL
from qtops.sandbox.exchange.core.positions import MONEY, Position, money
from qtops.sandbox.exchange.core.state import State

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the account; margin balance = wallet + unrealised profit."""

    wallet: Decimal
    unrealized: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal
    isolated_wallet: Decimal
    isolated_margin: Decimal
    isolated_unrealized: Decimal

    @property
    def margin_balance(self) -> Decimal:
        return self.wallet + self.unrealized

    @property
    def initial(self) -> Decimal:
        return self.position_margin + self.order_margin

    @property
    def cross_wallet(self) -> Decimal:
        return self.wallet - self.isolated_wallet

    @property
    def cross_unrealized(self) -> Decimal:
        return self.unrealized - self.isolated_unrealized

    @property
    def available(self) -> Decimal:
        """What new orders may use, never below 0."""
        return max(ZERO, self.free)

    @property
    def free(self) -> Decimal:
        """The cross balance without the margin in use; negative when that is not covered."""
        used = self.position_margin - self.isolated_margin + self.order_margin
        return self.cross_wallet + self.cross_unrealized - used

    @property
    def withdrawable(self) -> Decimal:
        """As available, but unrealised profit cannot leave the account."""
        used = self.position_margin - self.isolated_margin + self.order_margin
        free = self.cross_wallet + min(ZERO, self.cross_unrealized) - used
        return max(ZERO, free)


class Margin:
    """Margin figures of the present state."""

    def __init__(self, state: State, instruments: dict[str, Instrument]) -> None:
        self._state = state
        self._instruments = instruments

    def totals(self) -> Totals:
        held = self._state.held()
        isolated = [p for p in held if self._state.symbols[p.symbol].is_isolated]
        return Totals(
            wallet=self._state.account.wallet,
            unrealized=_sum(self.unrealized(p) for p in held),
            position_margin=_sum(self.position_margin(p) for p in held),
            order_margin=_sum(self.order_margin(s) for s in self._ordered()),
            maintenance=_sum(self.maintenance(p) for p in held),
            isolated_wallet=_sum(self.isolated_wallet(p) for p in isolated),
            isolated_margin=_sum(self.position_margin(p) for p in isolated),
            isolated_unrealized=_sum(self.unrealized(p) for p in isolated),
        )

    def _ordered(self) -> set[str]:
        return {order.symbol for order in self._state.orders.open_orders()}

    def mark(self, symbol: str) -> Decimal:
        return self._state.symbols[symbol].mark

    def unrealized(self, position: Position) -> Decimal:
        return position.unrealized(self.mark(position.symbol))

    def notional(self, position: Position) -> Decimal:
        return position.notional(self.mark(position.symbol))

    def position_margin(self, position: Position) -> Decimal:
        leverage = self._state.symbols[position.symbol].leverage
        return money(abs(self.notional(position)) / leverage)

    def order_margin(self, symbol: str, side: str = BUY, notional: Decimal = ZERO) -> Decimal:
        """What the symbol's open orders hold back, and one more order if given.

        They may open up to the worse of "all buys fill" and "all sells fill", less what the
        position has margin for already. Orders that can only reduce hold nothing.
        """
        wanted = {BUY: ZERO, SELL: ZERO}
        wanted[side] += notional
        for order in self._state.orders.open_orders(symbol):
            if not order.reduce_only:
                wanted[order.side] += order.remaining * order.price
        leverage = self._state.symbols[symbol].leverage
        return money(self._worst(symbol, wanted[BUY], wanted[SELL]) / leverage)

    def maintenance(self, position: Position) -> Decimal:
        notional = abs(self.notional(position))
        bracket = self._instruments[position.symbol].bracket_of(notional)
        return money(max(ZERO, notional * bracket.ratio - bracket.cum))

    def isolated_wallet(self, position: Position) -> Decimal:
        """Money set apart for an isolated position: its initial margin at entry."""
        symbol = self._state.symbols[position.symbol]
        if not symbol.is_isolated:
            return ZERO
        return money(abs(position.amount) * position.entry / symbol.leverage)

    def liquidation_price(self, position: Position) -> Decimal:
        """Where the balance behind the position equals its maintenance margin; 0 when nowhere."""
        if position.amount == ZERO:
            return ZERO
        bracket = self._instruments[position.symbol].bracket_of(self.notional(position))
        balance = self._backing(position) + bracket.cum - position.amount * position.entry
        price = balance / (abs(position.amount) * bracket.ratio - position.amount)
        return max(ZERO, price).quantize(MONEY, ROUND_DOWN)

    def _backing(self, position: Position) -> Decimal:
        if self._state.symbols[position.symbol].is_isolated:
            return self.isolated_wallet(position)
        totals = self.totals()
        others = totals.cross_unrealized - self.unrealized(position)
        return totals.cross_wallet + others - (totals.maintenance - self.maintenance(position))

    def _worst(self, symbol: str, buys: Decimal, sells: Decimal) -> Decimal:
        """The notional that could come on top. In hedge mode each side opens on its own."""
        if self._state.account.hedge_mode:
            return buys + sells
        held = self.notional(self._state.position(symbol, BOTH))
        return max(abs(held + buys), abs(held - sells), abs(held)) - abs(held)


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)
