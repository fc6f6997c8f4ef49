"""The exchange's JSON as contract types. Decimals from strings; fields we do not use are ignored.

Every function raises DecodeError naming the field when a needed one is missing or malformed.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from qtops.contracts.market import Kline
from qtops.contracts.values import ZERO, parse_decimal
from qtops.contracts.venue import (
    Filters,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError

Row = Mapping[str, Any]

_KLINE_CLOSE = 4


def parse_json(body: bytes) -> Any:
    """JSON with exact numbers (no floats); anything else, NaN included, is a DecodeError."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError("bad_json", "body", "the body is not JSON") from error


def order(row: Any) -> VenueOrder:
    """A POST answer (without avgPrice since 2026-06) or a queried order (with it)."""
    row = _object(row, "order")
    return VenueOrder(
        order_id=str(_integer(row, "orderId")),
        client_order_id=_text(row, "clientOrderId"),
        symbol=_text(row, "symbol"),
        side=_side(row),
        status=_text(row, "status"),
        order_type=_text(row, "type"),
        reduce_only=_flag(row, "reduceOnly"),
        original_quantity=_decimal(row, "origQty"),
        executed_quantity=_decimal(row, "executedQty"),
        average_price=_average_price(row),
        update_time_ms=_integer(row, "updateTime"),
    )


def orders(rows: Any) -> list[VenueOrder]:
    """Orders in the exchange's order (ascending)."""
    return [order(row) for row in _array(rows, "orders")]


def trades(rows: Any) -> list[VenueTrade]:
    """Fills in the exchange's order; the fee may be in BNB."""
    return [_trade(_object(row, "trade")) for row in _array(rows, "trades")]


def positions(rows: Any) -> list[VenuePosition]:
    """Non-empty positions of positionRisk, v2 or v3."""
    found = [_position(_object(row, "position")) for row in _array(rows, "positions")]
    return [position for position in found if position.amount != ZERO]


def balance(account: Any) -> VenueBalance:
    """The account's totals, in quote units."""
    account = _object(account, "account")
    return VenueBalance(
        wallet=_decimal(account, "totalWalletBalance"),
        unrealized_pnl=_decimal(account, "totalUnrealizedProfit"),
        available=_decimal(account, "availableBalance"),
    )


def listen_key(body: Any) -> str:
    """The key of the user data stream."""
    return _text(_object(body, "listenKey"), "listenKey")


def mark_prices(rows: Any) -> dict[str, Decimal]:
    """Mark price by symbol; symbols without a positive price are left out."""
    items = [_object(row, "premiumIndex") for row in _array(rows, "premiumIndex")]
    marks = {_text(row, "symbol"): _decimal(row, "markPrice") for row in items}
    return {symbol: price for symbol, price in marks.items() if price > ZERO}


def klines(rows: Any) -> list[Kline]:
    """Opening times and closing prices, in the order given (oldest first); a close is above 0."""
    return [_kline(row) for row in _array(rows, "klines")]


def server_time(body: Any) -> int:
    """The exchange's clock, in UTC milliseconds."""
    return _integer(_object(body, "time"), "serverTime")


def hedge_mode(body: Any) -> bool:
    """True for hedge mode, False for one-way."""
    return _flag(_object(body, "positionSide"), "dualSidePosition")


def filters(info: Any) -> dict[str, Filters]:
    """Rules by symbol. A symbol whose rules are incomplete (pending listings) is left out."""
    found: dict[str, Filters] = {}
    for entry in _array(_object(info, "exchangeInfo").get("symbols"), "symbols"):
        try:
            rules = _filters(_object(entry, "symbol"))
        except DecodeError:
            continue
        found[rules.symbol] = rules
    if not found:
        raise DecodeError("empty", "symbols", "exchangeInfo holds no symbol with complete rules")
    return found


def rate_limits(info: Any) -> dict[str, int]:
    """Limits as `REQUEST_WEIGHT/1M` -> 2400; empty when the exchange does not publish them."""
    rows = _object(info, "exchangeInfo").get("rateLimits")
    if not isinstance(rows, list):
        return {}
    found: dict[str, int] = {}
    for row in rows:
        try:
            item = _object(row, "rateLimit")
            span = f"{_integer(item, 'intervalNum')}{_text(item, 'interval')[:1]}"
            found[f"{_text(item, 'rateLimitType')}/{span}"] = _integer(item, "limit")
        except DecodeError:
            continue
    return found


