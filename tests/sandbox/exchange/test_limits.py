"""Used weight and order counts: told in headers, enforced with 429."""

import pytest

from qtops.sandbox.exchange.rest.limits import Window
from tests.sandbox.exchange.conftest import scenario

START = {"weight_per_minute": 20, "orders_per_10s": 3, "orders_per_minute": 4}


@pytest.fixture
def start():
    return scenario(**START)


@pytest.fixture
def venue(venue):
    """The clock stands still, so that no window ends during a test."""
    moment = venue.now_ms() // 60_000 * 60_000 + 1000
    venue.now_ms = lambda: moment
    return venue


@pytest.fixture
def signing(venue, monkeypatch):
    monkeypatch.setattr("tests.sandbox.exchange.conftest.now_ms", venue.now_ms)


async def test_weight_is_told_and_enforced(api):
    used = [
        (await api.public("/v1/klines", symbol="BTCUSDT", interval="1m", limit=limit)).headers
        for limit in (99, 100, 500)
    ]
    assert [headers["X-MBX-USED-WEIGHT-1M"] for headers in used] == ["1", "3", "8"]
    assert "X-MBX-ORDER-COUNT-10S" not in used[0]
    assert (await api.public("/v1/premiumIndex")).headers["X-MBX-USED-WEIGHT-1M"] == "18"
    refused = await api.public("/v1/ticker/24hr")
    assert (refused.status_code, refused.json()["code"]) == (429, -1003)
    assert refused.headers["Retry-After"] == "59"
    assert "20 requests per minute" in refused.json()["msg"]


async def test_orders_are_told_and_enforced(api, signing):
    counts = []
    for _ in range(3):
        headers = (await api.market("ETHUSDT", "SELL", "0.1")).headers
        counts.append((headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]))
    assert counts == [("1", "1"), ("2", "2"), ("3", "3")]
    refused = await api.market("ETHUSDT", "SELL", "0.1")
    assert (refused.status_code, refused.json()["code"]) == (429, -1015)
    assert refused.headers["Retry-After"] == "9"
    assert len((await api.control("GET", "orders")).json()["orders"]) == 3


async def test_refused_orders_carry_the_counts_too(api, signing):
    refused = await api.market("BTCUSDT", "SELL", "1", reduceOnly="true")
    assert (refused.status_code, refused.headers["X-MBX-ORDER-COUNT-1M"]) == (400, "1")


async def test_published_limits_are_the_enforced_ones(api, signing):
    told = (await api.public("/v1/exchangeInfo")).json()["rateLimits"]
    limits = {
        f"{row['rateLimitType']}/{row['intervalNum']}{row['interval']}": row["limit"]
        for row in told
    }
    assert limits == {"REQUEST_WEIGHT/1MINUTE": 20, "ORDERS/1MINUTE": 4, "ORDERS/10SECOND": 3}
    assert (await api.signed("GET", "/v1/rateLimit/order")).json() == told[1:]


def test_a_window_starts_again():
    window = Window(10_000, 2)
    assert [window.add(1, now) for now in (0, 9999, 9999, 10_000)] == [True, True, False, True]
    assert window.seconds_left(10_000) == 10
    assert window.seconds_left(19_999) == 1
