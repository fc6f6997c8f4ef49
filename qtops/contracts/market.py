"""Closing prices of one symbol, minute by minute: `state:klines:SYMBOL`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.codec import text_of
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.errors import DecodeError

INTERVAL_MS = 60_000
# Six hours of returns take one close more.
RING_CLOSES = 361


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


def last_finished_ms(exchange_now_ms: int, grace_ms: int) -> int:
    """When the newest minute began that has been over for `grace_ms`, by the exchange's clock.

    The grace covers what is not known about that clock: a running minute has a price, but no close.
    """
    return (exchange_now_ms - grace_ms) // INTERVAL_MS * INTERVAL_MS - INTERVAL_MS


def missing_since_ms(ring: Sequence[Kline], finished_ms: int) -> int | None:
    """From which minute on to ask, so that the ring reaches `finished_ms`; None: nothing to ask.

    The last minute of the ring is asked for again, so that what was taken too early is put right.
    """
    first_ms = finished_ms - (RING_CLOSES - 1) * INTERVAL_MS
    if not ring or ring[-1].open_time_ms < first_ms:
        return first_ms
    newest_ms = ring[-1].open_time_ms
    return newest_ms if newest_ms < finished_ms else None


def is_whole(ring: Sequence[Kline]) -> bool:
    """As long as it should be, without a gap."""
    if len(ring) < RING_CLOSES:
        return False
    return ring[-1].open_time_ms - ring[0].open_time_ms == (len(ring) - 1) * INTERVAL_MS


def merged(ring: Sequence[Kline], tail: Sequence[Kline], finished_ms: int) -> list[Kline]:
    """The ring with the tail's word for its minutes, up to `finished_ms`, not older than six hours.

    Ascending. A minute that is in neither stays a gap.
    """
    by_minute = {kline.open_time_ms: kline for kline in (*ring, *tail)}
    first_ms = finished_ms - (RING_CLOSES - 1) * INTERVAL_MS
    return [by_minute[when] for when in sorted(by_minute) if first_ms <= when <= finished_ms]
