"""Minute closes survive the wire, and nothing that is not one is taken for one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.market import Kline, decode_klines, encode_klines
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
