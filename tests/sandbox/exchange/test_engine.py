"""What orders do to positions, money and each other. The engine alone, time in hand."""

from decimal import Decimal

import pytest

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.errors import BinanceError
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.intake import NewOrder
from qtops.sandbox.exchange.rest.venue import initial_state
from tests.sandbox.exchange.conftest import scenario

D = Decimal
NOW = 1_700_000_000_000


def new(side, quantity, price=None, symbol="ETHUSDT", **changes):
    values = {
        "symbol": symbol,
        "side": side,
        "kind": "MARKET" if price is None else "LIMIT",
        "time_in_force": "GTC",
        "quantity": D(quantity),
        "price": None if price is None else D(price),
        "reduce_only": False,
        "position_side": "BOTH",
        "client_id": f"id{new.count}",
    }
    new.count += 1
    return NewOrder(**{**values, **changes})


new.count = 0


@pytest.fixture
def engine():
    return Engine(initial_state(scenario("flat"), NOW), dict(LISTED))


def amount(engine, symbol="ETHUSDT"):
    return engine.state.position(symbol, "BOTH").amount


def entry(engine):
    return engine.state.position("ETHUSDT", "BOTH").entry


def code_of(action, *args, **kwargs):
    with pytest.raises(BinanceError) as caught:
        action(*args, **kwargs)
    return caught.value.code


def test_market_fills_at_the_mark_for_the_taker_fee(engine):
    order = engine.place(new("BUY", "2"), NOW)
    assert (order.status, order.executed, order.average_price) == ("FILLED", 2, 2950)
    assert (amount(engine), entry(engine)) == (2, 2950)
    (trade,) = engine.state.trades
    assert (trade.commission, trade.realized, trade.is_maker) == (D("2.95"), 0, False)
    assert engine.state.account.wallet == 100_000 - D("2.95")


def test_adding_averages_the_entry_and_reducing_keeps_it(engine):
    engine.place(new("BUY", "1"), NOW)
    engine.set_mark("ETHUSDT", D(3050), NOW)
    engine.place(new("BUY", "1"), NOW)
    assert entry(engine) == 3000
    engine.place(new("SELL", "0.5"), NOW)
    assert (amount(engine), entry(engine)) == (D("1.5"), 3000)
    assert engine.state.trades[-1].realized == D("25")


def test_selling_beyond_a_long_flips_it(engine):
    engine.place(new("BUY", "1"), NOW)
    engine.set_mark("ETHUSDT", D(3000), NOW)
    engine.place(new("SELL", "3"), NOW)
    assert (amount(engine), entry(engine)) == (-2, 3000)
    assert engine.state.trades[-1].realized == 50


@pytest.mark.parametrize(("opening", "closing"), [("BUY", "SELL"), ("SELL", "BUY")])
def test_reduce_only_is_cut_to_the_position_and_never_flips(engine, opening, closing):
    engine.place(new(opening, "1.5"), NOW)
    order = engine.place(new(closing, "99", reduce_only=True), NOW)
    assert (order.status, order.quantity, order.executed) == ("FILLED", D("1.5"), D("1.5"))
    assert amount(engine) == 0
    assert code_of(engine.place, new(closing, "1", reduce_only=True), NOW) == -2022
    assert code_of(engine.place, new(opening, "1", reduce_only=True), NOW) == -2022


def test_resting_reduce_only_orders_cover_no_more_than_the_position(engine):
    engine.place(new("BUY", "2"), NOW)
    first = engine.place(new("SELL", "1.5", "3000", reduce_only=True), NOW)
    second = engine.place(new("SELL", "1", "3010", reduce_only=True), NOW)
    assert second.quantity == D("0.5")
    third = new("SELL", "1", "3020", reduce_only=True)
    assert code_of(engine.place, third, NOW) == -2022
    closing = engine.place(new("SELL", "2", reduce_only=True), NOW)
    assert closing.status == "FILLED"
    assert (first.status, second.status) == ("EXPIRED", "EXPIRED")


