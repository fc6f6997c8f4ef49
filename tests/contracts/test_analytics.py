"""The sums of analytics, by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.account_event import Fill, OrderChange
from qtops.contracts.analytics import (
    KEPT,
    LEGS,
    Attribution,
    Execution,
    Histogram,
    Progress,
    legs_of,
    mark_of,
    percentile,
    slippage_bps,
)
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.result import Result
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError
from tests.strategies import NOW, D, positive, records


def decision(gate="governor", reason="", age_ms=0, now_ms=NOW):
    return DecisionRecord("p", gate, not reason, reason, "BTCUSDT", "BUY", "open", now_ms - age_ms)


def result(hops):
    return Result("p", "BTCUSDT", executed=True, source="bot", timestamp_ms=NOW,
                  details={"hops_us": hops})  # fmt: skip


# --- decisions -----------------------------------------------------------------------------------
def test_decisions_are_counted_by_gate_and_reason():
    made = [
        decision(),
        decision("p26_portfolio_gate"),
        decision(reason="symbol_cooldown"),
        decision(reason="symbol_cooldown"),
        decision("p33_position_gate", "no_position"),
        decision(reason="what a stranger wrote"),
    ]
    window = Histogram().with_decisions(made, NOW).window("1m", NOW)
    assert window.counts() == {
        "allow": 2,
        "deny": 4,
        "governor:allow": 1,
        "governor:deny": 3,
        "p26_portfolio_gate:allow": 1,
        "p33_position_gate:deny": 1,
    }
    assert next(iter(window.reasons().items())) == ("symbol_cooldown", 2)
    assert window.reasons() == {"symbol_cooldown": 2, "no_position": 1, "other": 1}


# NOW is the start of a step of 10 s: a window holds it and the steps that began less than its
# length before.
@pytest.mark.parametrize(
    ("age_ms", "in_windows"),
    [
        (0, {"1m", "5m", "15m", "1h"}),
        (50_000, {"1m", "5m", "15m", "1h"}),
        (50_001, {"5m", "15m", "1h"}),
        (290_000, {"5m", "15m", "1h"}),
        (290_001, {"15m", "1h"}),
        (890_000, {"15m", "1h"}),
        (890_001, {"1h"}),
        (3_590_000, {"1h"}),
        (3_590_001, set()),
    ],
)
def test_a_window_ends_now_and_is_made_of_whole_steps(age_ms, in_windows):
    histogram = Histogram().with_decisions([decision(age_ms=age_ms)], NOW)
    found = {w for w in ("1m", "5m", "15m", "1h") if histogram.window(w, NOW).numbers}
    assert found == in_windows


def test_what_is_older_than_an_hour_is_forgotten():
    histogram = Histogram().with_decisions([decision()], NOW)
    assert histogram.with_decisions([], NOW + 3_590_000).steps
    assert not histogram.with_decisions([], NOW + 3_600_000).steps


@given(st.lists(records, max_size=5), st.dictionaries(st.sampled_from("ab"), st.just("1-0")))
def test_progress_comes_back_as_it_was(some, cursors):
    now_ms = max((r.decided_at_ms for r in some), default=NOW)
    progress = Progress(cursors, Histogram().with_decisions(some, now_ms))
    assert Progress.from_json(progress.to_json()) == progress


@pytest.mark.parametrize("raw", ["", "{}", '{"cursors":[],"steps":{}}', '{"cursors":{},"steps":1}'])
def test_a_progress_that_cannot_be_read_is_refused(raw):
    with pytest.raises(DecodeError):
        Progress.from_json(raw)


# --- executions ----------------------------------------------------------------------------------
def filled(side=Side.BUY, price="50100", status="FILLED"):
    price = None if price is None else D(price)
    return OrderChange("BTCUSDT", "1", "qt-1", side, status, "TRADE", D("0.002"), price)


@pytest.mark.parametrize(
    ("side", "price", "bps"),
    [
        (Side.BUY, "50100", "20"),
        (Side.BUY, "49900", "-20"),
        (Side.SELL, "50100", "-20"),
        (Side.SELL, "49900", "20"),
        (Side.BUY, "50000", "0"),
    ],
)
def test_slippage_is_worse_above_zero(side, price, bps):
    """100 of a mark of 50,000 are 20 basis points."""
    assert slippage_bps(filled(side, price), D(50_000)) == D(bps)


@pytest.mark.parametrize(
    "order", [filled(price=None), filled(price="0"), filled(status="PARTIALLY_FILLED")]
)
def test_there_is_no_slippage_without_the_average_of_the_whole_order(order):
    assert slippage_bps(order, D(50_000)) is None


def test_the_mark_is_the_governors_notional_by_quantity():
    allowed = replace(decision(), quantity=D("0.002"), terms={"computed_notional": "100"})
    assert mark_of(allowed) == D(50_000)
    others = [
        replace(allowed, allow=False),
        replace(allowed, gate="p33_position_gate"),
        replace(allowed, terms={}),
        replace(allowed, quantity=None),
        replace(allowed, terms={"computed_notional": "0"}),
        replace(allowed, terms={"computed_notional": "much"}),
    ]
    assert [mark_of(other) for other in others] == [None] * len(others)


def test_legs_lie_between_the_hops():
    hops = {"admitted": 5_000, "sent": 5_500, "answered": 9_000, "settled": 9_900}
    done = result({name: NOW * 1000 + us for name, us in hops.items()})
    legs = {"permits": 5_000, "send": 500, "exchange": 3_500, "settle": 900, "total": 9_900}
    assert legs_of(done, NOW) == legs
    del legs["permits"], legs["total"]
    assert legs_of(done, None) == legs
    assert legs_of(result({"sent": 2, "answered": 1}), None) == {}
    assert legs_of(result(None), NOW) == {}


def test_the_figures_of_twenty_executions():
    execution = Execution()
    for number in range(1, 21):
        execution = execution.plus({"exchange": number * 100}).slipped(D(number))
    execution = execution.plus({})
    assert execution.count == 21
    assert execution.figures() == {
        "slippage_bps_mean": "10.5",
        "slippage_bps_p95": "19",
        "exchange_us_p50": "1000",
        "exchange_us_p95": "1900",
    }
    assert Execution().figures() == {}


def test_only_the_newest_samples_are_kept_and_all_are_counted():
    execution = Execution()
    for number in range(KEPT + 5):
        execution = execution.plus({"send": number}).slipped(D(number))
    assert execution.count == KEPT + 5
    assert len(execution.legs) == len(execution.slippages) == KEPT
    assert execution.slippages[0] == execution.legs[0]["send"] == 5


@given(
    st.lists(st.decimals("-100", "100", places=3), max_size=4),
    st.lists(st.dictionaries(st.sampled_from(list(LEGS)), st.integers(0, 10**9)), max_size=4),
)
def test_an_execution_comes_back_as_it_was(slippages, legs):
    execution = Execution(len(legs), tuple(slippages), tuple(legs))
    assert Execution.from_fields(execution.to_fields()) == execution


@pytest.mark.parametrize(
    "raw",
    [
        *("", "1", "{}", '{"slippages":["x"],"legs":[]}', '{"slippages":[],"legs":[1]}'),
        '{"slippages":[],"legs":[{"send":"x"}]}',
    ],
)
def test_samples_that_cannot_be_read_are_refused(raw):
    with pytest.raises(DecodeError):
        Execution.from_fields({"count": "1", "samples": raw})


@given(st.lists(positive, min_size=1, max_size=40), st.sampled_from([50, 95, 100]))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values, rank):
    found = percentile(values, rank)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= rank * len(values)
    assert sum(v < found for v in values) * 100 < rank * len(values)


# --- attribution ---------------------------------------------------------------------------------
def fill(quantity, price, pnl="0", fee="0", asset="USDT"):
    return Fill("1", D(quantity), D(price), D(fee), asset, D(pnl))


def test_fills_are_added_up_by_hand():
    sums = Attribution()
    for one in (
        fill("0.002", "50000", "0", "0.04"),
        fill("0.001", "51000", "1", "0.0204"),
        fill("0.001", "50500", "0.5", "0.0001", "BNB"),
        fill("0.001", "50500", "-0.25", "0", "BNB"),
    ):
        sums = sums.plus(one)
    assert sums == Attribution(4, D(252), D("1.25"), D("0.0604"), 1)
    assert Attribution.from_fields(sums.to_fields()) == sums
