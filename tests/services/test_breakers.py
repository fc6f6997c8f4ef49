"""The breakers on real Redis and the sandbox exchange: trip, latch, re-arm, what still leaves."""

import asyncio

from qtops.adapters.control_store import RedisControlStore
from qtops.contracts.breakers import BreakerState
from qtops.contracts.codec import decode_fields
from qtops.contracts.plan import flatten_order_id
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.vocabulary import TradingState
from tests.services.conftest import EVERYTHING, READERS, close_plan, open_plan, until

ROOM = {
    "BREAKER_SECONDS": "0.1",
    "GOV_SYMBOL_COOLDOWN_SECONDS": "0",
    "P33_COOLDOWN_SEC": "0",
    "P33_ALLOW_INCREASE": "true",
    "SNAPSHOT_POSITIONS_SECONDS": "0.1",
}
EVERY = (*EVERYTHING, Service.BREAKERS)


async def kill(system):
    return (await system.link.client.get(system.names.key(Key.KILL))).decode()


async def record(system):
    return decode_fields(await system.link.client.hgetall(system.names.key(Key.KILL_RECORD)))


async def state(system):
    """Breaker → (status, detail), and the epoch that was looked at."""
    raw = await system.link.client.hgetall(system.names.key(Key.BREAKER_STATE))
    looks = BreakerState.from_fields(decode_fields(raw)) if raw else None
    return {k.breaker.value: k for k in looks.looks} if looks else {}, looks and looks.epoch


async def status(system, breaker):
    look = (await state(system))[0].get(breaker)
    return look and look.status.value


async def calm(system, breaker="last_hop"):
    """Armed and seeing: it was judged on what the exchange shows."""
    await until(lambda: status(system, breaker), "armed")


async def tripped(system, breaker):
    await until(lambda: kill(system), "reduce")
    await until(lambda: status(system, breaker), "tripped")
    said = await record(system)
    assert said["by"].startswith("breakers@")
    assert said["reason"].startswith(f"{breaker}: ")
    return said["reason"]


async def by_hand(system, **more):
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.004"}
    return await system.signed("POST", "/fapi/v1/order", **order | more)


async def off(system):
    store = RedisControlStore(system.link)
    return (await store.set_kill(TradingState.ACTIVE, "ops@test", "looked at")).epoch


async def looked_at(system, epoch):
    async def seen():
        return (await state(system))[1]

    await until(seen, str(epoch))


async def test_five_refusals_for_margin_trip_and_only_reductions_leave(system):
    fault = {"path": "/fapi/v1/order", "method": "POST", "kind": "error", "count": 5}
    await system.start(*EVERY, **ROOM)
    await calm(system)
    await system.control("POST", "faults", **fault, value=-2019)
    for number in range(5):
        await system.publish(**close_plan(f"p{number}", qty="100"))
        assert (await system.result(f"p{number}")).error == "binance_error:-2019"
    assert await tripped(system, "error_budget") == (
        "error_budget: 5 x binance_error:-2019 within 600 s"
    )
    await system.publish(**open_plan("open", "TRXUSDT", "100"))
    assert "reducing_only" in (await system.result("open")).error
    await system.publish(**close_plan("close", qty="100"))
    assert (await system.result("close")).executed
    audit = await system.link.client.xrange(system.names.stream(Stream.CONTROL_AUDIT))
    [change] = [e for e in (decode_fields(raw) for _, raw in audit) if e["value"] == "reduce"]
    assert change["by"].startswith("breakers@")


async def test_a_foreign_order_trips_and_rearming_forgets_it(flat_system):
    system = flat_system
    await system.start(*EVERY, **ROOM, BREAKER_SWEEP_SECONDS="0.2")
    await calm(system)
    await by_hand(system, newClientOrderId="web_123")
    assert await tripped(system, "last_hop") == (
        "last_hop: order_foreign web_123 (BUY 0.004 BTCUSDT)"
    )
    epoch = await off(system)
    await looked_at(system, epoch)
    await calm(system)
    assert await kill(system) == "0"
    await by_hand(system, newClientOrderId="qt-" + "a" * 28)
    assert "order_unclaimed" in await tripped(system, "last_hop")


