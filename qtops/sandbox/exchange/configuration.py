"""Account settings with Binance's refusals, and the hand that tests put on the account."""

from decimal import Decimal

from qtops.sandbox.exchange.account import Account
from qtops.sandbox.exchange.errors import refuse
from qtops.sandbox.exchange.margin import summarize
from qtops.sandbox.exchange.positions import ZERO, money


def set_leverage(account: Account, symbol: str, leverage: int) -> None:
    """-4028 out of range, -2027 position too large for it, -4161 isolated, -2028 no margin."""
    rules, settings = account.instruments[symbol], account.settings_of(symbol)
    if not 1 <= leverage <= rules.max_leverage:
        raise refuse(-4028, leverage)
    rows = [row for row in account.rows(symbol) if row.amount != 0]
    notional = sum((abs(row.notional(account.marks[symbol])) for row in rows), ZERO)
    if notional > rules.max_notional(leverage):
        raise refuse(-2027)
    if rows and leverage < settings.leverage:
        if settings.is_isolated:
            raise refuse(-4161)
        if notional / leverage - notional / settings.leverage > summarize(account).available_raw:
            raise refuse(-2028)
    settings.leverage = leverage


def set_margin_type(account: Account, symbol: str, *, is_isolated: bool) -> None:
    """-4046 already so, -4168 multi-assets, -4047 open orders, -4048 position."""
    settings = account.settings_of(symbol)
    if settings.is_isolated == is_isolated:
        raise refuse(-4046)
    if is_isolated and account.is_multi_assets:
        raise refuse(-4168)
    if account.orders.open_orders(symbol):
        raise refuse(-4047)
    if account.has_position(symbol):
        raise refuse(-4048)
    settings.is_isolated = is_isolated


def set_position_mode(account: Account, *, is_hedge: bool) -> None:
    """-4059 already so, -4067 open orders, -4068 positions."""
    if account.is_hedge == is_hedge:
        raise refuse(-4059)
    if account.orders.open_orders():
        raise refuse(-4067)
    if account.has_position():
        raise refuse(-4068)
    account.is_hedge = is_hedge


def set_multi_assets(account: Account, *, is_multi_assets: bool) -> None:
    """-4171 already so, -4168 while a symbol is isolated."""
    if account.is_multi_assets == is_multi_assets:
        raise refuse(-4171)
    if is_multi_assets and any(settings.is_isolated for settings in account.settings.values()):
        raise refuse(-4168)
    account.is_multi_assets = is_multi_assets


def put_position(
    account: Account, key: tuple[str, str], amount: Decimal, entry: Decimal, now_ms: int
) -> None:
    """Replace a position without an order, as a test or a scenario wants it."""
    row = account.position(*key)
    settings = account.settings_of(row.symbol)
    row.amount = amount
    row.entry = entry if amount else ZERO
    row.update_ms = now_ms
    row.isolated_wallet = (
        money(abs(amount) * entry / settings.leverage) if settings.is_isolated else ZERO
    )
    account.update_ms = now_ms


def put_available(account: Account, available: Decimal, now_ms: int) -> None:
    """Move the wallet so that exactly this much is available for new orders."""
    account.wallet += available - summarize(account).available_raw
    account.update_ms = now_ms