def error(body: Any) -> tuple[int, str] | None:
    """(code, msg) of an error body, None when the body is not one. Codes of errors are negative."""
    if not isinstance(body, dict):
        return None
    code, message = body.get("code"), body.get("msg")
    if not isinstance(code, int) or isinstance(code, bool) or code >= 0:
        return None
    return code, message if isinstance(message, str) else ""


def _position(row: Row) -> VenuePosition:
    return VenuePosition(
        symbol=_text(row, "symbol"),
        amount=_decimal(row, "positionAmt"),
        entry_price=_decimal(row, "entryPrice"),
        mark_price=_decimal(row, "markPrice"),
        unrealized_pnl=_decimal(row, "unRealizedProfit"),
        update_time_ms=_integer(row, "updateTime"),
        position_side=_text(row, "positionSide"),
    )


def _trade(row: Row) -> VenueTrade:
    return VenueTrade(
        trade_id=str(_integer(row, "id")),
        order_id=str(_integer(row, "orderId")),
        price=_decimal(row, "price"),
        quantity=_decimal(row, "qty"),
        commission=_decimal(row, "commission"),
        commission_asset=_text(row, "commissionAsset"),
        realized_pnl=_decimal(row, "realizedPnl"),
        time_ms=_integer(row, "time"),
    )


def _filters(entry: Row) -> Filters:
    rules = {
        row["filterType"]: row
        for row in _array(entry.get("filters"), "filters")
        if isinstance(row, dict) and "filterType" in row
    }
    lot = _object(rules.get("LOT_SIZE"), "LOT_SIZE")
    market = _object(rules.get("MARKET_LOT_SIZE"), "MARKET_LOT_SIZE")
    return Filters(
        symbol=_text(entry, "symbol"),
        status=_text(entry, "status"),
        contract_type=_text(entry, "contractType"),
        price_tick=_decimal(_object(rules.get("PRICE_FILTER"), "PRICE_FILTER"), "tickSize"),
        lot_step=_decimal(lot, "stepSize"),
        lot_min=_decimal(lot, "minQty"),
        lot_max=_decimal(lot, "maxQty"),
        market_step=_decimal(market, "stepSize"),
        market_min=_decimal(market, "minQty"),
        market_max=_decimal(market, "maxQty"),
        min_notional=_decimal(_object(rules.get("MIN_NOTIONAL"), "MIN_NOTIONAL"), "notional"),
        quantity_precision=_integer(entry, "quantityPrecision"),
        price_precision=_integer(entry, "pricePrecision"),
    )


def _average_price(row: Row) -> Decimal | None:
    """Absent, or zero because nothing was filled: the exchange did not say."""
    if row.get("avgPrice") is None:
        return None
    price = _decimal(row, "avgPrice")
    return price if price > ZERO else None


def _kline(row: Any) -> Kline:
    if not isinstance(row, list) or len(row) <= _KLINE_CLOSE:
        _fail("klines", row)
    named = {"open_time": row[0], "close": row[_KLINE_CLOSE]}
    close = _decimal(named, "close")
    if close <= ZERO:
        raise DecodeError("bad_price", "close", f"close: {close} is not above zero")
    return Kline(_integer(named, "open_time"), close)


def _side(row: Row) -> Side:
    try:
        return Side(_text(row, "side"))
    except ValueError:
        _fail("side", row.get("side"))


def _object(value: Any, field: str) -> Row:
    return value if isinstance(value, dict) else _fail(field, value)


def _array(value: Any, field: str) -> list[Any]:
    return value if isinstance(value, list) else _fail(field, value)


def _text(row: Row, field: str) -> str:
    value = row.get(field)
    return value if isinstance(value, str) else _fail(field, value)


def _flag(row: Row, field: str) -> bool:
    value = row.get(field)
    return value if isinstance(value, bool) else _fail(field, value)


def _integer(row: Row, field: str) -> int:
    value = row.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _fail(field, value)


def _decimal(row: Row, field: str) -> Decimal:
    """A decimal string (also "1.0E8" and float noise); a JSON number is accepted as written."""
    value = row.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        _fail(field, value)
    return parse_decimal(str(value), field)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _fail(field: str, value: object) -> NoReturn:
    what = "missing" if value is None else f"a {type(value).__name__}"
    raise DecodeError("bad_type", field, f"{field} is {what} in the exchange's answer")
