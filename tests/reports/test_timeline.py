"""The timeline puts each hop where the payload says, and says so of what is not there."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.reports.timeline import EXECUTOR_HOPS, timeline_of
from tests.reports import samples as s


def bars_of(payload, number=1):
    timeline = timeline_of(payload["rounds"][number - 1])
    return {bar.label: bar for bar in timeline.bars}


def said(bars):
    return {name: (bar.state, bar.value, bar.note) for name, bar in bars.items()}


def test_gates_start_with_the_plan_and_each_step_where_the_one_before_ended():
    bars = bars_of(s.proven())
    assert list(bars) == ["plan", "governor", "p26", "p33", *EXECUTOR_HOPS]
    assert [bars[name].left for name in ("governor", "p26", "p33")] == [0, 0, 0]
    ends = [bars[name].left + bars[name].width for name in ("p33", *EXECUTOR_HOPS)]
    starts = [bars[name].left for name in EXECUTOR_HOPS]
    assert all(abs(a - b) <= Decimal("0.02") for a, b in zip(ends, starts, strict=False))
    assert ends[-1] == 100
    assert bars["answered"].value == "4.805 ms"


VERDICTS = {
    "filled": (s.trx_round, {"p33": ("fine", "1.094 ms", "allow")}),
    "refused as expected": (
        lambda: s.control_round(1),
        {
            "p33": ("dim", "0.912 ms", "deny"),
            "sent": ("dim", "not reached", ""),
            "settled": ("step", "2.207 ms", ""),
        },
    ),
    "refused": (s.denied_round, {"p33": ("broken", "0.990 ms", "deny")}),
    "silent": (
        lambda: s.silent_governor_round(1),
        {"governor": ("broken", "no decision", ""), "p26": ("fine", "0.871 ms", "allow")},
    ),
    "lost": (
        lambda: s.lost_round(1),
        {"settled": ("broken", "no result", ""), "sent": ("dim", "not seen", "")},
    ),
}


@pytest.mark.parametrize(("build", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_the_state_of_a_hop_is_colour_and_word(build, expected):
    bars = said(bars_of(s.payload(build())))
    assert {name: bars[name] for name in expected} == expected


def test_a_result_without_hop_times_does_not_look_like_a_plan_that_was_stopped():
    payload = s.proven()
    payload["rounds"][0]["timeline_ms"] = {}
    bars = said(bars_of(payload))
    assert bars["sent"] == ("dim", "no time", "")
    assert bars["governor"] == ("fine", "no time", "allow")


def test_a_hop_nobody_knows_is_drawn_all_the_same():
    payload = s.proven()
    payload["rounds"][0]["timeline_ms"]["booked"] = "7.500"
    assert said(bars_of(payload))["booked"] == ("step", "7.500 ms", "")


def test_the_picture_is_described_in_words():
    words = timeline_of(s.governor_silent()["rounds"][1]).description
    assert words.startswith("plan: 0 ms; governor: no decision; p26: 0.871 ms (allow)")
    assert words.endswith("settled: 8003.214 ms")


times = st.decimals("-1000", "1e9", allow_nan=False, places=3).map(lambda d: f"{d:f}")


@given(
    st.dictionaries(st.sampled_from(["governor", "p26", "p33", "permits", *EXECUTOR_HOPS]), times)
)
def test_whatever_the_times_nothing_leaves_the_plot(hops):
    finished = s.proven()["rounds"][0] | {"timeline_ms": hops}
    timeline = timeline_of(finished)
    for bar in timeline.bars:
        assert bar.left >= 0
        assert bar.width >= 0
        assert bar.left + bar.width <= Decimal("100.01")
        assert len(bar.text_bar) == 30
    assert 2 <= len(timeline.ticks) <= 6
    assert all(0 <= at <= 100 for at, _ in timeline.ticks)
