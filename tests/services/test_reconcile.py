"""Reconcile on real Redis and the sandbox exchange: what it repairs, holds, and leaves alone."""

import asyncio
from decimal import Decimal

import pytest

from qtops.adapters.reconcile_store import RedisReconcileStore
from qtops.contracts.codec import decode_fields
from qtops.contracts.plan import flatten_order_id
from qtops.contracts.reconcile import ReconcileEvent, ReconcileState
from qtops.contracts.registry import Key, Service, Stream
from qtops.errors import RefusedError
from qtops.ports import Rebook
from tests.services.conftest import EVERYTHING, System, open_plan

QUICK = {
    "P34_LOOP_SEC": "0.05",
    "P34_CONFIRM_SEC": "0.2",
    "P33_ALLOW_INCREASE": "true",
    "SNAPSHOT_POSITIONS_SECONDS": "0.1",
}
SYMBOL = "BTCUSDT"


async def hash_of(system: System, key: Key) -> dict[str, str]:
    return decode_fields(await system.link.client.hgetall(system.names.key(key, symbol=SYMBOL)))


async def until(system: System, key: Key, field: str, wanted: str | None) -> dict[str, str]:
    async with asyncio.timeout(10):
        while (seen := await hash_of(system, key)).get(field) != wanted:
            await asyncio.sleep(0.02)
    return seen


async def stands(system: System, state: str) -> dict[str, str]:
    return await until(system, Key.RECONCILE_STATE, "state", state)


async def events(system: System) -> list[dict[str, str]]:
    rows = await system.link.client.xrange(system.names.stream(Stream.RECONCILE_EVENTS))
    return [e for e in (decode_fields(raw) for _, raw in rows) if e["symbol"] == SYMBOL]


async def by_hand(system: System, side: str = "BUY", qty: str = "0.004", **more: str) -> None:
    order = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity": qty, **more}
    await system.signed("POST", "/fapi/v1/order", **order)


async def opened(system: System, plan_id: str) -> dict[str, str]:
    """A plan filled and in the book."""
    await system.publish(**open_plan(plan_id))
    assert (await system.result(plan_id)).executed
    book = await hash_of(system, Key.BOOK)
    async with asyncio.timeout(10):  # until then the governor counts the open as in flight
        while int((await hash_of(system, Key.POSITION))["observed_at_ms"]) <= int(
            book["updated_at_ms"]
        ):
            await asyncio.sleep(0.02)
    return book


async def test_a_deleted_book_is_restored_from_the_last_agreement(flat_system: System):
    await flat_system.start(*EVERYTHING, Service.RECONCILE, **QUICK)
    book = await opened(flat_system, "p1")
    await until(flat_system, Key.RECONCILE_STATE, "agreed_amt", book["position_amt"])
    await flat_system.link.client.delete(flat_system.names.key(Key.BOOK, symbol=SYMBOL))
    await stands(flat_system, "REPAIRED")
    assert (await hash_of(flat_system, Key.BOOK))["position_amt"] == book["position_amt"]


async def test_a_book_write_that_was_lost_is_made_good_from_our_own_fill(flat_system: System):
    """Redis came back without the second in which the order was booked."""
    await flat_system.start(
        *EVERYTHING,
        GOV_SYMBOL_COOLDOWN_SECONDS="0",
        P33_COOLDOWN_SEC="0",
        P33_ALLOW_INCREASE="true",
    )
    old = await opened(flat_system, "p1")
    new = await opened(flat_system, "p2")
    await flat_system.link.client.hset(flat_system.names.key(Key.BOOK, symbol=SYMBOL), mapping=old)
    await flat_system.start(Service.RECONCILE, **QUICK)
    state = await stands(flat_system, "REPAIRED")
    assert flat_system.order_id("p2") in state["evidence"]
    assert flat_system.order_id("p1") not in state["evidence"]
    assert (await hash_of(flat_system, Key.BOOK))["position_amt"] == new["position_amt"]
    assert [e["state"] for e in await events(flat_system)] == ["DRIFT", "REPAIRED"]


async def test_a_foreign_order_is_named_and_holds_the_symbol(flat_system: System):
    await flat_system.start(
        *EVERYTHING,
        Service.RECONCILE,
        P33_COOLDOWN_SEC="0",
        GOV_SYMBOL_COOLDOWN_SECONDS="0",
        **QUICK,
    )
    book = await opened(flat_system, "p1")
    await by_hand(flat_system)
    state = await stands(flat_system, "MANUAL_REQUIRED")
    assert state["reason"] == "foreign_orders: 1, together 0.004"
    hold = await hash_of(flat_system, Key.RECONCILE_HOLD)
    assert hold["owner"] == "reconcile"
    assert int(hold["expires_at_ms"]) > int(hold["since_ms"])
    assert (await hash_of(flat_system, Key.BOOK)) == book
    await flat_system.publish(**open_plan("p2"))
    assert "reconcile_hold_active" in (await flat_system.result("p2")).error


