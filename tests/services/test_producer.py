"""The reference producer as a service: marks in, intents out, and on test venues only."""

from decimal import Decimal

import pytest

from qtops.adapters.market_store import RedisMarketStore
from qtops.contracts.codec import decode_fields
from qtops.contracts.intent import Intent
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.vocabulary import Side
from qtops.errors import RefusedError
from qtops.wiring.services import BUILDERS, EXAMPLES
from tests.services.conftest import System, until

FAST = {
    "PRODUCER_SYMBOLS": "BTCUSDT",
    "PRODUCER_SECONDS": "0.02",
    "PRODUCER_LOOKBACK": "2",
    "PRODUCER_NOTIONAL_USDT": "75",
    Service.PRODUCER.metrics_setting: "0",
}


async def intents(system: System) -> list[Intent]:
    rows = await system.link.client.xrange(system.names.stream(Stream.TRADE_INTENT))
    return [Intent.from_fields(decode_fields(raw)) for _, raw in rows]


async def test_a_breakout_of_the_marks_becomes_one_intent(flat_system: System):
    await flat_system.start(Service.PRODUCER, **FAST)
    store = RedisMarketStore(flat_system.link)
    price = 100

    async def asked() -> int:
        nonlocal price
        price += 1
        now_ms = await flat_system.link.now_ms()
        await store.marks({"BTCUSDT": Decimal(price)}, now_ms)
        return len(await intents(flat_system))

    await until(asked, 1)
    (intent,) = await intents(flat_system)
    assert (intent.symbol, intent.side, intent.notional_usdt) == ("BTCUSDT", Side.BUY, Decimal(75))
    assert intent.source == "producer"
    assert intent.extra["intent_id"]
    beat = flat_system.names.key(Key.HEARTBEAT, service="producer")
    assert await flat_system.link.client.exists(beat)
    await flat_system.stop()
    assert not await flat_system.link.client.exists(beat)


@pytest.mark.parametrize("url", ["https://fapi.binance.com", "https://exchange.example"])
async def test_it_refuses_where_money_is_real_or_may_be(flat_system: System, url: str):
    settings = flat_system.with_settings(QTOPS_EXCHANGE_URL=url, **FAST)
    with pytest.raises(RefusedError, match="test venues only"):
        EXAMPLES[Service.PRODUCER](Service.PRODUCER, settings)


def test_it_is_no_part_of_run_all():
    assert Service.PRODUCER not in BUILDERS
