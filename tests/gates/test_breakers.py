"""Each breaker at its boundary, what it cannot see, and what re-arming forgets."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.breakers import Breaker, BreakerState, BreakerStatus, Look, tripped_breaker
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.contracts.vocabulary import Side
from qtops.gates.breakers import DAY_MS, BreakerLimits, Readings, Sent, look_at
from qtops.gates.last_hop import Admission, ForeignRule, OrderFault, Suspect, trips, unexplained

NOW = 20_000 * DAY_MS + 50_000_000
LIMITS = BreakerLimits()
CALM = Readings(
    now_ms=NOW,
    armed_at_ms=NOW - 2 * DAY_MS,
    started_at_ms=NOW - DAY_MS,
    trades=(),
    equity_usdt=Decimal(1000),
    peak_equity_usdt=Decimal(1000),
    skews_ms=(1, 2, 3),
    feeds={"positions": NOW},
    suspects=(),
)
OURS = "qt-" + "a" * 28


def trade(pnl, order="1", ago_ms=1000, fee="0", asset="USDT"):
    return VenueTrade(
        trade_id=f"{order}-{ago_ms}",
        order_id=order,
        price=Decimal(1),
        quantity=Decimal(1),
        commission=Decimal(fee),
        commission_asset=asset,
        realized_pnl=Decimal(pnl),
        time_ms=NOW - ago_ms,
    )


def order(client_id=OURS, order_id="1", quantity="1", *, reduce_only=False):
    return VenueOrder(
        order_id=order_id,
        client_order_id=client_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        status="FILLED",
        order_type="MARKET",
        reduce_only=reduce_only,
        original_quantity=Decimal(quantity),
        executed_quantity=Decimal(quantity),
        average_price=None,
        update_time_ms=NOW,
    )


def sent(count, answer="", ago_ms=1000, *, is_open=True):
    return tuple(Sent(NOW - ago_ms, answer, is_open) for _ in range(count))


def losing(*pnls):
    return tuple(trade(p, str(n), 9000 - n) for n, p in enumerate(pnls))


def status(readings, breaker, limits=LIMITS):
    return next(look for look in look_at(readings, limits) if look.breaker is breaker).status


MARGIN = "binance_error:-2019"
FOREIGN = Suspect(OrderFault.FOREIGN, order("web_1"))
OVER = BreakerStatus.OVER
ARMED = BreakerStatus.ARMED
UNSEEN = BreakerStatus.UNSEEN
ROWS = [
    (Breaker.ERRORS, {"sent": sent(4, MARGIN)}, ARMED),
    (Breaker.ERRORS, {"sent": sent(5, MARGIN)}, OVER),
    (Breaker.ERRORS, {"sent": sent(4, MARGIN) + sent(4, "no_answer")}, ARMED),
    (Breaker.ERRORS, {"sent": sent(5, MARGIN, 600_000)}, ARMED),
    (Breaker.ERRORS, {"sent": sent(5, MARGIN, 599_999)}, OVER),
    (Breaker.BURST, {"sent": sent(19)}, ARMED),
    (Breaker.BURST, {"sent": sent(20)}, OVER),
    (Breaker.BURST, {"sent": sent(20, MARGIN)}, OVER),
    (Breaker.BURST, {"sent": sent(50, is_open=False)}, ARMED),
    (Breaker.DAILY_LOSS, {"trades": (trade("-25"),), "equity_usdt": Decimal(975)}, OVER),
    (Breaker.DAILY_LOSS, {"trades": (trade("-24.99"),), "equity_usdt": Decimal(976)}, ARMED),
    (Breaker.DAILY_LOSS, {"trades": (trade("-24", fee="1"),), "equity_usdt": Decimal(975)}, OVER),
    (Breaker.DAILY_LOSS, {"trades": (trade("-24", fee="9", asset="BNB"),)}, ARMED),
    (Breaker.DAILY_LOSS, {"trades": (trade("-99", ago_ms=50_000_001),)}, ARMED),
    (Breaker.DAILY_LOSS, {"trades": (trade("-99", ago_ms=50_000_000),)}, OVER),
    (Breaker.DAILY_LOSS, {"trades": None}, UNSEEN),
    (Breaker.DAILY_LOSS, {"equity_usdt": None}, UNSEEN),
    (Breaker.DRAWDOWN, {"equity_usdt": Decimal("920.01")}, ARMED),
    (Breaker.DRAWDOWN, {"equity_usdt": Decimal(920)}, OVER),
    (Breaker.DRAWDOWN, {"equity_usdt": Decimal(-5)}, OVER),
    (Breaker.DRAWDOWN, {"peak_equity_usdt": None}, UNSEEN),
    (Breaker.LOSSES, {"trades": losing("-1", "-1", "-1")}, OVER),
    (Breaker.LOSSES, {"trades": losing("-1", "-1", "0")}, ARMED),
    (Breaker.LOSSES, {"trades": losing("-1", "0", "-1", "-1")}, OVER),
    (Breaker.LOSSES, {"trades": losing("-1", "-1", "-1", "1")}, ARMED),
    (Breaker.LOSSES, {"trades": tuple(trade("-1", "7", n) for n in range(9))}, ARMED),
    (Breaker.LOSSES, {"trades": None}, UNSEEN),
    (Breaker.CLOCK, {"skews_ms": (1000, -1500, 2000)}, OVER),
    (Breaker.CLOCK, {"skews_ms": (1000, 999, 2000)}, ARMED),
    (Breaker.CLOCK, {"skews_ms": (9000, 9000)}, UNSEEN),
    (Breaker.STALE, {"feeds": {"positions": NOW - 59_999, "equity": NOW}}, ARMED),
    (Breaker.STALE, {"feeds": {"positions": NOW - 60_000, "equity": NOW}}, OVER),
    (Breaker.STALE, {"feeds": {"positions": 0}, "started_at_ms": NOW - 59_999}, ARMED),
    (Breaker.STALE, {"feeds": {"positions": 0}, "armed_at_ms": NOW - 59_999}, ARMED),
    (Breaker.STALE, {"feeds": {}}, UNSEEN),
    (Breaker.LAST_HOP, {"suspects": (FOREIGN,)}, OVER),
    (Breaker.LAST_HOP, {"suspects": None}, UNSEEN),
]


@pytest.mark.parametrize(("breaker", "changes", "wanted"), ROWS)
def test_a_breaker_at_its_boundary(breaker, changes, wanted):
    looks = look_at(replace(CALM, **changes), LIMITS)
    assert [look.breaker for look in looks] == list(Breaker)
    look = looks[list(Breaker).index(breaker)]
    assert look.status is wanted
    assert bool(look.detail) == (wanted is not ARMED)


def test_nothing_trips_before_anything_was_read():
    fresh = Readings(now_ms=NOW, armed_at_ms=NOW, started_at_ms=NOW)
    assert OVER not in {look.status for look in look_at(fresh, LIMITS)}


def test_a_limit_of_zero_is_off():
    zero = BreakerLimits(0, 1, 0, 1, Decimal(0), Decimal(0), 0, 0, 0)
    off = {look.breaker for look in look_at(CALM, zero) if look.status is BreakerStatus.OFF}
    assert off == set(Breaker) - {Breaker.LAST_HOP}


@given(
    count=st.integers(0, 60),
    ago_ms=st.integers(0, DAY_MS),
    pnl=st.integers(-500, 0),
)
def test_what_was_before_the_arming_trips_nothing(count, ago_ms, pnl):
    """Everything that happened is older than the operator's `kill off`."""
    past = replace(
        CALM,
        armed_at_ms=NOW,
        sent=sent(count, MARGIN, ago_ms),
        trades=tuple(trade(pnl, str(n), ago_ms + 1) for n in range(count)),
        feeds={"positions": NOW - ago_ms},
    )
    assert OVER not in {look.status for look in look_at(past, LIMITS)}


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ({"error": MARGIN, "details": {"reduce_only": False}}, (MARGIN, True)),
        ({"error": MARGIN, "details": {"reduce_only": True}}, (MARGIN, False)),
        ({"error": "no_answer"}, ("no_answer", True)),
        ({"order_id": "7", "details": {"reduce_only": True}}, ("", False)),
        ({"error": "", "details": {"submitted_qty": "1"}}, ("", True)),
        ({"error": "reducing_only"}, None),
    ],
)
def test_only_what_was_sent_counts(result, wanted):
    seen = Sent.of(Result("p", "BTCUSDT", executed=False, source="x", timestamp_ms=1, **result), 5)
    assert (seen and (seen.answer, seen.is_open)) == wanted


