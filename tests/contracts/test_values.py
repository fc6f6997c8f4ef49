"""Numbers are exact, rounding never goes up, and nothing is a float."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qtops.contracts.codec import parse_int
from qtops.contracts.values import floor_to_step, fmt_decimal, parse_decimal, parse_symbol
from qtops.errors import DecodeError
from tests.strategies import D

steps = st.sampled_from(["0.001", "1", "0.00001", "0.1", "10", "0.25", "3"]).map(D)
quantities = st.decimals(0, 10**9, places=8)


@given(quantity=quantities, step=steps)
def test_a_floored_quantity_is_the_largest_multiple_not_above_it(quantity, step):
    floored = floor_to_step(quantity, step)
    assert floored % step == 0
    assert quantity - step < floored <= quantity


@given(digits=st.integers(1, 10**28 - 1), scale=st.integers(0, 24), step=steps)
def test_flooring_never_rounds_up_however_many_digits_there_are(digits, scale, step):
    quantity = D(digits).scaleb(-scale)
    assert floor_to_step(quantity, step) <= quantity


def test_flooring_does_not_round_up_through_the_precision_of_decimals():
    assert floor_to_step(D("0." + "9" * 28), D(1)) == 0
    assert floor_to_step(D("8944.5"), D(1)) == D(8944)
    assert floor_to_step(D("0.9999999999999999999999999999"), D("0.003")) == D("0.999")


def test_a_zero_step_leaves_the_quantity_alone():
    assert floor_to_step(D("1.23456"), D(0)) == D("1.23456")


@given(value=st.decimals(-(10**12), 10**12, places=9))
def test_a_decimal_survives_its_wire_form(value):
    text = fmt_decimal(value)
    assert parse_decimal(text) == value
    assert "E" not in text
    assert not (text.endswith("0") and "." in text)


PLAIN = {
    "trailing-zeros": ("1.2300", "1.23"),
    "exponent": ("1E+3", "1000"),
    "tiny": ("1E-8", "0.00000001"),
    "minus-zero": ("-0.00", "0"),
    "zero-with-exponent": ("0E+5", "0"),
    "hundred": ("100", "100"),
}


@pytest.mark.parametrize(("raw", "text"), PLAIN.values(), ids=PLAIN.keys())
def test_a_decimal_is_written_in_plain_digits(raw, text):
    assert fmt_decimal(D(raw)) == text


def test_a_decimal_is_taken_exactly_as_written():
    assert str(parse_decimal(" 0.30000000000000004 ")) == "0.30000000000000004"


@pytest.mark.parametrize("raw", ["1e24", "1e-24", "9" * 24 + ".9999", "0", "-5", "+5", ".5"])
def test_numbers_in_range_are_taken(raw):
    assert parse_decimal(raw) == D(raw)


@pytest.mark.parametrize("raw", ["1e25", "1e-25", "9" * 29, "0e999999", "0e-999999", "1_0", ""])
def test_numbers_that_arithmetic_would_round_or_choke_on_are_refused(raw):
    with pytest.raises(DecodeError, match=r"number|range"):
        parse_decimal(raw, "qty")


@given(one=st.decimals(allow_nan=False, allow_infinity=False), two=st.decimals())
def test_whatever_is_taken_can_be_multiplied_and_divided(one, two):
    values = []
    for value in (one, two):
        try:
            values.append(parse_decimal(str(value)))
        except DecodeError:
            assume(False)
    first, second = values
    assert (first * second + first - second).is_finite()
    assert not second or (first / second).is_finite()
    assert floor_to_step(abs(first), abs(second)) <= abs(first)


@pytest.mark.parametrize("raw", ["1_0", "\u0661", "1.0", "", "abc", "9" * 5000])
def test_an_integer_is_plain_digits(raw):
    with pytest.raises(DecodeError) as fault:
        parse_int(raw, "epoch")
    assert (fault.value.reason, fault.value.field) == ("bad_integer", "epoch")


@pytest.mark.parametrize("raw", ["BTCUSDT", " btcusdt ", "BTCUSDT_260327", "1000PEPEUSDT"])
def test_a_symbol_is_upper_case_as_the_exchange_writes_it(raw):
    assert parse_symbol(raw) == raw.strip().upper()


@pytest.mark.parametrize("raw", ["", "B", "BTC-USDT", "BTC USDT", "BTC:USDT", "BTCUSDT\n{x}", "*"])
def test_what_cannot_be_a_symbol_is_refused(raw):
    with pytest.raises(DecodeError) as fault:
        parse_symbol(raw)
    assert fault.value.field == "symbol"