def test_a_resting_order_fills_at_its_price_as_maker_when_the_mark_reaches_it(engine):
    order = engine.place(new("BUY", "1", "2900"), NOW)
    engine.set_mark("ETHUSDT", D("2900.01"), NOW + 1)
    assert order.status == "NEW"
    engine.set_mark("ETHUSDT", D(2890), NOW + 2)
    assert (order.status, order.average_price, order.update_ms) == ("FILLED", 2900, NOW + 2)
    assert engine.state.trades[-1].commission == D("0.58")
    assert engine.state.trades[-1].is_maker


def test_a_limit_order_that_crosses_takes_at_the_mark(engine):
    order = engine.place(new("BUY", "1", "3000"), NOW)
    assert (order.status, order.average_price) == ("FILLED", 2950)


def test_best_price_fills_first(engine):
    engine.place(new("BUY", "1", "2890"), NOW)
    engine.place(new("BUY", "1", "2900"), NOW)
    engine.set_mark("ETHUSDT", D(2800), NOW)
    assert [trade.price for trade in engine.state.trades] == [2900, 2890]


@pytest.mark.parametrize(
    ("time_in_force", "price", "status"),
    [
        ("GTC", "2900", "NEW"),
        ("GTX", "2900", "NEW"),
        ("IOC", "2900", "EXPIRED"),
        ("IOC", "2960", "FILLED"),
        ("FOK", "2960", "FILLED"),
    ],
)
def test_times_in_force(engine, time_in_force, price, status):
    order = engine.place(new("BUY", "1", price, time_in_force=time_in_force), NOW)
    assert order.status == status


@pytest.mark.parametrize(
    ("order", "status", "executed"),
    [
        (new("BUY", "1"), "EXPIRED", "0.3"),
        (new("BUY", "1", "3000"), "PARTIALLY_FILLED", "0.3"),
        (new("BUY", "1", "3000", time_in_force="IOC"), "EXPIRED", "0.3"),
        (new("BUY", "0.01"), "EXPIRED", "0.003"),
    ],
)
def test_a_thin_book_fills_a_part(engine, order, status, executed):
    placed = engine.place(order, NOW, D("0.3333"))
    expected = min(placed.quantity * D("0.3333"), placed.quantity)
    assert placed.status == status
    assert placed.executed == expected.quantize(D("0.001"), "ROUND_DOWN")
    assert amount(engine) == placed.executed
    assert placed.executed >= D(executed)


def test_fill_or_kill_in_a_thin_book_is_refused(engine):
    order = new("BUY", "1", "3000", time_in_force="FOK")
    assert code_of(engine.place, order, NOW, D("0.5")) == -5021
    assert engine.state.orders.by_id == {}


def test_client_ids_are_unique_among_open_orders_only(engine):
    first = engine.place(new("BUY", "1", "2900", client_id="same"), NOW)
    assert code_of(engine.place, new("BUY", "1", "2900", client_id="same"), NOW) == -4116
    engine.cancel("ETHUSDT", first.order_id, None, NOW)
    second = engine.place(new("BUY", "1", client_id="same"), NOW)
    third = engine.place(new("BUY", "1", client_id="same"), NOW)
    assert engine.find("ETHUSDT", None, "same") is third
    assert engine.find("ETHUSDT", second.order_id, None) is second
    assert first.order_id < second.order_id < third.order_id


def test_only_open_orders_can_be_cancelled(engine):
    order = engine.place(new("BUY", "1", "2900"), NOW)
    assert engine.cancel("ETHUSDT", None, order.client_id, NOW).status == "CANCELED"
    assert code_of(engine.cancel, "ETHUSDT", order.order_id, None, NOW) == -2011
    assert code_of(engine.cancel, "BTCUSDT", order.order_id, None, NOW) == -2011


def test_good_till_date_orders_expire(engine):
    order = engine.place(new("BUY", "1", "2900", good_till_ms=NOW + 700_000), NOW)
    engine.advance(NOW + 699_999)
    assert order.is_open
    engine.advance(NOW + 700_000)
    assert order.status == "EXPIRED"