async def test_a_resting_order_is_seen_by_the_user_stream_and_somebody_is_told(flat_system):
    """No position changes, and the next look at every symbol is ten minutes away."""
    system = flat_system
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def answer(reader, writer):
        heard.set_result(await reader.readuntil(b"BTCUSDT)"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as phone:
        url = f"http://127.0.0.1:{phone.sockets[0].getsockname()[1]}/key"
        slow = {**ROOM, "BREAKER_SWEEP_SECONDS": "600", "QTOPS_ALERT_URL": url}
        await system.start(Service.USER_STREAM, Service.BREAKERS, **slow)
        await calm(system)
        limit = {"type": "LIMIT", "price": "30000", "timeInForce": "GTC"}
        await by_hand(system, **limit, newClientOrderId="android_1")
        reason = await tripped(system, "last_hop")
        assert "order_foreign android_1" in reason
        told = await asyncio.wait_for(heard, 10)
    assert told.startswith(b"POST /key/fail ")
    assert told.endswith(f"qtops: only reductions leave; {reason}".encode())


async def test_a_restarted_service_keeps_the_latch_and_a_halt_is_never_loosened(flat_system):
    system = flat_system
    await system.start(Service.BREAKERS, **ROOM, BREAKER_SWEEP_SECONDS="0.2")
    await calm(system)
    await by_hand(system, newClientOrderId="web_1")
    await tripped(system, "last_hop")
    await system.stop()
    await system.link.client.delete(system.names.key(Key.BREAKER_STATE))
    await system.start(Service.BREAKERS, **ROOM, BREAKER_SWEEP_SECONDS="0.2")
    await until(lambda: status(system, "last_hop"), "tripped")
    store = RedisControlStore(system.link)
    change = await store.set_kill(TradingState.HALTED, "ops@test", "stop")
    await looked_at(system, change.epoch)
    await by_hand(system, newClientOrderId="web_2")
    await until(lambda: status(system, "last_hop"), "over")
    assert await kill(system) == "1"
    assert (await record(system))["by"] == "ops@test"


async def test_our_own_orders_and_flattens_and_hands_that_reduce_trip_nothing(flat_system):
    system = flat_system
    await system.start(*EVERY, **ROOM, BREAKER_SWEEP_SECONDS="0.2")
    await calm(system)
    await system.publish(**open_plan("p1"))
    result = await system.result("p1")
    assert result.executed, result.error
    close_id = flatten_order_id(system.names.namespace, "1", "BTCUSDT", 1)
    reduce = {"side": "SELL", "quantity": "0.001", "reduceOnly": "true"}
    await by_hand(system, **reduce, newClientOrderId=close_id)
    await by_hand(system, **reduce, newClientOrderId="web_1")
    await by_hand(system, newClientOrderId="web_2")
    assert "order_foreign web_2 " in await tripped(system, "last_hop")  # the oldest is named first


async def test_losses_are_read_from_the_exchanges_fills(flat_system):
    """Three times bought and sold for less, by hand: no plan and no result tells of it."""
    system = flat_system
    await system.start(*EVERY, **ROOM, BREAKER_FOREIGN="alert", BREAKER_SWEEP_SECONDS="0.2")
    await calm(system, "consecutive_losses")
    for number in range(3):
        await system.control("POST", "prices", symbol="BTCUSDT", mark_price="60000")
        await by_hand(system, newClientOrderId=f"in{number}")
        await system.control("POST", "prices", symbol="BTCUSDT", mark_price="59000")
        await by_hand(system, side="SELL", newClientOrderId=f"out{number}")
    await tripped(system, "consecutive_losses")


async def test_positions_that_fall_silent_trip(flat_system):
    system = flat_system
    pace = {"SNAPSHOT_EQUITY_SECONDS": "0.1", "MARKET_MARKS_SECONDS": "0.1"}
    await system.start(*READERS, Service.BREAKERS, **ROOM, **pace, BREAKER_STALE_SECONDS="2")
    await calm(system, "stale_data")
    fault = {"path": "/fapi/v3/positionRisk", "method": "GET", "kind": "error", "count": 900}
    await system.control("POST", "faults", **fault, value=-1001)
    # The snapshot carries both; which of the two is older by then is chance.
    reason = await tripped(system, "stale_data")
    assert reason.removesuffix(" silent for 2 s") in {"stale_data: positions", "stale_data: equity"}
