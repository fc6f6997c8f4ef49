"""How facts are stored: one encoder and one decoder for each key that carries one.

Every stored fact carries `observed_at_ms`: the moment (Redis server's UTC ms) before it was asked
for at its source, so that an age is never understated.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qtops.contracts.codec import Fields, parse_bool, parse_int, parse_json_object, text_of
from qtops.contracts.facts import Known, Portfolio, Position, Reservation
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal, parse_symbol
from qtops.contracts.venue import Filters
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError


def encode_position(symbol: str, position: Position, observed_at_ms: int) -> dict[str, str]:
    """`state:positions:SYMBOL`, with the original's field names beside the exact time."""
    amount = position.amount
    return {
        "symbol": symbol,
        "position_amt": fmt_decimal(amount),
        "side": side_of(amount),
        "quantity": fmt_decimal(abs(amount)),
        "entry_price": fmt_decimal(position.entry_price),
        "mark_price": fmt_decimal(position.mark_price),
        "ts_epoch": str(observed_at_ms // 1000),
        "observed_at_ms": str(observed_at_ms),
        "source": "snapshots",
    }


def decode_position(raw: Mapping[str, str]) -> Known[Position]:
    """Ours, or the original's with `ts_epoch` in seconds."""
    fields = Fields(raw)
    entry, mark = fields.take("entry_price"), fields.take("mark_price")
    position = Position(
        amount=fields.need_decimal("position_amt"),
        entry_price=parse_decimal(entry, "entry_price") if entry else ZERO,
        mark_price=parse_decimal(mark, "mark_price") if mark else ZERO,
    )
    return Known(position, observed_at(fields))


def observed_at(fields: Fields) -> int:
    """When it was true, in ms. A fact without a time has no age and is refused."""
    exact = fields.take("observed_at_ms")
    if exact is not None:
        return int(parse_decimal(exact, "observed_at_ms"))
    return int(fields.need_decimal("ts_epoch") * 1000)


def side_of(amount: Decimal) -> str:
    """LONG, SHORT or FLAT."""
    if amount == ZERO:
        return "FLAT"
    return "LONG" if amount > ZERO else "SHORT"


def encode_portfolio(portfolio: Portfolio, observed_at_ms: int) -> dict[str, str]:
    """`state:portfolio`: every non-empty position, and equity where it was read."""
    positions = {
        symbol: {
            "amount": fmt_decimal(p.amount),
            "entry_price": fmt_decimal(p.entry_price),
            "mark_price": fmt_decimal(p.mark_price),
        }
        for symbol, p in portfolio.positions.items()
    }
    fields = {
        "positions": json.dumps(positions, sort_keys=True),
        "position_count": str(len(positions)),
        "ts_epoch": str(observed_at_ms // 1000),
        "observed_at_ms": str(observed_at_ms),
    }
    if portfolio.equity_usdt is not None:
        fields["equity_usd"] = fmt_decimal(portfolio.equity_usdt)
    if portfolio.drawdown_pct is not None:
        fields["drawdown_pct"] = fmt_decimal(portfolio.drawdown_pct)
    return fields


def decode_portfolio(raw: Mapping[str, str]) -> Known[Portfolio]:
    """Positions and equity; a position without a price raises."""
    fields = Fields(raw)
    positions = {
        parse_symbol(symbol): Position(
            amount=parse_decimal(text_of(p["amount"]), "amount"),
            entry_price=parse_decimal(text_of(p["entry_price"]), "entry_price"),
            mark_price=parse_decimal(text_of(p["mark_price"]), "mark_price"),
        )
        for symbol, p in parse_json_object(fields.need("positions"), "positions").items()
    }
    equity, drawdown = fields.take("equity_usd"), fields.take("drawdown_pct")
    portfolio = Portfolio(
        positions,
        parse_decimal(equity, "equity_usd") if equity else None,
        parse_decimal(drawdown, "drawdown_pct") if drawdown else None,
    )
    return Known(portfolio, observed_at(fields))


def encode_mark(symbol: str, price: Decimal, observed_at_ms: int) -> dict[str, str]:
    """`state:market:SYMBOL`."""
    return {
        "symbol": symbol,
        "mark_price": fmt_decimal(price),
        "observed_at_ms": str(observed_at_ms),
    }


def decode_mark(raw: Mapping[str, str]) -> Known[Decimal]:
    """A mark price is above zero; anything else is not a price."""
    fields = Fields(raw)
    price = fields.need_decimal("mark_price")
    if price <= ZERO:
        raise DecodeError("bad_price", "mark_price", f"mark_price: {price} is not above zero")
    return Known(price, observed_at(fields))


def encode_volatility(sigma: Mapping[str, Decimal], observed_at_ms: int) -> dict[str, str]:
    """`state:volatility`: symbols beside the time; no symbol is spelled in lower case."""
    return {
        **{s: fmt_decimal(v) for s, v in sigma.items()},
        "observed_at_ms": str(observed_at_ms),
    }


def decode_volatility(raw: Mapping[str, str]) -> Known[Mapping[str, Decimal]]:
    """Every field but the time is a symbol."""
    fields = Fields(raw)
    when = observed_at(fields)
    sigma = {symbol: parse_decimal(raw, symbol) for symbol, raw in fields.rest().items()}
    below = [symbol for symbol, value in sigma.items() if value < ZERO]
    if below:
        raise DecodeError("bad_volatility", below[0], f"{below[0]}: a volatility below zero")
    return Known(sigma, when)


_FILTER_NUMBERS = (
    *("price_tick", "lot_step", "lot_min", "lot_max"),
    *("market_step", "market_min", "market_max", "min_notional"),
)


def encode_filters(rules: Filters, observed_at_ms: int) -> str:
    """One field of `exchange:filters`."""
    body: dict[str, str] = {name: fmt_decimal(getattr(rules, name)) for name in _FILTER_NUMBERS}
    body |= {
        "symbol": rules.symbol,
        "status": rules.status,
        "contract_type": rules.contract_type,
        "quantity_precision": str(rules.quantity_precision),
        "price_precision": str(rules.price_precision),
        "observed_at_ms": str(observed_at_ms),
    }
    return json.dumps(body, sort_keys=True)


def decode_filters(raw: str) -> Known[Filters]:
    """One symbol's rules; a missing number raises."""
    text = {name: text_of(value) for name, value in parse_json_object(raw, "filters").items()}
    fields = Fields(text)
    numbers = {name: fields.need_decimal(name) for name in _FILTER_NUMBERS}
    rules = Filters(
        symbol=parse_symbol(fields.need("symbol")),
        status=fields.need("status"),
        contract_type=fields.take("contract_type") or "",
        quantity_precision=fields.need_int("quantity_precision"),
        price_precision=fields.need_int("price_precision"),
        **numbers,
    )
    return Known(rules, observed_at(fields))


def encode_reservation(reservation: Reservation) -> str:
    """One field of `governor:reservations`; strings only, so that Lua rewrites it exactly."""
    return json.dumps(
        {
            "plan_id": reservation.plan_id,
            "symbol": reservation.symbol,
            "side": reservation.side.value,
            "quantity": fmt_decimal(reservation.quantity),
            "notional_usdt": fmt_decimal(reservation.notional_usdt),
            "state": reservation.state,
            "expires_at_ms": str(reservation.expires_at_ms),
            "filled_at_ms": str(reservation.filled_at_ms),
            "reduce_only": "true" if reservation.reduce_only else "false",
        },
        sort_keys=True,
    )


def decode_reservation(raw: str) -> Reservation:
    """Strict: a record that cannot be read makes the whole set unknown."""
    text: dict[str, Any] = parse_json_object(raw, "reservation")
    fields = Fields({name: text_of(value) for name, value in text.items()})
    return Reservation(
        plan_id=fields.need("plan_id"),
        symbol=parse_symbol(fields.need("symbol")),
        side=fields.need_word(Side, "side"),
        quantity=fields.need_decimal("quantity"),
        notional_usdt=fields.need_decimal("notional_usdt"),
        state=fields.need("state"),
        expires_at_ms=fields.need_int("expires_at_ms"),
        filled_at_ms=fields.need_int("filled_at_ms"),
        reduce_only=parse_bool(fields.take("reduce_only") or "false", "reduce_only"),
    )


def decode_book(raw: Mapping[str, str]) -> tuple[Decimal, int]:
    """(signed amount, version); the original's `qty` with a side is read too."""
    fields = Fields(raw)
    amount = fields.need_decimal("position_amt", "qty", "quantity")
    side = (fields.take("side") or "").upper()
    if side in {"SHORT", "SELL"} and amount > ZERO:
        amount = -amount
    return amount, parse_int(fields.take("version") or "0", "version")
