"""Account, balance and positions as the venue prints them, versions 2 and 3."""

from decimal import Decimal

from qtops.contracts.values import fmt_decimal
from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.margin import Totals
from qtops.sandbox.exchange.core.positions import Position
from qtops.sandbox.exchange.rest.wire import Json, cash, padded

ASSET = "USDT"
ZERO = Decimal(0)


def totals_of(totals: Totals) -> Json:
    """The account-wide sums; one asset, so they are that asset's."""
    return {
        "totalInitialMargin": cash(totals.initial),
        "totalMaintMargin": cash(totals.maintenance),
        "totalWalletBalance": cash(totals.wallet),
        "totalUnrealizedProfit": cash(totals.unrealized),
        "totalMarginBalance": cash(totals.margin_balance),
        "totalPositionInitialMargin": cash(totals.position_margin),
        "totalOpenOrderInitialMargin": cash(totals.order_margin),
        "totalCrossWalletBalance": cash(totals.cross_wallet),
        "totalCrossUnPnl": cash(totals.cross_unrealized),
        "availableBalance": cash(totals.available),
        "maxWithdrawAmount": cash(totals.withdrawable),
    }


def asset_row(totals: Totals, update_ms: int) -> Json:
    """The account's only asset."""
    return {
        "asset": ASSET,
        "walletBalance": cash(totals.wallet),
        "unrealizedProfit": cash(totals.unrealized),
        "marginBalance": cash(totals.margin_balance),
        "maintMargin": cash(totals.maintenance),
        "initialMargin": cash(totals.initial),
        "positionInitialMargin": cash(totals.position_margin),
        "openOrderInitialMargin": cash(totals.order_margin),
        "crossWalletBalance": cash(totals.cross_wallet),
        "crossUnPnl": cash(totals.cross_unrealized),
        "availableBalance": cash(totals.available),
        "maxWithdrawAmount": cash(totals.withdrawable),
        "updateTime": update_ms,
    }


def balance_row(totals: Totals, update_ms: int) -> Json:
    """A row of balance, versions 2 and 3."""
    return {
        "accountAlias": "SgsRsAnDbOx",
        "asset": ASSET,
        "balance": cash(totals.wallet),
        "crossWalletBalance": cash(totals.cross_wallet),
        "crossUnPnl": cash(totals.cross_unrealized),
        "availableBalance": cash(totals.available),
        "maxWithdrawAmount": cash(totals.withdrawable),
        "marginAvailable": True,
        "updateTime": update_ms,
    }


class PositionWire:
    """Position rows of one engine's present state."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._margin = engine.margin

    def account_v2(self, position: Position) -> Json:
        symbol = self._engine.state.symbols[position.symbol]
        return {
            **self._margins(position),
            "symbol": position.symbol,
            "unrealizedProfit": cash(self._margin.unrealized(position)),
            "leverage": str(symbol.leverage),
            "isolated": symbol.is_isolated,
            "entryPrice": self._entry(position),
            "breakEvenPrice": self._break_even(position),
            "maxNotional": self._max_notional(position.symbol),
            "positionSide": position.side,
            "positionAmt": self._amount(position),
            "notional": cash(self._margin.notional(position)),
            "isolatedWallet": self._isolated_wallet(position),
            "updateTime": position.update_ms,
            "bidNotional": "0",
            "askNotional": "0",
        }

    def account_v3(self, position: Position) -> Json:
        return {
            "symbol": position.symbol,
            "positionSide": position.side,
            "positionAmt": self._amount(position),
            "unrealizedProfit": cash(self._margin.unrealized(position)),
            "isolatedMargin": self._isolated_margin(position),
            "notional": cash(self._margin.notional(position)),
            "isolatedWallet": self._isolated_wallet(position),
            "initialMargin": cash(self._initial(position)),
            "maintMargin": cash(self._margin.maintenance(position)),
            "updateTime": position.update_ms,
        }

    def risk_v2(self, position: Position) -> Json:
        symbol = self._engine.state.symbols[position.symbol]
        return {
            **self._risk(position),
            "leverage": str(symbol.leverage),
            "maxNotionalValue": self._max_notional(position.symbol),
            "marginType": "isolated" if symbol.is_isolated else "cross",
            "isolated": symbol.is_isolated,
            "isAutoAddMargin": "false",
            "adlQuantile": 0,
        }

    def risk_v3(self, position: Position) -> Json:
        return {
            **self._risk(position),
            **self._margins(position),
            "marginAsset": ASSET,
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
        }

    def config(self, name: str) -> Json:
        symbol = self._engine.state.symbols[name]
        return {
            "symbol": name,
            "marginType": "ISOLATED" if symbol.is_isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": symbol.leverage,
            "maxNotionalValue": self._max_notional(name),
        }

    def _risk(self, position: Position) -> dict[str, Json]:
        return {
            "symbol": position.symbol,
            "positionSide": position.side,
            "positionAmt": self._amount(position),
            "entryPrice": self._entry(position),
            "breakEvenPrice": self._break_even(position),
            "markPrice": cash(self._margin.mark(position.symbol)),
            "unRealizedProfit": cash(self._margin.unrealized(position)),
            "liquidationPrice": fmt_decimal(self._margin.liquidation_price(position)),
            "isolatedMargin": self._isolated_margin(position),
            "notional": cash(self._margin.notional(position)),
            "isolatedWallet": self._isolated_wallet(position),
            "updateTime": position.update_ms,
        }

    def _margins(self, position: Position) -> dict[str, Json]:
        return {
            "initialMargin": cash(self._initial(position)),
            "maintMargin": cash(self._margin.maintenance(position)),
            "positionInitialMargin": cash(self._margin.position_margin(position)),
            "openOrderInitialMargin": cash(self._margin.order_margin(position.symbol)),
        }

    def _initial(self, position: Position) -> Decimal:
        orders = self._margin.order_margin(position.symbol)
        return self._margin.position_margin(position) + orders

    def _amount(self, position: Position) -> str:
        rules = self._engine.instruments[position.symbol]
        return padded(position.amount, rules.quantity_precision)

    def _entry(self, position: Position) -> str:
        return padded(position.entry, 1)

    def _break_even(self, position: Position) -> str:
        rules = self._engine.instruments[position.symbol]
        return padded(round(position.break_even(rules.taker_rate), 12), 1)

    def _isolated_wallet(self, position: Position) -> str:
        return fmt_decimal(self._margin.isolated_wallet(position))

    def _isolated_margin(self, position: Position) -> str:
        wallet = self._margin.isolated_wallet(position)
        return cash(wallet + self._margin.unrealized(position) if wallet else ZERO)

    def _max_notional(self, name: str) -> str:
        leverage = self._engine.state.symbols[name].leverage
        return fmt_decimal(self._engine.instruments[name].max_notional(leverage))
