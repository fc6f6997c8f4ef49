"""The request budget: shares by priority, windows of the exchange's clock, bars."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.adapters.binance.weight import (
    ORDERS_1M,
    ORDERS_10S,
    WEIGHT_1M,
    Cost,
    Priority,
    RateBudget,
    Usage,
    parse_usage,
)

NOW = 1_789_837_680_000 + 5_000  # 5 s into a minute
ORDER = Cost(weight=0, orders=1)


def test_headers_are_read_in_any_case():
    headers = httpx.Headers(
        {"x-mbx-used-weight-1m": "17", "X-MBX-ORDER-COUNT-10S": "3", "X-Mbx-Order-Count-1M": "9"}
    )
    usage = parse_usage(headers, 200, None, NOW)
    assert usage == Usage({WEIGHT_1M: 17, ORDERS_10S: 3, ORDERS_1M: 9})


def test_odd_header_values_are_ignored():
    assert parse_usage({"x-mbx-used-weight-1m": "-1"}, 200, None, NOW).used == {}


@pytest.mark.parametrize(
    ("status", "headers", "error", "seconds", "orders_only"),
    [
        pytest.param(200, {"retry-after": "9"}, None, None, False, id="success-never-bars"),
        pytest.param(429, {"retry-after": "7"}, (-1003, ""), 7, False, id="as-long-as-asked"),
        pytest.param(429, {}, (-1003, ""), 55, False, id="to-the-end-of-the-minute"),
        pytest.param(429, {}, None, 55, False, id="without-json"),
        pytest.param(429, {}, (-1015, ""), 5, True, id="order-count-10-seconds"),
        pytest.param(418, {}, None, 120, False, id="shortest-ban"),
        pytest.param(
            418,
            {},
            (-1003, f"Way too many requests; IP banned until {NOW + 300_000}."),
            300,
            False,
            id="ban-names-its-end",
        ),
        pytest.param(
            418, {}, (-1003, f"banned until {NOW - 1}."), 120, False, id="ban-end-in-the-past"
        ),
    ],
)
def test_a_bar_lasts_as_long_as_the_exchange_says(status, headers, error, seconds, orders_only):
    usage = parse_usage(headers, status, error, NOW)
    assert usage.penalty_s == seconds
    assert usage.orders_only is orders_only


@pytest.mark.parametrize(
    ("priority", "most"),
    [(Priority.OPEN, 1440), (Priority.BACKGROUND, 1920), (Priority.ESSENTIAL, 2400)],
)
async def test_each_priority_fills_its_share_and_no_more(priority, most):
    budget = RateBudget()
    await budget.observe(Usage({WEIGHT_1M: most - 5}), NOW)
    assert await budget.reserve(Cost(5), priority, NOW) == 0
    assert await budget.reserve(Cost(1), priority, NOW) == 55_000


async def test_an_open_order_stops_when_the_weight_for_looking_it_up_is_used():
    budget = RateBudget()
    await budget.observe(Usage({WEIGHT_1M: 1441}), NOW)
    assert await budget.reserve(ORDER, Priority.OPEN, NOW) > 0
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) == 0


async def test_a_close_may_use_what_opens_may_not():
    budget = RateBudget()
    await budget.observe(Usage({ORDERS_10S: 180}), NOW)
    assert await budget.reserve(ORDER, Priority.OPEN, NOW) == 5_000
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) == 0


async def test_a_new_window_starts_empty():
    budget = RateBudget()
    await budget.observe(Usage({WEIGHT_1M: 2400}), NOW)
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 55_000
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW + 54_999) == 1
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW + 55_000) == 0


async def test_a_late_answer_does_not_lower_the_count():
    budget = RateBudget()
    await budget.observe(Usage({WEIGHT_1M: 100}), NOW)
    await budget.observe(Usage({WEIGHT_1M: 40}), NOW)
    assert budget.used(WEIGHT_1M, NOW) == 100


async def test_a_ban_holds_for_everyone_and_ends():
    budget = RateBudget()
    await budget.observe(Usage(penalty_s=120.0), NOW)
    await budget.observe(Usage(penalty_s=1.0), NOW)
    assert budget.blocked_until_ms == NOW + 120_000
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) == 120_000
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW + 119_999) == 1
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW + 120_000) == 0


async def test_an_order_limit_leaves_lookups_alone():
    budget = RateBudget()
    await budget.observe(Usage(penalty_s=5.0, orders_only=True), NOW)
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) == 5_000
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 0


async def test_limits_follow_the_exchange():
    budget = RateBudget()
    await budget.set_limits({WEIGHT_1M: 6000, ORDERS_1M: 0, "RAW_REQUESTS/5M": 1})
    await budget.observe(Usage({WEIGHT_1M: 5999, ORDERS_1M: 1199}), NOW)
    assert await budget.reserve(Cost(1), Priority.ESSENTIAL, NOW) == 0
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) == 0
    assert await budget.reserve(ORDER, Priority.ESSENTIAL, NOW) > 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Priority), st.integers(0, 40), st.integers(0, 1), st.integers(0, 3000)
        ),
        max_size=200,
    )
)
async def test_no_priority_ever_fills_more_than_its_share(steps):
    budget, now = RateBudget({WEIGHT_1M: 200, ORDERS_10S: 10, ORDERS_1M: 20}), NOW
    limits = {WEIGHT_1M: 200, ORDERS_10S: 10, ORDERS_1M: 20}
    for priority, weight, orders, passed_ms in steps:
        now += passed_ms
        cost = Cost(weight, orders)
        before = {name: budget.used(name, now) for name in limits}
        admitted = await budget.reserve(cost, priority, now) == 0
        for name, limit in limits.items():
            used = budget.used(name, now)
            assert used == before[name] + (cost.of(name) if admitted else 0)
            if admitted and cost.of(name):
                assert used <= limit * priority.value // 100
