"""The scalar values of the system: decimals, symbols, lot steps. No floats for money, anywhere."""

import re
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from qtops.errors import DecodeError

ZERO = Decimal(0)
SYMBOL_PATTERN = re.compile(r"[A-Z0-9]{2,30}(_[0-9]{6})?")
PLAN_ID_PATTERN = re.compile(r"[^{}:\x00-\x1f\x7f]{1,200}")


def parse_decimal(raw: str, field: str = "value") -> Decimal:
    """A finite decimal, exactly as written. NaN, infinities and text raise DecodeError."""
    try:
        value = Decimal(raw.strip())
    except InvalidOperation as error:
        raise DecodeError("bad_decimal", field, f"{field}: {raw[:40]!r} is not a number") from error
    if not value.is_finite():
        raise DecodeError("bad_decimal", field, f"{field}: {raw[:40]!r} is not finite")
    return value


def fmt_decimal(value: Decimal) -> str:
    """Plain digits as the exchange wants them: no exponent, no trailing zeros, never '-0'."""
    if value == 0:
        return "0"
    return format(value.normalize(), "f")


def floor_to_step(quantity: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `quantity` (both ≥ 0; a zero step means any)."""
    if step == 0:
        return quantity
    return (quantity / step).to_integral_value(ROUND_DOWN) * step


def parse_symbol(raw: str, field: str = "symbol") -> str:
    """A symbol as the exchange writes it, for example BTCUSDT or BTCUSDT_260327."""
    value = raw.strip().upper()
    if not SYMBOL_PATTERN.fullmatch(value):
        raise DecodeError("bad_symbol", field, f"{field}: {raw[:40]!r} is not a symbol")
    return value


def parse_plan_id(raw: str, field: str = "plan_id") -> str:
    """1 to 200 printable characters without braces or colons.

    Braces would move a key to another cluster slot; a plan called `p26:X` would get the governor's
    permit under the portfolio gate's name for plan `X`.
    """
    if not PLAN_ID_PATTERN.fullmatch(raw):
        raise DecodeError("bad_plan_id", field, f"{field}: {raw[:40]!r} is not a plan id")
    return raw
