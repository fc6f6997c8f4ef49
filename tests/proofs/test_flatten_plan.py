"""What closes a position, and what cannot be closed: decided without an exchange."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.plan import flatten_order_id
from qtops.contracts.venue import VenuePosition
from qtops.contracts.vocabulary import Side
from qtops.proofs.flatten_plan import Close, closes_of, last_foreign_ms
from tests.strategies import filters, order

D = Decimal
RULES = {"BTCUSDT": filters(market_step=D("0.001"), market_min=D("0.001"), market_max=D(120))}


def held(amount, symbol="BTCUSDT", side="BOTH"):
    return VenuePosition(symbol, D(amount), D(1), D(1), D(0), 0, side)


CLOSES = {
    "1": (Side.SELL, ["1.000"]),
    "-1.5": (Side.BUY, ["1.500"]),
    "0.001": (Side.SELL, ["0.001"]),
    "0.0019": (Side.SELL, ["0.001"]),
    "120": (Side.SELL, ["120.000"]),
    "120.001": (Side.SELL, ["120.000", "0.001"]),
    "300": (Side.SELL, ["120.000", "120.000", "60.000"]),
}


@pytest.mark.parametrize("amount", CLOSES)
def test_a_position_is_closed_in_orders_of_at_most_the_market_maximum(amount):
    side, quantities = CLOSES[amount]
    expected = [Close("BTCUSDT", side, tuple(D(q) for q in quantities))]
    assert closes_of([held(amount)], RULES) == (expected, [])


def test_dust_is_named_and_never_sent():
    closes, rest = closes_of([held("-0.0009")], RULES)
    assert closes == []
    assert (rest[0].amount, rest[0].why) == (D("-0.0009"), "dust, below the least order of 0.001")


def test_below_the_minimum_but_above_the_step_is_dust_too():
    rules = {"BTCUSDT": replace(RULES["BTCUSDT"], market_min=D("0.01"))}
    assert closes_of([held("0.009")], rules)[0] == []
    assert closes_of([held("0.010")], rules)[0][0].quantities == (D("0.010"),)


def test_flat_is_neither_closed_nor_left_over():
    assert closes_of([held(0)], RULES) == ([], [])


@pytest.mark.parametrize(
    ("position", "why"),
    [(held(1, "NEWUSDT"), "no trading rules"), (held(1, side="LONG"), "hedge-mode")],
)
def test_what_no_order_can_close_is_left_over(position, why):
    closes, rest = closes_of([position], RULES)
    assert closes == []
    assert why in rest[0].why


@given(steps=st.integers(0, 400_000), sign=st.sampled_from([1, -1]))
def test_the_orders_add_up_to_the_position_less_than_one_step(steps, sign):
    amount = D(steps) / 1000 + D("0.0004")
    closes, _ = closes_of([held(sign * amount)], RULES)
    total = sum((q for close in closes for q in close.quantities), D(0))
    assert D(0) <= amount - total < D("0.001")


def test_an_orders_id_follows_from_epoch_symbol_and_number_alone():
    names = [("q", "7", "BTCUSDT", 1), ("q", "7", "BTCUSDT", 2), ("q", "8", "BTCUSDT", 1)]
    names += [("q", "7", "ETHUSDT", 1), ("r", "7", "BTCUSDT", 1)]
    ids = [flatten_order_id(*name) for name in names]
    assert len(set(ids)) == len(ids)
    assert ids == [flatten_order_id(*name) for name in names]
    assert all(re.fullmatch(r"qt-[a-z2-7]{28}", name) for name in ids)


def test_the_last_order_is_the_newest_filled_one_that_is_not_ours():
    orders = [
        order(client_order_id="old", update_time_ms=50),
        order(client_order_id="late", update_time_ms=130),
        order(client_order_id="ours", update_time_ms=200),
        order(client_order_id="stopped", status="CANCELED", update_time_ms=210),
        order(client_order_id="refused", executed_quantity=D(0), update_time_ms=220),
    ]
    assert last_foreign_ms(orders, frozenset({"ours"}), 100) == 130
    assert last_foreign_ms(orders[:1], frozenset(), 100) == 100
