"""Public endpoints: time, rules, prices, candles."""

from typing import Final

from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.core.market import (
    FUNDING_RATE,
    HOUR_MS,
    INTERVALS,
    MINUTE_MS,
    next_funding_ms,
)
from qtops.sandbox.exchange.core.params import Params
from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Table, by_symbol
from qtops.sandbox.exchange.rest.wire import Json, cash, padded
from qtops.sandbox.exchange.rest.wire_market import candle_row, day_row, levels, symbol_row

DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_DEFAULT_DEPTH: Final = 500
_MAX_CANDLES: Final = 1500
_MAX_ROWS: Final = 1000
_CANDLE_WEIGHTS: Final = ((99, 1), (499, 2), (1000, 5), (_MAX_CANDLES, 10))
_TRADE_SPACING_MS: Final = 250


def ping(_call: Call) -> Json:
    """Always an empty object."""
    return {}


def server_time(call: Call) -> Json:
    """The clock that signatures are checked against."""
    return {"serverTime": call.now_ms}


def exchange_info(call: Call) -> Json:
    """Always the whole list; a `symbol` parameter is ignored, as the venue does."""
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": call.venue.limits.rows(),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [symbol_row(rules) for rules in call.engine.instruments.values()],
    }


def premium_index(call: Call) -> Json:
    """Index and settle price are the mark: there is no second market."""

    def row(symbol: str) -> Json:
        mark = cash(call.state.symbols[symbol].mark)
        return {
            "symbol": symbol,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": cash(FUNDING_RATE),
            "interestRate": cash(FUNDING_RATE),
            "nextFundingTime": next_funding_ms(call.now_ms),
            "time": call.now_ms,
        }

    return call.one_or_all(row)


def ticker_price(call: Call) -> Json:
    """The last price is the mark on the nearest tick."""

    def row(symbol: str) -> Json:
        places = call.engine.instruments[symbol].price_precision
        price = padded(call.market.last_price(symbol), places)
        return {"symbol": symbol, "price": price, "time": call.now_ms}

    return call.one_or_all(row)


def book_ticker(call: Call) -> Json:
    """The best level of the book."""

    def row(symbol: str) -> Json:
        rules = call.engine.instruments[symbol]
        bids, asks = (levels(side, rules) for side in call.market.book(symbol, 1))
        (bid_price, bid_size), (ask_price, ask_size) = bids[0], asks[0]
        return {
            "symbol": symbol,
            "bidPrice": bid_price,
            "bidQty": bid_size,
            "askPrice": ask_price,
            "askQty": ask_size,
            "time": call.now_ms,
            "lastUpdateId": call.now_ms,
        }

    return call.one_or_all(row)


def ticker_day(call: Call) -> Json:
    """The last 24 hours up to now."""

    def row(symbol: str) -> Json:
        candle = call.market.day(symbol, call.now_ms)
        return day_row(candle, call.engine.instruments[symbol], call.now_ms)

    return call.one_or_all(row)


def depth(call: Call) -> Json:
    """A limit that is not on the list is -4021."""
    symbol = call.symbol()
    limit = call.params.optional_integer("limit") or _DEFAULT_DEPTH
    if limit not in DEPTH_WEIGHTS:
        raise refuse(-4021, limit)
    rules = call.engine.instruments[symbol]
    bids, asks = call.market.book(symbol, limit)
    return {
        "lastUpdateId": call.now_ms,
        "E": call.now_ms,
        "T": call.now_ms,
        "bids": levels(bids, rules),
        "asks": levels(asks, rules),
    }


def klines(call: Call) -> Json:
    """Ascending; the last row is the running candle, which closes at the last price."""
    symbol = call.symbol()
    interval = call.params.choice("interval", INTERVALS, -1120)
    window = call.params.window()
    limit = call.params.limit(_DEFAULT_DEPTH, _MAX_CANDLES)
    rules = call.engine.instruments[symbol]
    candles = call.market.candles(symbol, interval, window, limit, call.now_ms)
    return [candle_row(candle, INTERVALS[interval], rules) for candle in candles]


def agg_trades(call: Call) -> Json:
    """The last trades at the last price, evenly spaced: prints without a crowd behind them."""
    symbol = call.symbol()
    start, end = call.params.window()
    if start is not None and end is not None and end - start >= HOUR_MS:
        raise refuse(-1127, "1")
    limit = call.params.limit(_DEFAULT_DEPTH, _MAX_ROWS)
    newest = min(call.now_ms if end is None else end, call.now_ms) // _TRADE_SPACING_MS
    oldest = newest - limit + 1 if start is None else -(-start // _TRADE_SPACING_MS)
    oldest = call.params.optional_integer("fromId") or oldest
    numbers = range(oldest, min(newest, oldest + limit - 1) + 1)
    return [_agg_trade(call, symbol, number) for number in numbers]


def _agg_trade(call: Call, symbol: str, number: int) -> Json:
    rules, time_ms = call.engine.instruments[symbol], number * _TRADE_SPACING_MS
    minute_end = time_ms - time_ms % MINUTE_MS
    price = padded(call.market.price_at(symbol, minute_end, call.now_ms), rules.price_precision)
    size = padded(rules.step * (1 + number % 9), rules.quantity_precision)
    return {
        "a": number,
        "p": price,
        "q": size,
        "nq": size,
        "f": number,
        "l": number,
        "T": time_ms,
        "m": number % 2 == 0,
    }


def funding_rate(call: Call) -> Json:
    """A constant rate at every funding time."""
    window = call.params.window()
    limit = call.params.limit(100, _MAX_ROWS)
    rows: list[dict[str, Json]] = [
        {
            "symbol": symbol,
            "fundingTime": time_ms,
            "fundingRate": cash(FUNDING_RATE),
            "markPrice": cash(mark),
            "rateType": "Regular",
        }
        for symbol in call.symbols()
        for time_ms, mark in call.market.moments(symbol, window, limit, call.now_ms)
    ]
    return sorted(rows, key=lambda row: row["fundingTime"])[-limit:]


def _depth_weight(params: Params) -> int:
    return DEPTH_WEIGHTS.get(params.optional_integer("limit") or _DEFAULT_DEPTH, 1)


def _candle_weight(params: Params) -> int:
    limit = params.optional_integer("limit") or _DEFAULT_DEPTH
    return next((weight for most, weight in _CANDLE_WEIGHTS if limit <= most), 1)


ENDPOINTS: Final[Table] = {
    ("GET", "/fapi/v1/ping"): Endpoint(ping),
    ("GET", "/fapi/v1/time"): Endpoint(server_time),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(exchange_info),
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(premium_index, by_symbol(1, 10)),
    ("GET", "/fapi/v1/ticker/price"): Endpoint(ticker_price, by_symbol(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): Endpoint(ticker_price, by_symbol(1, 2)),
    ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(book_ticker, by_symbol(2, 5)),
    ("GET", "/fapi/v1/ticker/24hr"): Endpoint(ticker_day, by_symbol(1, 40)),
    ("GET", "/fapi/v1/depth"): Endpoint(depth, _depth_weight),
    ("GET", "/fapi/v1/klines"): Endpoint(klines, _candle_weight),
    ("GET", "/fapi/v1/aggTrades"): Endpoint(agg_trades, 20),
    ("GET", "/fapi/v1/fundingRate"): Endpoint(funding_rate, 0),
}
