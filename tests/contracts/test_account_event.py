"""The exchange's news: what is written is read back, copies are recognised, gaps are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.account_event import AccountChange, AccountEvent, EventKind, Fill, OrderChange
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError
from tests.strategies import NOW, D, printable, times_ms

amounts = st.decimals(-1_000_000, 1_000_000, places=4)
fills = st.builds(
    Fill,
    trade_id=printable,
    quantity=amounts,
    price=amounts,
    commission=amounts,
    commission_asset=st.sampled_from(["USDT", "BNB", ""]),
    realized_pnl=amounts,
)
orders = st.builds(
    OrderChange,
    symbol=st.sampled_from(["BTCUSDT", "TRXUSDT"]),
    order_id=printable,
    client_order_id=printable,
    side=st.sampled_from(Side),
    status=printable,
    execution=printable,
    executed_quantity=amounts,
    average_price=st.none() | amounts,
    fill=st.none() | fills,
)
changes = st.builds(
    AccountChange,
    reason=printable,
    balances=st.dictionaries(printable, amounts, max_size=3),
    positions=st.dictionaries(printable, amounts, max_size=3),
)
events = st.one_of(
    st.builds(AccountEvent, st.just(EventKind.ORDER), times_ms, times_ms, order=orders),
    st.builds(AccountEvent, st.just(EventKind.ACCOUNT), times_ms, times_ms, account=changes),
    st.builds(AccountEvent, st.just(EventKind.CONNECTED), times_ms, times_ms, gap_from_ms=times_ms),
)


@given(event=events, extra=st.dictionaries(printable, printable, max_size=2))
def test_an_event_is_read_back_as_written(event, extra):
    event = AccountEvent(**{f: getattr(event, f) for f in event.__slots__} | {"extra": extra})
    back = AccountEvent.from_fields(event.to_fields())
    assert back == event
    assert back.identity == event.identity


def filled(**changes):
    fill = Fill("7", D(1), D("0.3"), D("0.01"), "USDT", D(0))
    order = OrderChange("TRXUSDT", "5", "q-1", Side.SELL, "FILLED", "TRADE", D(1), D("0.3"), fill)
    return AccountEvent(EventKind.ORDER, NOW, NOW, order=order, **changes).to_fields()


def test_a_copy_sent_later_is_still_the_same_event():
    first, copy = filled(), filled() | {"event_ms": str(NOW + 5_000)}
    assert AccountEvent.from_fields(first).identity == AccountEvent.from_fields(copy).identity


@pytest.mark.parametrize(
    ("name", "value"),
    [("trade_id", "8"), ("status", "EXPIRED"), ("executed_quantity", "2"), ("order_id", "6")],
)
def test_another_change_of_an_order_is_another_event(name, value):
    other = AccountEvent.from_fields(filled() | {name: value})
    assert other.identity != AccountEvent.from_fields(filled()).identity


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", None),
        ("kind", "funding"),
        ("event_ms", "soon"),
        ("symbol", None),
        ("client_order_id", None),
        ("status", None),
        ("side", "LEFT"),
        ("executed_quantity", None),
        ("average_price", "NaN"),
        ("last_price", None),
        ("realized_pnl", None),
        ("extra", "[]"),
    ],
)
def test_what_is_missing_or_malformed_is_refused(name, value):
    raw = filled() | {name: value}
    with pytest.raises(DecodeError) as fault:
        AccountEvent.from_fields({k: v for k, v in raw.items() if v is not None})
    assert fault.value.field == name


@pytest.mark.parametrize("positions", ["{}x", "[]", '{"BTCUSDT": 1}', '{"BTCUSDT": "NaN"}'])
def test_positions_that_are_no_amounts_are_refused(positions):
    change = AccountChange("ORDER", {}, {})
    raw = AccountEvent(EventKind.ACCOUNT, NOW, NOW, account=change).to_fields()
    with pytest.raises(DecodeError):
        AccountEvent.from_fields(raw | {"positions": positions})
