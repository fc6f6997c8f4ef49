"""Account endpoints that only read."""

from decimal import Decimal
from typing import Any, Final

from qtops.sandbox.exchange.core.instruments import Bracket
from qtops.sandbox.exchange.core.positions import Position
from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Security, Table, by_symbol
from qtops.sandbox.exchange.rest.wire import Json, cash, padded
from qtops.sandbox.exchange.rest.wire_account import (
    ASSET,
    PositionWire,
    asset_row,
    balance_row,
    totals_of,
)

_RATE_PLACES: Final = 6
_MAX_ROWS: Final = 1000


def _rows(call: Call, symbols: list[str]) -> list[Position]:
    """One position a symbol and side, flat ones included."""
    return [call.state.position(symbol, side) for symbol in symbols for side in call.state.sides()]


def _flags(call: Call) -> dict[str, Json]:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "multiAssetsMargin": call.state.account.multi_assets,
        "tradeGroupId": -1,
    }


def account_v2(call: Call) -> Json:
    """All symbols, flat ones included."""
    totals, wire = call.engine.margin.totals(), PositionWire(call.engine)
    asset = {**asset_row(totals, call.state.account.update_ms), "marginAvailable": True}
    return {
        **_flags(call),
        "feeBurn": False,
        "updateTime": 0,
        **totals_of(totals),
        "assets": [asset],
        "positions": [wire.account_v2(row) for row in _rows(call, list(call.engine.instruments))],
    }


def account_v3(call: Call) -> Json:
    """Only symbols with a position or an open order."""
    totals, wire = call.engine.margin.totals(), PositionWire(call.engine)
    return {
        **totals_of(totals),
        "assets": [asset_row(totals, call.state.account.update_ms)],
        "positions": [wire.account_v3(row) for row in _active(call, list(call.engine.instruments))],
    }


def _active(call: Call, symbols: list[str]) -> list[Position]:
    """Positions that are not flat or whose symbol has an open order."""
    ordered = {(order.symbol, order.position_side) for order in call.state.orders.open_orders()}
    return [row for row in _rows(call, symbols) if row.amount or (row.symbol, row.side) in ordered]


def balance(call: Call) -> Json:
    """The same rows in versions 2 and 3."""
    return [balance_row(call.engine.margin.totals(), call.state.account.update_ms)]


def position_risk_v2(call: Call) -> Json:
    """All symbols, flat ones included."""
    wire = PositionWire(call.engine)
    return [wire.risk_v2(row) for row in _rows(call, call.symbols())]


def position_risk_v3(call: Call) -> Json:
    """Only symbols with a position or an open order."""
    wire = PositionWire(call.engine)
    return [wire.risk_v3(row) for row in _active(call, call.symbols())]


def symbol_config(call: Call) -> Json:
    """Leverage as a number and margin type in capitals, unlike positionRisk v2."""
    wire = PositionWire(call.engine)
    return [wire.config(symbol) for symbol in call.symbols()]


def account_config(call: Call) -> Json:
    """What v3 of account leaves out."""
    hedge_mode = call.state.account.hedge_mode
    return {**_flags(call), "dualSidePosition": hedge_mode, "updateTime": 0}


def commission_rate(call: Call) -> Json:
    """The rates every fill here is charged."""
    rules = call.engine.instruments[call.symbol()]
    return {
        "symbol": rules.symbol,
        "makerCommissionRate": padded(rules.maker_rate, _RATE_PLACES),
        "takerCommissionRate": padded(rules.taker_rate, _RATE_PLACES),
        "rpiCommissionRate": padded(rules.maker_rate, _RATE_PLACES),
    }


def leverage_bracket(call: Call) -> Json:
    """JSON numbers here, unlike everywhere else."""
    return [
        {
            "symbol": symbol,
            "notionalCoef": 1.0,
            "brackets": [
                _bracket(number, bracket)
                for number, bracket in enumerate(call.engine.instruments[symbol].brackets, 1)
            ],
        }
        for symbol in call.symbols()
    ]


def _bracket(number: int, bracket: Bracket) -> dict[str, Any]:
    return {
        "bracket": number,
        "initialLeverage": bracket.leverage,
        "notionalCap": int(bracket.cap),
        "notionalFloor": int(bracket.floor),
        "maintMarginRatio": float(bracket.ratio),
        "cum": float(bracket.cum),
    }


def trading_status(call: Call) -> Json:
    """Nothing is ever locked here."""
    return {"indicators": {}, "updateTime": call.now_ms}


def order_limits(call: Call) -> Json:
    """The two order limits of the account."""
    return call.venue.limits.order_rows()


def income(call: Call) -> Json:
    """What moved the wallet: profits, fees, and transfers by the control interface."""
    params = call.params
    symbol = call.symbol() if "symbol" in params else None
    kind, limit = params.optional("incomeType"), params.limit(100, _MAX_ROWS)
    start, end = params.window()
    rows = [
        row
        for row in _incomes(call)
        if symbol in {None, row["symbol"]}
        and kind in {None, row["incomeType"]}
        and (start is None or row["time"] >= start)
        and (end is None or row["time"] <= end)
    ]
    return rows[:limit] if start is not None else rows[-limit:]


def _incomes(call: Call) -> list[dict[str, Any]]:
    rows = [
        _income(transfer.transfer_id, "TRANSFER", transfer.amount, transfer.time_ms)
        for transfer in call.state.transfers
    ]
    for trade in call.state.trades:
        moves = (("REALIZED_PNL", trade.realized), ("COMMISSION", -trade.commission))
        rows += [
            {
                **_income(trade.trade_id, kind, amount, trade.time_ms),
                "symbol": trade.symbol,
                "tradeId": str(trade.trade_id),
            }
            for kind, amount in moves
            if amount
        ]
    return sorted(rows, key=lambda row: row["time"])


def _income(number: int, kind: str, amount: Decimal, time_ms: int) -> dict[str, Any]:
    return {
        "symbol": "",
        "incomeType": kind,
        "income": cash(amount),
        "asset": ASSET,
        "time": time_ms,
        "info": kind,
        "tranId": number,
        "tradeId": "",
    }


_SIGNED: Final = Security.SIGNED
ENDPOINTS: Final[Table] = {
    ("GET", "/fapi/v2/account"): Endpoint(account_v2, 5, _SIGNED),
    ("GET", "/fapi/v3/account"): Endpoint(account_v3, 5, _SIGNED),
    ("GET", "/fapi/v2/balance"): Endpoint(balance, 5, _SIGNED),
    ("GET", "/fapi/v3/balance"): Endpoint(balance, 5, _SIGNED),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(position_risk_v2, 5, _SIGNED),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(position_risk_v3, 5, _SIGNED),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(symbol_config, 5, _SIGNED),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(account_config, 5, _SIGNED),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(commission_rate, 20, _SIGNED),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(leverage_bracket, 1, _SIGNED),
    ("GET", "/fapi/v1/apiTradingStatus"): Endpoint(trading_status, by_symbol(1, 10), _SIGNED),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(order_limits, 1, _SIGNED),
    ("GET", "/fapi/v1/income"): Endpoint(income, 30, _SIGNED),
}
