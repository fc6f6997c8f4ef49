"""A stored fact is read back as it was, with its age; what is half there is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts import snapshot
from qtops.contracts.facts import Known, Portfolio, Position
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError
from tests.strategies import NOW, D, amounts, filters, positive, reservation, symbols, times_ms

positions = st.builds(Position, amounts, positive, positive)


@given(symbol=symbols, position=positions, at_ms=times_ms)
def test_a_position_is_read_back(symbol, position, at_ms):
    wire = snapshot.encode_position(symbol, position, at_ms)
    assert snapshot.decode_position(wire) == Known(position, at_ms)


@given(
    positions=st.dictionaries(symbols, positions),
    equity=st.none() | positive,
    peak=st.none() | positive,
    at_ms=times_ms,
)
def test_a_portfolio_is_read_back(positions, equity, peak, at_ms):
    portfolio = Portfolio(positions, equity, peak, None if equity is None else at_ms - 1)
    wire = snapshot.encode_portfolio(portfolio, at_ms)
    assert snapshot.decode_portfolio(wire) == Known(portfolio, at_ms)


@given(sigma=st.dictionaries(symbols, positive), price=positive, at_ms=times_ms)
def test_prices_and_volatilities_are_read_back(sigma, price, at_ms):
    wire = snapshot.encode_volatility(sigma, at_ms)
    assert snapshot.decode_volatility(wire) == Known(sigma, at_ms)
    wire = snapshot.encode_mark("BTCUSDT", price, at_ms)
    assert snapshot.decode_mark(wire) == Known(price, at_ms)


@given(step=positive, at_ms=times_ms)
def test_rules_are_read_back(step, at_ms):
    rules = filters(market_step=step)
    assert snapshot.decode_filters(snapshot.encode_filters(rules, at_ms)) == Known(rules, at_ms)


@given(
    quantity=positive,
    side=st.sampled_from(Side),
    state=st.sampled_from(["issued", "admitted", "unknown", "filled"]),
    reduce_only=st.booleans(),
)
def test_a_reservation_is_read_back(quantity, side, state, reduce_only):
    made = reservation(quantity=quantity, side=side, state=state, reduce_only=reduce_only)
    assert snapshot.decode_reservation(snapshot.encode_reservation(made)) == made


@given(equity=positive, at_ms=times_ms)
def test_a_peak_is_read_back(equity, at_ms):
    assert snapshot.decode_peak(snapshot.encode_peak(equity, at_ms)) == Known(equity, at_ms)


def test_the_originals_snapshot_is_read_with_its_age_in_seconds():
    raw = {"symbol": "TRXUSDT", "position_amt": "17889.0", "side": "LONG", "ts_epoch": "1770000000"}
    assert snapshot.decode_position(raw) == Known(Position(D(17889)), NOW)


POSITION = snapshot.encode_position("BTCUSDT", Position(D(1)), NOW)
REFUSED = {
    "position-without-amount": (snapshot.decode_position, {**POSITION, "position_amt": ""}),
    "position-not-a-number": (snapshot.decode_position, {**POSITION, "position_amt": "NaN"}),
    "position-without-time": (
        snapshot.decode_position,
        {**POSITION, "observed_at_ms": "", "ts_epoch": ""},
    ),
    "mark-of-zero": (snapshot.decode_mark, {"mark_price": "0", "observed_at_ms": "1"}),
    "mark-below-zero": (snapshot.decode_mark, {"mark_price": "-1", "observed_at_ms": "1"}),
    "volatility-below-zero": (snapshot.decode_volatility, {"X": "-0.1", "observed_at_ms": "1"}),
    "volatility-without-time": (snapshot.decode_volatility, {"X": "0.1"}),
    "book-version-not-a-number": (
        snapshot.decode_book,
        {"position_amt": "1", "side": "LONG", "version": "two"},
    ),
    "book-without-amount": (snapshot.decode_book, {"side": "LONG"}),
    "rules-without-a-step": (
        snapshot.decode_filters,
        snapshot.encode_filters(filters(), NOW).replace('"market_step"', '"other"'),
    ),
    "reservation-without-state": (
        snapshot.decode_reservation,
        snapshot.encode_reservation(reservation()).replace('"state"', '"other"'),
    ),
}


@pytest.mark.parametrize(("decode", "raw"), REFUSED.values(), ids=REFUSED.keys())
def test_a_fact_that_is_half_there_is_refused(decode, raw):
    with pytest.raises(DecodeError):
        decode(raw)


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        ({"position_amt": "-2", "side": "SHORT"}, "-2"),
        ({"qty": "2", "side": "SHORT"}, "-2"),
        ({"quantity": "2", "side": "SELL"}, "-2"),
        ({"qty": "2", "side": "LONG"}, "2"),
        ({"position_amt": "0", "side": "FLAT"}, "0"),
    ],
    ids=["ours-short", "original-short", "original-sell", "original-long", "flat"],
)
def test_the_book_is_a_signed_amount_in_every_shape(raw, amount):
    assert snapshot.decode_book({**raw, "version": "3"}) == (D(amount), 3)
