"""The scalar values of the system: decimals, symbols, lot steps. No floats for money, anywhere."""

import re
from decimal import Context, Decimal, InvalidOperation

from qtops.errors import DecodeError

ZERO = Decimal(0)
# Letters of any script: the exchange lists symbols that are not spelled in Latin ones.
SYMBOL_PATTERN = re.compile(r"[^\W_]{2,30}(_[0-9]{6})?")
PLAN_ID_PATTERN = re.compile(r"[^{}:]{1,200}")
# What arithmetic here keeps exactly (the decimal context has 28 digits) and no exchange exceeds.
MAX_DIGITS = 28
MAX_MAGNITUDE = 24
_WIDE = Context(prec=3 * MAX_MAGNITUDE)  # holds every quotient of two such numbers


def parse_decimal(raw: str, field: str = "value") -> Decimal:
    """A finite decimal, exactly as written. NaN, infinities and text raise DecodeError.

    So do numbers beyond 28 digits or 10^±24: they would be rounded, or overflow, in a gate.
    """
    try:
        value = Decimal(plain_number(raw))
    except (InvalidOperation, ValueError) as error:
        raise DecodeError("bad_decimal", field, f"{field}: {raw[:40]!r} is not a number") from error
    if not value.is_finite():
        raise DecodeError("bad_decimal", field, f"{field}: {raw[:40]!r} is not finite")
    _, digits, exponent = value.as_tuple()
    size = exponent if value.is_zero() and isinstance(exponent, int) else value.adjusted()
    if len(digits) > MAX_DIGITS or abs(size) > MAX_MAGNITUDE:
        raise DecodeError("bad_decimal", field, f"{field}: {raw[:40]!r} is out of range")
    return value


def plain_number(raw: str) -> str:
    """Python reads 1_000 and digits of every script as numbers; nothing else on the wire does."""
    if "_" in raw or not raw.isascii():
        message = "not plain digits"
        raise ValueError(message)
    return raw.strip()


def fmt_decimal(value: Decimal) -> str:
    """Plain digits as the exchange wants them: no exponent, no trailing zeros, never '-0'."""
    if value == 0:
        return "0"
    return format(value.normalize(), "f")


def floor_to_step(quantity: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `quantity` (both ≥ 0; a zero step means any)."""
    if step == 0:
        return quantity
    return _WIDE.multiply(_WIDE.divide_int(quantity, step), step)


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
    if not PLAN_ID_PATTERN.fullmatch(raw) or not raw.isprintable():
        raise DecodeError("bad_plan_id", field, f"{field}: {raw[:40]!r} is not a plan id")
    return raw
