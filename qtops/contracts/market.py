"""Closing prices of one symbol, minute by minute: `state:klines:SYMBOL`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.codec import text_of
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.errors import DecodeError

INTERVAL_MS = 60_000


@dataclass(frozen=True, slots=True)
class Kline:
    """One finished minute: when it began (the exchange's UTC ms) and its closing price."""

    open_time_ms: int
    close: Decimal


def encode_klines(klines: Sequence[Kline]) -> str:
    """One JSON array of `[open_time_ms, "close"]`, oldest first, written whole."""
    rows = [[kline.open_time_ms, fmt_decimal(kline.close)] for kline in klines]
    return json.dumps(rows, separators=(",", ":"))


def decode_klines(raw: str) -> list[Kline]:
    """Strict: minutes rise, prices are above zero. Gaps are allowed, and are the reader's matter.

    Raises:
        DecodeError: naming the first row that is not such a pair.

    """
    try:
        rows = json.loads(raw)
    except ValueError as error:
        raise DecodeError("bad_json", "klines", f"klines: {error}") from None
    if not isinstance(rows, list):
        raise DecodeError("bad_json", "klines", "klines: not an array")
    klines: list[Kline] = []
    for number, row in enumerate(rows):
        klines.append(_kline(row, number))
        if number and klines[-1].open_time_ms <= klines[-2].open_time_ms:
            raise DecodeError("bad_order", "klines", f"klines: row {number} is not later")
    return klines


def _kline(row: object, number: int) -> Kline:
    match row:
        case [int(open_time_ms), close] if not isinstance(open_time_ms, bool):
            price = parse_decimal(text_of(close), "close")
            if price > ZERO:
                return Kline(open_time_ms, price)
    raise DecodeError("bad_row", "klines", f"klines: row {number} is no [open_time_ms, close]")