async def test_a_flatten_is_recognised_and_booked(flat_system: System):
    await flat_system.start(*EVERYTHING, Service.RECONCILE, **QUICK)
    await opened(flat_system, "p1")
    close_id = flatten_order_id(flat_system.names.namespace, "1", SYMBOL, 1)
    await by_hand(flat_system, "SELL", "0.002", reduceOnly="true", newClientOrderId=close_id)
    state = await stands(flat_system, "REPAIRED")
    assert '"flatten"' in state["evidence"]
    assert (await hash_of(flat_system, Key.BOOK))["position_amt"] == "0"


async def test_an_order_in_flight_holds_nothing(flat_system: System):
    """The executor has a reservation out; until it settles the difference is its own."""
    record = (
        '{"plan_id":"x","symbol":"BTCUSDT","side":"BUY","quantity":"1","notional_usdt":"0",'
        '"state":"unknown","expires_at_ms":"0","filled_at_ms":"0","reduce_only":"false"}'
    )
    await flat_system.start(Service.RECONCILE, **QUICK)
    held = flat_system.names.key(Key.RESERVATIONS)
    await flat_system.link.client.hset(held, "x", record)
    await by_hand(flat_system)
    state = await stands(flat_system, "DRIFT")
    assert state["reason"] == "order_in_flight"
    seen = int(state["seen_at_ms"])
    async with asyncio.timeout(10):
        while int((await hash_of(flat_system, Key.RECONCILE_STATE))["seen_at_ms"]) < seen + 500:
            await asyncio.sleep(0.02)
    assert (await stands(flat_system, "DRIFT"))["reason"] == "order_in_flight"
    assert not await hash_of(flat_system, Key.RECONCILE_HOLD)
    await flat_system.link.client.delete(held)
    await stands(flat_system, "MANUAL_REQUIRED")


async def test_a_hold_lapses_when_reconcile_is_gone(flat_system: System):
    await flat_system.start(Service.RECONCILE, P34_HOLD_TTL_SEC="1", **QUICK)
    await by_hand(flat_system)
    await until(flat_system, Key.RECONCILE_HOLD, "owner", "reconcile")
    await flat_system.stop()
    await until(flat_system, Key.RECONCILE_HOLD, "owner", None)


async def test_an_exchange_that_does_not_answer_changes_nothing(flat_system: System):
    await flat_system.start(*EVERYTHING, Service.RECONCILE, **QUICK)
    book = await opened(flat_system, "p1")
    await until(flat_system, Key.RECONCILE_STATE, "agreed_amt", book["position_amt"])
    fault = {"path": "/fapi/v3/positionRisk", "method": "GET", "kind": "error", "count": 500}
    await flat_system.control("POST", "faults", **fault, value=-1001)
    wrong = {**book, "position_amt": "7"}
    await flat_system.link.client.hset(
        flat_system.names.key(Key.BOOK, symbol=SYMBOL), mapping=wrong
    )
    async with asyncio.timeout(20):  # many looks, longer than a difference must stand
        while (await flat_system.control("GET", "faults"))["faults"][0]["count"] > 470:
            await asyncio.sleep(0.02)
    assert await hash_of(flat_system, Key.BOOK) == wrong
    assert not await hash_of(flat_system, Key.RECONCILE_HOLD)


async def test_a_hedge_mode_account_is_refused(flat_system: System):
    await flat_system.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    with pytest.raises(BaseExceptionGroup) as raised:
        await flat_system.start(Service.RECONCILE, **QUICK)
    assert raised.group_contains(RefusedError, match="hedge mode")


async def test_a_repair_gives_way_to_whoever_wrote_the_book_first(flat_system: System):
    store = RedisReconcileStore(flat_system.link)
    key = flat_system.names.key(Key.BOOK, symbol=SYMBOL)
    book = {"position_amt": "1", "version": "3", "updated_at_ms": "5"}
    await flat_system.link.client.hset(key, mapping=book)
    seen = (await store.read([SYMBOL])).symbols[SYMBOL]
    event = ReconcileEvent(
        SYMBOL, ReconcileState.REPAIRED, "DRIFT", "own_fills", Decimal(2), Decimal(1), "t", 9
    )
    change = Rebook(SYMBOL, seen, Decimal(2), 9, "reconcile", event)
    await flat_system.link.client.hset(key, mapping={"position_amt": "4", "version": "4"})
    assert await store.rebook(change) == "changed"
    assert (await hash_of(flat_system, Key.BOOK))["position_amt"] == "4"
    assert await events(flat_system) == []
    await flat_system.link.client.hset(key, mapping=book)
    assert await store.rebook(change) == ""
    assert (await hash_of(flat_system, Key.BOOK))["version"] == "4"
    assert [ReconcileEvent.from_fields(e) for e in await events(flat_system)] == [event]
    assert await store.rebook(change) == "changed"
