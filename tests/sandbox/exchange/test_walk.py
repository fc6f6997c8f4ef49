"""Prices that move by themselves: bounded, repeatable, and the same in every endpoint."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.errors import ConfigError
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.intake import read_order
from qtops.sandbox.exchange.core.market import MINUTE_MS
from qtops.sandbox.exchange.core.params import Params
from qtops.sandbox.exchange.core.walk import Walk
from qtops.sandbox.exchange.rest.venue import Venue
from qtops.sandbox.exchange.scenario import parse_scenario
from tests.sandbox.exchange.conftest import scenario

WALK = Walk({"BTCUSDT": Decimal(88_000)}, Decimal("0.03"), swing_ms=15_000, step_ms=500)
START = 1_800_000_000_000
TIMES = st.integers(START, START + 10**10)


@given(TIMES)
def test_it_comes_back(at_ms):
    assert abs(WALK.price("BTCUSDT", at_ms) / 88_000 - 1) <= Decimal("0.03")


@given(TIMES)
def test_a_step_is_small_and_holds_until_the_next(at_ms):
    begun = at_ms - at_ms % 500
    assert WALK.price("BTCUSDT", begun) == WALK.price("BTCUSDT", begun + 499)
    step = WALK.price("BTCUSDT", begun + 500) / WALK.price("BTCUSDT", begun) - 1
    assert abs(step) < Decimal("0.001")


def test_it_rises_and_falls_within_minutes():
    prices = [WALK.price("BTCUSDT", START + n * 1000) for n in range(600)]
    assert max(prices) / min(prices) > Decimal("1.01")


class Clock:
    now = START

    def __call__(self):
        return self.now


def test_marks_candles_and_fills_tell_one_story_also_after_a_restart(tmp_path):
    clock = Clock()
    seen = []
    for _life in range(2):
        venue = Venue(scenario("live-cycle"), tmp_path / "journal", clock)
        for _ in range(180):
            clock.now += 1000
            venue.engine.advance(clock.now)
            venue.commit()
        minute = clock.now // MINUTE_MS * MINUTE_MS
        walk = venue.scenario.walk
        (candle,) = venue.market.candles("ETHUSDT", "1m", (minute - MINUTE_MS, None), 1, clock.now)
        assert abs(candle.close - walk.price("ETHUSDT", minute)) <= Decimal("0.005")
        assert venue.state.symbols["ETHUSDT"].mark == walk.price("ETHUSDT", clock.now)
        seen.append(venue.market.candles("ETHUSDT", "1m", (None, START - 1), 50, clock.now))
        venue.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"walk": {"swing_ms": 10}}, "needs height_pct"),
        ({"walk": {"height_pct": "100", "swing_ms": 10, "step_ms": 1}}, "below 100"),
        ({"walk": {"height_pct": "1", "swing_ms": 10, "step_ms": 11}}, "step_ms"),
        ({"settings": {"QTOPS_REDIS_URL": "redis://elsewhere"}}, "not a scenario's to set"),
        ({"settings": {"BINANCE_USE_TESTNET": "false"}}, "not a scenario's to set"),
        ({"settings": {"P33_COOLDOWN_SEC": 1}}, "must be text"),
    ],
)
def test_what_a_scenario_may_not_say(wrong, said):
    with pytest.raises(ConfigError, match=said):
        parse_scenario(wrong, "wrong")


class TestOverHttp:
    @pytest.fixture
    def start(self):
        return scenario("live-cycle")

    async def test_a_price_that_walks_cannot_be_set_and_one_that_does_not_can(self, api):
        refused = await api.control("POST", "prices", symbol="ETHUSDT", mark_price="3000")
        assert refused.status_code == 400
        assert "moves by itself" in refused.text
        moved = await api.control("POST", "prices", symbol="DOGEUSDT", mark_price="0.2")
        assert moved.json() == {"symbol": "DOGEUSDT", "mark_price": "0.2"}

    async def test_time_alone_moves_the_mark(self, api, venue):
        clock = Clock()
        venue._host_clock = clock
        for _ in range(3):
            shown = (await api.public("/v1/premiumIndex", symbol="ETHUSDT")).json()["markPrice"]
            assert Decimal(shown) == venue.scenario.walk.price("ETHUSDT", clock.now)
            clock.now += 60_000


def test_time_alone_fills_what_rests():
    clock = Clock()
    venue = Venue(scenario("live-cycle"), None, clock)
    venue.engine.advance(clock.now)
    price = (venue.state.symbols["ETHUSDT"].mark * Decimal("0.999")).quantize(Decimal("0.01"))
    asked = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    params = Params({**asked, "quantity": "0.1", "price": str(price)})
    venue.engine.place(read_order(params, LISTED, clock.now, hedge_mode=False), clock.now)
    assert not venue.state.trades
    while venue.scenario.walk.price("ETHUSDT", clock.now) > price:
        clock.now += 500
    venue.engine.advance(clock.now)
    assert [trade.price for trade in venue.state.trades] == [price]
