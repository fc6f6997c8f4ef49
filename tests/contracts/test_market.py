"""Minute closes survive the wire, and nothing that is not one is taken for one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.market import (
    INTERVAL_MS,
    RING_CLOSES,
    Kline,
    decode_klines,
    encode_klines,
    is_whole,
    last_finished_ms,
    merged,
    missing_since_ms,
)
from qtops.errors import DecodeError

prices = st.decimals("0.00000001", "1000000", allow_nan=False, places=8)


@given(st.dictionaries(st.integers(0, 2**45), prices, max_size=20))
def test_a_ring_survives_the_wire(rows):
    klines = [Kline(when, rows[when]) for when in sorted(rows)]
    assert decode_klines(encode_klines(klines)) == klines


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "bad_json"),
        ("{}", "bad_json"),
        ("[[1]]", "bad_row"),
        ('[["1","2"]]', "bad_row"),
        ('[[true,"2"]]', "bad_row"),
        ('[[1,"0"]]', "bad_row"),
        ('[[1,"-2"]]', "bad_row"),
        ('[[2,"1"],[2,"1"]]', "bad_order"),
        ('[[2,"1"],[1,"1"]]', "bad_order"),
        ('[[1,"x"]]', "bad_decimal"),
    ],
)
def test_what_is_no_ring_is_refused(raw, reason):
    with pytest.raises(DecodeError) as caught:
        decode_klines(raw)
    assert caught.value.reason == reason


def test_a_price_is_what_was_written():
    assert decode_klines('[[60000,"3210.10"]]') == [Kline(60_000, Decimal("3210.10"))]


def minutes(*numbers, price=1):
    return [Kline(n * INTERVAL_MS, Decimal(price)) for n in numbers]


@pytest.mark.parametrize(
    ("now_ms", "began_minute"),
    [(600_000, 8), (600_999, 8), (601_000, 9), (660_999, 9), (661_000, 10)],
)
def test_a_minute_is_finished_a_second_after_its_end(now_ms, began_minute):
    assert last_finished_ms(now_ms, 1_000) == began_minute * INTERVAL_MS


@pytest.mark.parametrize(
    ("ring", "since"),
    [
        pytest.param([], 1000 - RING_CLOSES + 1, id="nothing-there"),
        pytest.param([1000], None, id="up-to-date"),
        pytest.param([1001], None, id="ahead-of-a-clock-that-stepped-back"),
        pytest.param([998, 999], 999, id="one-missing-asks-for-the-last-again"),
        pytest.param([900, 901], 901, id="after-an-outage"),
        pytest.param([1000 - RING_CLOSES + 1], 1000 - RING_CLOSES + 1, id="just-within"),
        pytest.param([1000 - RING_CLOSES], 1000 - RING_CLOSES + 1, id="too-old-to-go-on-from"),
    ],
)
def test_only_what_is_missing_is_asked_for(ring, since):
    asked = missing_since_ms(minutes(*ring), 1000 * INTERVAL_MS)
    assert asked == (None if since is None else since * INTERVAL_MS)


def test_a_tail_has_the_last_word_and_the_running_minute_none():
    ring, tail = minutes(4, 5, 6), minutes(6, 7, 8, price=2)
    assert merged(ring, tail, 7 * INTERVAL_MS) == [*minutes(4, 5), *minutes(6, 7, price=2)]


@given(st.sets(st.integers(0, 1000)), st.sets(st.integers(0, 1000)), st.integers(0, 1000))
def test_a_merged_ring_rises_and_holds_six_hours_at_most(old, new, finished):
    ring = merged(minutes(*sorted(old)), minutes(*sorted(new)), finished * INTERVAL_MS)
    kept = {n for n in old | new if finished - RING_CLOSES < n <= finished}
    assert [kline.open_time_ms // INTERVAL_MS for kline in ring] == sorted(kept)


def test_a_whole_ring_has_its_length_and_no_gap():
    whole = minutes(*range(RING_CLOSES))
    assert is_whole(whole)
    assert not is_whole(whole[1:])
    assert not is_whole([*whole[:50], *minutes(*range(51, RING_CLOSES + 1))])
