"""`trade.intent`: what a bot wants, before anyone decided. JSON in `payload`, or flat fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.contracts.codec import (
    Fields,
    canonical_json,
    fmt_bool,
    parse_bool,
    parse_instant_ms,
    parse_json_object,
    text_of,
)
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal, parse_symbol
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Intent:
    """One wish. Exactly one of `quantity` (base units) and `notional_usdt` is set."""

    symbol: str
    side: Side
    quantity: Decimal | None = None
    notional_usdt: Decimal | None = None
    reduce_only: bool | None = None
    source: str = ""
    timestamp_ms: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Intent":
        """Parse either shape. A size in both units, or in none, raises DecodeError."""
        payload = raw.get("payload")
        flat = {k: v for k, v in raw.items() if k != "payload"}
        if payload:
            inner = parse_json_object(payload, "payload")
            _merge(flat, {name: text_of(value) for name, value in inner.items()})
        fields = Fields(flat)
        quantity = _positive(fields.take("qty", "quantity"), "qty")
        notional = _positive(fields.take("position_size_usd", "notional_usd"), "position_size_usd")
        if (quantity is None) == (notional is None):
            message = "an intent has one size: qty/quantity (base) or position_size_usd"
            raise DecodeError("bad_size", "qty", message)
        reduce_only = fields.take("reduceOnly", "reduce_only")
        timestamp = fields.take("timestamp")
        return cls(
            symbol=parse_symbol(fields.need("symbol")),
            side=fields.need_word(Side, "side", "action"),
            quantity=quantity,
            notional_usdt=notional,
            reduce_only=parse_bool(reduce_only, "reduceOnly") if reduce_only else None,
            source=fields.take("source") or "",
            timestamp_ms=parse_instant_ms(timestamp) if timestamp else None,
            extra=fields.rest(),
        )

    def to_fields(self) -> dict[str, str]:
        """The wire form: one JSON field, as the bots write it."""
        own = {
            "symbol": self.symbol,
            "side": self.side.value,
            "qty": fmt_decimal(self.quantity) if self.quantity is not None else "",
            "position_size_usd": fmt_decimal(self.notional_usdt)
            if self.notional_usdt is not None
            else "",
            "reduceOnly": fmt_bool(self.reduce_only) if self.reduce_only is not None else "",
            "source": self.source,
            "timestamp": str(self.timestamp_ms) if self.timestamp_ms is not None else "",
        }
        said = {name: value for name, value in own.items() if value}
        return {"payload": canonical_json({**self.extra, **said})}


def _merge(flat: dict[str, str], inner: Mapping[str, str]) -> None:
    """Add the payload to the flat fields; a field said twice must be said the same way."""
    for name, value in inner.items():
        outer = flat.get(name)
        if outer and value and outer != value:
            message = f"{name}: {outer[:20]!r} beside the payload, {value[:20]!r} in it"
            raise DecodeError("contradictory", name, message)
        flat[name] = value or outer or ""


def _positive(raw: str | None, name: str) -> Decimal | None:
    if raw is None:
        return None
    value = parse_decimal(raw, name)
    if value <= ZERO:
        raise DecodeError("bad_qty", name, f"{name}: {value} is not above zero")
    return value
