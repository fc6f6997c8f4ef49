"""What a difference between exchange and book means, row by row, and when it may be repaired."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.reconcile import Book, ReconcileState, Standing, Witness
from qtops.contracts.venue import VenueOrder
from qtops.contracts.vocabulary import Side
from qtops.gates.reconcile import (
    Evidence,
    ReconcileLimits,
    View,
    base_of,
    conclude,
    first_look,
    signed_sum,
    sort_evidence,
)

D = Decimal
NOW = 1_000_000
LIMITS = ReconcileLimits(confirm_ms=5_000, evidence_ms=300_000)
OURS = "qt-" + "a" * 28
BOOK = Book(D(1), 3, NOW - 60_000, "7")


TWO = D(2)


def view(exchange=TWO, book=BOOK, **more):
    basis = {"in_flight": False, "step": D("0.1"), "now_ms": NOW}
    return View("BTCUSDT", exchange, book, **(basis | more))


def order(amount, client_id=OURS, at_ms=NOW - 10_000, order_id="9"):
    side = Side.BUY if D(amount) > 0 else Side.SELL
    size = abs(D(amount))
    return VenueOrder(
        order_id, client_id, "BTCUSDT", side, "FILLED", "MARKET", False, size, size, None, at_ms
    )


def before(state=ReconcileState.DRIFT, age_ms=10_000, seen=None, **more):
    seen = seen or view()
    book = seen.book
    return Standing(
        symbol="BTCUSDT",
        state=state,
        reason="unconfirmed",
        exchange=seen.exchange,
        book=book.amount if book else None,
        book_version=book.version if book else 0,
        since_ms=NOW - age_ms,
        seen_at_ms=NOW - 1_000,
        **more,
    )


FIRST = {
    "equal": (view(D(1)), None, "OK"),
    "less than a step": (view(D("1.05")), None, "OK"),
    "one step": (view(D("1.1")), None, "DRIFT"),
    "one step of a large position is no per cent": (
        view(D("1000.1"), replace(BOOK, amount=D(1000))),
        None,
        "DRIFT",
    ),
    "an unknown step excuses nothing": (view(D("1.05"), step=D(0)), None, "DRIFT"),
    "flat without a book": (view(D(0), None), None, "OK"),
    "a position without a book": (view(D(1), None), None, "DRIFT"),
    "not readable": (view(None), None, "UNKNOWN"),
    "a hedge leg": (view(D(0), hedge=("LONG 1",)), None, "MANUAL_REQUIRED"),
    "seen a moment ago": (view(), before(age_ms=4_999), "DRIFT"),
    "the numbers moved": (view(D(3)), before(), "DRIFT"),
    "in flight, however long": (view(in_flight=True), before(age_ms=10**6), "DRIFT"),
    "in flight under a hold": (view(in_flight=True), before(ReconcileState.HOLD), "HOLD"),
    "unreadable under a hold": (view(None), before(ReconcileState.HOLD), "HOLD"),
    "agreed again": (view(D(1)), before(ReconcileState.MANUAL_REQUIRED), "OK"),
    "waiting for the operator": (view(), before(ReconcileState.MANUAL_REQUIRED), "MANUAL_REQUIRED"),
    "confirmed": (view(), before(), None),
    "held": (view(), before(ReconcileState.HOLD), None),
}


@pytest.mark.parametrize("row", FIRST.values(), ids=FIRST)
def test_the_first_look(row):
    seen, standing, expected = row
    found = first_look(seen, standing, LIMITS)
    assert (found.state.value if found else None) == expected


CONCLUSIONS = {
    "own fills add up": ([order(1)], 10_000, True, "REPAIRED"),
    "own fills fall short": ([order("0.5")], 10_000, True, "HOLD"),
    "nothing found": ([], 10_000, True, "HOLD"),
    "nothing found for long": ([], 300_000, True, "MANUAL_REQUIRED"),
    "a record that does not reach back": ([order(1)], 10_000, False, "HOLD"),
    "a foreign fill of just that size": ([order(1, "web_x")], 10_000, True, "MANUAL_REQUIRED"),
    "foreign fills that cancel out beside our own": (
        [order(1), order(1, "web_x", order_id="10"), order(-1, "web_y", order_id="11")],
        10_000,
        True,
        "MANUAL_REQUIRED",
    ),
    "an id that only begins like ours": ([order(1, "qt-mine")], 10_000, True, "MANUAL_REQUIRED"),
    "the order that is in the book": ([order(1, order_id="7")], 10_000, True, "HOLD"),
    "a fill from before the book": ([order(1, at_ms=NOW - 60_000)], 10_000, True, "HOLD"),
}


@pytest.mark.parametrize("row", CONCLUSIONS.values(), ids=CONCLUSIONS)
def test_the_conclusion(row):
    orders, age_ms, reaches_back, expected = row
    standing = before(age_ms=age_ms)
    base = base_of(view(), standing)
    evidence = sort_evidence(orders, base, BOOK, frozenset(), reaches_back=reaches_back)
    assert conclude(view(), standing, evidence, LIMITS).state.value == expected


def test_a_position_without_book_or_agreement_is_never_booked():
    seen = view(D(1), None)
    found = conclude(seen, before(seen=seen), Evidence(plans=(order(1),)), LIMITS)
    assert found.state is ReconcileState.MANUAL_REQUIRED


def test_without_its_book_the_last_agreement_is_the_base():
    seen = view(D(3), None)
    standing = before(seen=seen, witness=Witness(D(2), 3, NOW - 30_000))
    assert conclude(seen, standing, Evidence(plans=(order(1),)), LIMITS).state.value == "REPAIRED"


def test_an_agreement_on_another_amount_does_not_move_the_base():
    standing = before(witness=Witness(D(5), 3, NOW - 1))
    assert base_of(view(), standing).at_ms == BOOK.updated_at_ms


amounts = st.integers(-50, 50).filter(bool).map(lambda n: D(n) / 10)
fills = st.lists(st.tuples(amounts, st.sampled_from([OURS, "web_1"])), max_size=6)


@given(fills=fills, gap=st.one_of(st.none(), amounts))
def test_it_repairs_exactly_when_our_own_fills_alone_are_the_difference(fills, gap):
    orders = [order(a, who, order_id=str(n + 100)) for n, (a, who) in enumerate(fills)]
    own = signed_sum([o for o in orders if o.client_order_id == OURS])
    seen = view(BOOK.amount + (own if gap is None else gap))
    standing = before(seen=seen)
    base = base_of(seen, standing)
    evidence = sort_evidence(orders, base, BOOK, frozenset(), reaches_back=True)
    found = conclude(seen, standing, evidence, LIMITS)
    is_foreign = any(who != OURS for _, who in fills)
    explained = seen.exchange - BOOK.amount == own and not is_foreign
    assert (found.state is ReconcileState.REPAIRED) == explained


@given(state=st.sampled_from(ReconcileState), in_flight=st.booleans())
def test_an_unreadable_exchange_changes_nothing(state, in_flight):
    standing = before(state)
    assert first_look(view(None, in_flight=in_flight), standing, LIMITS) == standing
