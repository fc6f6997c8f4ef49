"""Changes of the account's settings, with the venue's refusals."""

from decimal import Decimal

from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.margin import Margin
from qtops.sandbox.exchange.core.state import State

ZERO = Decimal(0)


class Settings:
    """Each change is refused as a whole or made as a whole."""

    def __init__(self, state: State, instruments: dict[str, Instrument], margin: Margin) -> None:
        self._state = state
        self._instruments = instruments
        self._margin = margin

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """-4028 out of range, -2027 position too large, -4161 isolated, -2028 no margin."""
        rules, record = self._instruments[symbol], self._state.symbols[symbol]
        if not 1 <= leverage <= rules.max_leverage:
            raise refuse(-4028, leverage)
        held = self._state.held(symbol)
        notional = sum((abs(self._margin.notional(p)) for p in held), ZERO)
        if notional > rules.max_notional(leverage):
            raise refuse(-2027)
        if held and leverage < record.leverage:
            if record.is_isolated:
                raise refuse(-4161)
            more = notional / leverage - notional / record.leverage
            if more > self._margin.totals().available:
                raise refuse(-2028)
        record.leverage = leverage
        self._state.touch(record)

    def set_margin_type(self, symbol: str, *, is_isolated: bool) -> None:
        """-4046 already so, -4168 multi-assets, -4047 open orders, -4048 position."""
        record = self._state.symbols[symbol]
        if record.is_isolated == is_isolated:
            raise refuse(-4046)
        if is_isolated and self._state.account.multi_assets:
            raise refuse(-4168)
        if self._state.orders.open_orders(symbol):
            raise refuse(-4047)
        if self._state.held(symbol):
            raise refuse(-4048)
        record.is_isolated = is_isolated
        self._state.touch(record)

    def set_hedge_mode(self, *, hedge_mode: bool) -> None:
        """-4059 already so, -4067 open orders, -4068 positions."""
        account = self._state.account
        if account.hedge_mode == hedge_mode:
            raise refuse(-4059)
        if self._state.orders.open_orders():
            raise refuse(-4067)
        if self._state.held():
            raise refuse(-4068)
        account.hedge_mode = hedge_mode
        self._state.touch(account)

    def set_multi_assets(self, *, multi_assets: bool) -> None:
        """-4171 already so, -4168 while a symbol is isolated."""
        account = self._state.account
        if account.multi_assets == multi_assets:
            raise refuse(-4171)
        if multi_assets and any(s.is_isolated for s in self._state.symbols.values()):
            raise refuse(-4168)
        account.multi_assets = multi_assets
        self._state.touch(account)