def test_the_dead_mans_switch_cancels_unless_renewed(engine):
    order = engine.place(new("BUY", "1", "2900"), NOW)
    engine.cancel_after("ETHUSDT", 1000, NOW)
    engine.cancel_after("ETHUSDT", 1000, NOW + 900)
    engine.advance(NOW + 1000)
    assert order.is_open
    engine.advance(NOW + 1900)
    assert order.status == "CANCELED"
    again = engine.place(new("BUY", "1", "2900"), NOW)
    engine.cancel_after("ETHUSDT", 1000, NOW)
    engine.cancel_after("ETHUSDT", 0, NOW)
    engine.advance(NOW + 5000)
    assert again.is_open


@pytest.mark.parametrize(
    ("match", "side", "price"),
    [
        ("OPPONENT", "BUY", "2950.01"),
        ("OPPONENT", "SELL", "2949.99"),
        ("QUEUE", "BUY", "2949.99"),
        ("QUEUE_5", "SELL", "2950.05"),
    ],
)
def test_price_matching(engine, match, side, price):
    order = engine.place(new(side, "1", price_match=match, kind="LIMIT"), NOW)
    assert order.price == D(price)
    assert order.is_open == match.startswith("QUEUE")


def test_margin_limits_opening_but_not_reducing(engine):
    engine.place(new("BUY", "100"), NOW)
    engine.set_available(D(0), NOW)
    assert code_of(engine.place, new("BUY", "0.01"), NOW) == -2019
    assert code_of(engine.place, new("SELL", "201"), NOW) == -2019
    assert engine.place(new("SELL", "100", reduce_only=True), NOW).status == "FILLED"


def test_the_margin_of_resting_orders_is_held_back_and_released(engine):
    order = engine.place(new("BUY", "1", "2900"), NOW)
    assert engine.margin.totals().order_margin == 145
    assert engine.margin.totals().available == 99_855
    engine.cancel("ETHUSDT", order.order_id, None, NOW)
    assert engine.margin.totals().available == 100_000


def test_orders_against_a_position_hold_no_margin_until_they_would_flip_it(engine):
    engine.place(new("BUY", "10"), NOW)
    engine.place(new("SELL", "10", "3000"), NOW)
    assert engine.margin.totals().order_margin == 0
    engine.place(new("SELL", "15", "3000"), NOW)
    assert engine.margin.totals().order_margin == (75_000 - 29_500 - 29_500) / D(20)


@pytest.mark.parametrize("available", ["0", "0.00000001", "12345.67"])
def test_the_balance_can_be_set_to_what_is_available(engine, available):
    engine.place(new("BUY", "10"), NOW)
    engine.place(new("BUY", "1", "2900"), NOW)
    engine.set_available(D(available), NOW)
    assert engine.margin.totals().available == D(available)


def test_a_refused_order_leaves_no_trace(engine):
    before = len(engine.state.drain())
    assert before == 0
    assert code_of(engine.place, new("BUY", "2000"), NOW) == -2019
    assert engine.state.drain() == []
    assert engine.state.orders.by_id == {}


def test_the_isolated_liquidation_price_of_the_captured_position(engine):
    """The formula of API.md section 7, on a position of this exchange."""
    settings = engine.settings
    settings.set_margin_type("ETHUSDT", is_isolated=True)
    engine.place(new("BUY", "2"), NOW)
    position = engine.state.position("ETHUSDT", "BOTH")
    wallet = engine.margin.isolated_wallet(position)
    assert wallet == 295
    expected = (wallet - 2 * D(2950)) / (2 * (D("0.004") - 1))
    assert abs(engine.margin.liquidation_price(position) - expected) < D("0.00000002")


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_at_the_liquidation_price_the_balance_equals_the_maintenance_margin(engine, side):
    engine.set_available(D(3000), NOW)
    engine.place(new(side, "10"), NOW)
    price = engine.margin.liquidation_price(engine.state.position("ETHUSDT", "BOTH"))
    engine.set_mark("ETHUSDT", price, NOW)
    totals = engine.margin.totals()
    assert abs(totals.margin_balance - totals.maintenance) < D("0.001")
