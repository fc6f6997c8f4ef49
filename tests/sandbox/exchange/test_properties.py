"""Whatever happens, money and positions add up."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.errors import BinanceError
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.orders import sign_of
from qtops.sandbox.exchange.rest.journal import decode, encode
from qtops.sandbox.exchange.rest.venue import initial_state
from tests.sandbox.exchange.conftest import scenario
from tests.sandbox.exchange.test_engine import NOW, new

D = Decimal
SIDES = st.sampled_from(["BUY", "SELL"])
QUANTITIES = st.integers(1, 40_000).map(lambda n: D(n) / 1000)
PRICES = st.integers(280_000, 310_000).map(lambda n: D(n) / 100)
SHARES = st.sampled_from([D(1), D(1), D("0.4")])
PLACING = st.tuples(st.just("place"), SIDES, QUANTITIES, st.none() | PRICES, st.booleans(), SHARES)
STEPS = st.one_of(
    PLACING,
    st.tuples(st.just("mark"), PRICES),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
)


def take(engine, step, number):
    """One step; refusals are part of life."""
    now = NOW + number
    try:
        match step:
            case ("place", side, quantity, price, reduce_only, share):
                order = new(side, quantity, price, reduce_only=reduce_only)
                engine.place(order, now, share)
            case ("mark", price):
                engine.set_mark("ETHUSDT", price, now)
            case ("cancel", index):
                order_id = list(engine.state.orders.by_id)[index : index + 1]
                engine.cancel("ETHUSDT", *(order_id or [0]), None, now)
    except BinanceError:
        pass


@settings(deadline=None, max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_the_books_balance(steps):
    engine = Engine(initial_state(scenario("flat"), NOW), dict(LISTED))
    state, position = engine.state, engine.state.position("ETHUSDT", "BOTH")
    for number, step in enumerate(steps):
        before, fills = position.amount, len(state.trades)
        take(engine, step, number)
        for trade in state.trades[fills:]:
            after = before + sign_of(trade.side) * trade.quantity
            if state.orders.by_id[trade.order_id].reduce_only:
                assert abs(after) < abs(before)
                assert before * after >= 0
            before = after
        assert before == position.amount

    trades = state.trades
    assert state.account.wallet == 100_000 + sum(t.realized - t.commission for t in trades)
    assert position.amount == sum(sign_of(t.side) * t.quantity for t in trades)
    assert (position.entry == 0) == (position.amount == 0)
    for order in state.orders.by_id.values():
        own = [t for t in trades if t.order_id == order.order_id]
        assert order.executed == sum(t.quantity for t in own) <= order.quantity
        assert order.quote == sum(t.quote for t in own)
        assert (order.status == "FILLED") == (order.executed == order.quantity)
        assert order.is_open == (order.order_id in state.orders.open_by_id)
    totals = engine.margin.totals()
    assert totals.margin_balance == totals.wallet + totals.unrealized
    assert totals.available == max(0, totals.margin_balance - totals.initial)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=15))
def test_a_replayed_journal_gives_the_same_state(steps):
    start = scenario("flat")
    engine = Engine(initial_state(start, NOW), dict(LISTED))
    written = [encode(record) for record in engine.state.everything()]
    for number, step in enumerate(steps):
        take(engine, step, number)
        written += [encode(record) for record in engine.state.drain()]
    copy = initial_state(start, NOW)
    copy.marks.clear()
    copy.restore(decode(row) for row in written)
    copied, original = (
        sorted(str(encode(record)) for record in state.everything())
        for state in (copy, engine.state)
    )
    assert copied == original
    assert set(copy.orders.open_by_id) == set(engine.state.orders.open_by_id)