ADMITTED = {OURS: Admission("p1", Decimal(1))}


@pytest.mark.parametrize(
    ("orders", "admissions", "own", "wanted"),
    [
        ([order()], ADMITTED, frozenset(), []),
        ([order()], {}, frozenset(), [OrderFault.UNCLAIMED]),
        ([order()], {}, frozenset({OURS}), []),
        ([order(quantity="1.001")], ADMITTED, frozenset(), [OrderFault.OVERSIZED]),
        ([order(quantity="9")], {OURS: Admission("p1", None)}, frozenset(), []),
        ([order(), order(order_id="2")], ADMITTED, frozenset(), [OrderFault.DOUBLED]),
        ([order("web_1")], ADMITTED, frozenset(), [OrderFault.FOREIGN]),
        ([order(OURS + "a")], ADMITTED, frozenset(), [OrderFault.FOREIGN]),
    ],
)
def test_orders_against_admissions(orders, admissions, own, wanted):
    assert [s.fault for s in unexplained(orders, admissions, own)] == wanted


@pytest.mark.parametrize(
    ("fault", "reduce_only", "rules"),
    [
        (OrderFault.FOREIGN, False, {ForeignRule.TRIP, ForeignRule.OPENS}),
        (OrderFault.FOREIGN, True, {ForeignRule.TRIP}),
        (OrderFault.UNCLAIMED, True, set(ForeignRule)),
        (OrderFault.OVERSIZED, True, set(ForeignRule)),
        (OrderFault.DOUBLED, True, set(ForeignRule)),
    ],
)
def test_which_orders_trip(fault, reduce_only, rules):
    suspect = Suspect(fault, order("web_1", reduce_only=reduce_only))
    assert {rule for rule in ForeignRule if trips(suspect, rule)} == rules


def test_the_state_reads_back_what_was_written():
    looks = (Look(Breaker.ERRORS, BreakerStatus.TRIPPED, "5", "5", "5 x no_answer", 7),)
    state = BreakerState("3", 1, 2, Decimal("10.5"), looks)
    assert BreakerState.from_fields(state.to_fields()) == state


@pytest.mark.parametrize(("by", "wanted"), [("breakers@h", "burst"), ("ops@h", ""), ("ops", "")])
def test_a_trip_is_told_from_an_operators_act(by, wanted):
    assert tripped_breaker({"by": by, "reason": "burst: 20 opening orders"}) == wanted
