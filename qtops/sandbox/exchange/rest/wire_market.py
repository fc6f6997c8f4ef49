"""Public market data as the venue prints it."""

from decimal import Decimal

from qtops.contracts.values import fmt_decimal
from qtops.sandbox.exchange.core.instruments import Instrument
from qtops.sandbox.exchange.core.market import Candle
from qtops.sandbox.exchange.rest.wire import Json, padded

DELIVERY_MS = 4_133_404_800_000
ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)


def symbol_row(rules: Instrument) -> Json:
    """An entry of exchangeInfo's symbols."""
    return {
        "symbol": rules.symbol,
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERY_MS,
        "onboardDate": rules.onboard_ms,
        "status": rules.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.quote,
        "pricePrecision": rules.price_precision,
        "quantityPrecision": rules.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": rules.liquidation_fee,
        "marketTakeBound": rules.take_bound,
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(rules),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY", "DCA", "PSB"],
    }


def _filters(rules: Instrument) -> list[Json]:
    step, places = str(rules.step), rules.price_precision
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": padded(rules.min_price, places),
            "maxPrice": fmt_decimal(rules.max_price),
            "tickSize": padded(rules.tick, places),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": step,
            "stepSize": step,
            "maxQty": fmt_decimal(rules.max_quantity),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": step,
            "stepSize": step,
            "maxQty": fmt_decimal(rules.market_max_quantity),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_orders},
        {"filterType": "MIN_NOTIONAL", "notional": fmt_decimal(rules.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": padded(rules.percent_up, 4),
            "multiplierDown": padded(rules.percent_down, 4),
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": rules.risk_control},
    ]


def candle_row(candle: Candle, length_ms: int, rules: Instrument) -> Json:
    """A row of klines: twelve columns."""
    places, digits = rules.price_precision, rules.quantity_precision
    middle = (candle.high + candle.low) / 2
    taken = candle.volume / 2
    return [
        candle.opened_ms,
        *(padded(p, places) for p in (candle.open, candle.high, candle.low, candle.close)),
        padded(candle.volume, digits),
        candle.opened_ms + length_ms - 1,
        padded(round(candle.volume * middle, 5), 5),
        candle.trades,
        padded(round(taken, digits), digits),
        padded(round(taken * middle, 5), 5),
        "0",
    ]


def day_row(candle: Candle, rules: Instrument, now_ms: int) -> Json:
    """A row of ticker/24hr from the candle of the last day."""
    places = rules.price_precision
    change = candle.close - candle.open
    middle = (candle.high + candle.low) / 2
    return {
        "symbol": rules.symbol,
        "priceChange": padded(change, places),
        "priceChangePercent": padded(round(change / candle.open * 100, 3), 3),
        "weightedAvgPrice": padded(round(middle, places), places),
        "lastPrice": padded(candle.close, places),
        "lastQty": padded(rules.step, rules.quantity_precision),
        "openPrice": padded(candle.open, places),
        "highPrice": padded(candle.high, places),
        "lowPrice": padded(candle.low, places),
        "volume": padded(candle.volume, rules.quantity_precision),
        "quoteVolume": padded(round(candle.volume * middle, 2), 2),
        "openTime": candle.opened_ms,
        "closeTime": now_ms,
        "firstId": 1,
        "lastId": candle.trades,
        "count": candle.trades,
    }


def levels(rows: list[tuple[Decimal, Decimal]], rules: Instrument) -> Json:
    """Price levels of a book."""
    places, digits = rules.price_precision, rules.quantity_precision
    return [[padded(price, places), padded(size, digits)] for price, size in rows]
