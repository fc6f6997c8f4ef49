"""The reference producer's rule, sample by sample."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.facts import Known, Missing
from qtops.contracts.intent import Intent
from qtops.contracts.vocabulary import Side
from qtops.gates.producer import ProducerLimits, Watch, breakout, follow

LIMITS = ProducerLimits(lookback=3, cooldown_ms=10_000, max_age_ms=2_000)
CHANNEL = (Decimal(100), Decimal(102), Decimal(101))


def fed(prices, every_ms=1_000, limits=LIMITS):
    """What a producer that sees these marks asks for: (time, side) of each intent."""
    watch, asked = Watch(), []
    for number, price in enumerate(prices, start=1):
        now_ms = number * every_ms
        watch, intent = follow("BTCUSDT", watch, Known(Decimal(price), now_ms), now_ms, limits)
        if intent is not None:
            asked.append((now_ms, intent.side))
    return asked


@pytest.mark.parametrize(
    ("mark", "side"),
    [("102.1", Side.BUY), ("102", None), ("101", None), ("100", None), ("99.9", Side.SELL)],
)
def test_a_mark_has_to_leave_the_channel(mark, side):
    assert breakout(CHANNEL, Decimal(mark), LIMITS) is side


def test_there_is_no_breakout_before_the_channel_is_whole():
    assert breakout(CHANNEL[:2], Decimal(200), LIMITS) is None


def test_the_next_intent_waits_for_the_cooldown():
    rising = range(100, 120)
    assert fed(rising) == [(4_000, Side.BUY), (14_000, Side.BUY)]


@pytest.mark.parametrize(
    "mark", [Missing("absent"), Known(Decimal(200), 97_999)], ids=["missing", "stale"]
)
def test_a_gap_begins_the_channel_anew_and_keeps_the_cooldown(mark):
    watch = Watch(CHANNEL, 90_000, asked_at_ms=95_000)
    assert follow("BTCUSDT", watch, mark, 100_000, LIMITS) == (Watch(asked_at_ms=95_000), None)


def test_a_mark_counts_once():
    watch = Watch(CHANNEL, 99_000)
    assert follow("BTCUSDT", watch, Known(Decimal(200), 99_000), 100_000, LIMITS) == (watch, None)


def test_the_same_mark_gives_the_same_intent():
    """Two producers, or one that was restarted, ask once: the bridge knows it by its id."""
    at_ms = 1_800_000_000_000
    mark, watch = Known(Decimal(200), at_ms), Watch(CHANNEL, at_ms - 1_000)
    looks = (at_ms, at_ms + 500)
    first, second = (follow("BTCUSDT", watch, mark, now_ms, LIMITS)[1] for now_ms in looks)
    assert first is not None
    assert second is not None
    assert first.extra["intent_id"] == second.extra["intent_id"] == f"BTCUSDT-BUY-{at_ms}"
    assert Intent.from_fields(first.to_fields()) == first


@given(st.lists(st.integers(1, 50), max_size=60))
def test_two_intents_are_never_closer_than_the_cooldown(prices):
    times = [at_ms for at_ms, _ in fed(prices)]
    assert all(b - a >= LIMITS.cooldown_ms for a, b in pairwise(times))
