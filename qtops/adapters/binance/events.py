"""Messages of the user data stream as `AccountEvent`. A needed field that is absent raises."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from qtops.adapters.binance.decode import parse_json
from qtops.contracts.account_event import AccountChange, AccountEvent, EventKind, Fill, OrderChange
from qtops.contracts.codec import Fields, text_of
from qtops.contracts.values import ZERO, parse_symbol
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError

EXPIRED: Final = "listenKeyExpired"
_ORDER: Final = "ORDER_TRADE_UPDATE"
_ACCOUNT: Final = "ACCOUNT_UPDATE"
_ONE_WAY: Final = "BOTH"


def event_name(message: Any) -> str:
    """The venue's name of a message; DecodeError when it is no event at all."""
    name = message.get("e") if isinstance(message, dict) else None
    if not isinstance(name, str):
        raise DecodeError("bad_event", "e", "e: the message is no event")
    return name


def read_message(raw: str | bytes) -> tuple[str, AccountEvent | None]:
    """The message's name and, for the two kinds we use, its content. Others carry None."""
    message = parse_json(raw.encode() if isinstance(raw, str) else raw)
    name = event_name(message)
    if name == _ORDER:
        return name, _order_event(message)
    return name, _account_event(message) if name == _ACCOUNT else None


def _order_event(message: Mapping[str, Any]) -> AccountEvent:
    envelope, body = _flat(message, "o"), _flat(_inner(message, "o"))
    return AccountEvent(
        kind=EventKind.ORDER,
        event_ms=envelope.need_int("E"),
        transaction_ms=envelope.need_int("T"),
        order=_order_change(body),
        extra=body.rest(),
    )


def _order_change(body: Fields) -> OrderChange:
    average = body.need_decimal("ap")
    return OrderChange(
        symbol=parse_symbol(body.need("s"), "s"),
        order_id=body.need("i"),
        client_order_id=body.need("c"),
        side=body.need_word(Side, "S"),
        status=body.need("X"),
        execution=body.need("x"),
        executed_quantity=body.need_decimal("z"),
        average_price=average if average > ZERO else None,
        fill=_fill(body),
    )


def _fill(body: Fields) -> Fill | None:
    """A trade id of 0 means that the event is about something else than a fill."""
    trade_id, quantity, price = body.need("t"), body.need_decimal("l"), body.need_decimal("L")
    fee, asset, realized = body.take("n") or "0", body.take("N") or "", body.need_decimal("rp")
    if trade_id in {"0", "-1"}:
        return None
    return Fill(trade_id, quantity, price, Fields({"n": fee}).need_decimal("n"), asset, realized)


def _account_event(message: Mapping[str, Any]) -> AccountEvent:
    envelope, inner = _flat(message, "a"), _inner(message, "a")
    balances = [_flat(row) for row in _rows(inner, "B")]
    positions = [_flat(row) for row in _rows(inner, "P")]
    change = AccountChange(
        reason=_flat(inner, "B", "P").need("m"),
        balances={row.need("a"): row.need_decimal("wb") for row in balances},
        positions=_signed_amounts(positions),
    )
    return AccountEvent(
        kind=EventKind.ACCOUNT,
        event_ms=envelope.need_int("E"),
        transaction_ms=envelope.need_int("T"),
        account=change,
        extra={name: text_of(inner[name]) for name in ("B", "P") if name in inner},
    )


def _signed_amounts(rows: list[Fields]) -> dict[str, Decimal]:
    """By symbol, as one-way accounts have them; a side of a hedged one is no position of ours."""
    sides = [(parse_symbol(r.need("s"), "s"), r.need("ps"), r.need_decimal("pa")) for r in rows]
    return {symbol: amount for symbol, side, amount in sides if side == _ONE_WAY}


def _flat(row: Any, *without: str) -> Fields:
    if not isinstance(row, dict):
        raise DecodeError("bad_event", "", "a part of the event is not an object")
    return Fields({name: text_of(value) for name, value in row.items() if name not in without})


def _inner(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = message.get(name)
    if not isinstance(inner, dict):
        raise DecodeError(f"missing_{name}", name, f"{name}: the event has no such object")
    return inner


def _rows(inner: Mapping[str, Any], name: str) -> list[Any]:
    rows = inner.get(name, [])
    if not isinstance(rows, list):
        raise DecodeError(f"bad_{name}", name, f"{name}: not a list")
    return rows
