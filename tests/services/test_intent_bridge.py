"""Intents through the bridge: real Redis, the sandbox exchange, the gates and the executor."""

import asyncio
import json
from decimal import Decimal

from qtops.adapters.clock import SystemClock
from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.permits import Budget
from qtops.audits.trace import Outcome, life_of, verdict_of
from qtops.audits.trace_hops import HopState
from qtops.audits.trace_records import Records, Selection, find_plans, records_of
from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from qtops.gates.bridge import Wish
from tests.services.conftest import EVERYTHING, READERS, System

BRIDGE = Service.INTENT_BRIDGE
READY = {"INTENT_BRIDGE_ALLOWLIST": "XRPUSDT,TRXUSDT,ETHUSDT"}


async def rows(system: System, stream: Stream) -> list[dict[str, str]]:
    found = await system.link.client.xrange(system.names.stream(stream))
    return [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in found]


async def said(system: System, count: int) -> list[dict[str, str]]:
    """The bridge's decisions, once there are `count`."""
    async with asyncio.timeout(15):
        while True:
            every = await rows(system, Stream.GATE_DECISION)
            own = [row for row in every if row["gate"] == "intent_bridge"]
            if len(own) >= count:
                return own
            await asyncio.sleep(0.02)


async def nothing_pending(system: System) -> None:
    async with asyncio.timeout(15):
        while await system.pending(Stream.TRADE_INTENT, BRIDGE):
            await asyncio.sleep(0.02)


async def wish_for(system: System, **fields: str) -> str:
    return await system.publish(Stream.TRADE_INTENT, **fields)


def plan_id_of(entry_id: str, **fields: str) -> str:
    return Wish(Intent.from_fields(fields), entry_id).plan_id


async def traced(system: System, plan_id: str) -> Records:
    source = RedisTraceReader(system.link)
    key, budget = plan_id.encode(), Budget(SystemClock())
    chosen = Selection(lambda raw: raw.get(b"plan_id") == key)
    plans = {key: [], **await find_plans(source, budget, chosen)}
    [records] = await records_of(source, budget, plans)
    return records


async def snapshots_there(system: System, symbol: str) -> None:
    keys = [(Key.POSITION, {"symbol": symbol}), (Key.MARKET, {"symbol": symbol})]
    names = [system.names.key(key, **parts) for key, parts in keys]
    names += [system.names.key(Key.FILTERS), system.names.key(Key.PORTFOLIO)]
    async with asyncio.timeout(15):
        while await system.link.client.exists(*names) < len(names):
            await asyncio.sleep(0.02)


async def test_a_wish_in_dollars_is_filled_through_every_gate(flat_system: System):
    await flat_system.start(*EVERYTHING)
    await snapshots_there(flat_system, "XRPUSDT")
    await flat_system.start(BRIDGE, **READY)
    wanted = {"symbol": "XRPUSDT", "side": "BUY", "position_size_usd": 20, "leverage": 2}
    fields = {"payload": json.dumps(wanted)}
    plan_id = plan_id_of(await wish_for(flat_system, **fields), **fields)
    [record] = await said(flat_system, 1)
    assert record.get("reason", "") == "", record["detail"]
    result = await flat_system.result(plan_id)
    assert (result.executed, result.error) == (True, "")
    [order] = await flat_system.orders()
    assert order["reduceOnly"] is False
    assert order["clientOrderId"] == flat_system.order_id(plan_id)
    assert result.details["plan_extra"]["leverage"] == "2"
    await nothing_pending(flat_system)
    life = life_of(await traced(flat_system, plan_id))
    assert (life.outcome, life.hop("intent").state) == (Outcome.FILLED, HopState.SEEN)


async def test_an_open_without_equity_is_refused_and_a_trace_says_so(flat_system: System):
    await flat_system.start(*READERS)
    await snapshots_there(flat_system, "XRPUSDT")
    name = flat_system.names.key(Key.PORTFOLIO)
    await flat_system.stop()
    await flat_system.link.client.hdel(name, "equity_usd")
    await flat_system.start(BRIDGE, **READY)
    fields = {"symbol": "XRPUSDT", "side": "BUY", "qty": "20"}
    plan_id = plan_id_of(await wish_for(flat_system, **fields), **fields)
    [record] = await said(flat_system, 1)
    assert record["reason"] == "equity_unknown"
    life = life_of(await traced(flat_system, plan_id))
    assert verdict_of(life) == "refused by the intent bridge: equity_unknown"
    assert {hop.state for hop in life.hops[1:7]} == {HopState.NOT_REACHED}


async def test_a_sell_while_long_is_a_reduce_only_close(system: System):
    await system.start(*EVERYTHING)
    await snapshots_there(system, "TRXUSDT")
    await system.start(BRIDGE, **READY)
    fields = {"symbol": "TRXUSDT", "side": "SELL", "qty": "100"}
    plan_id = plan_id_of(await wish_for(system, **fields), **fields)
    result = await system.result(plan_id)
    assert (result.executed, result.filled_quantity) == (True, Decimal(100))
    [order] = await system.orders()
    assert order["reduceOnly"] is True


async def test_a_refusal_is_written_down_under_the_id_that_the_plan_would_have_had(
    flat_system: System,
):
    await flat_system.start(*READERS)
    await snapshots_there(flat_system, "XRPUSDT")
    await flat_system.start(BRIDGE, **READY)
    fields = {"symbol": "XRPUSDT", "side": "SELL", "qty": "20"}
    entry_id = await wish_for(flat_system, **fields)
    [record] = await said(flat_system, 1)
    assert (record["allow"], record["reason"]) == ("false", "short_not_allowed")
    assert record["plan_id"] == plan_id_of(entry_id, **fields)
    assert await rows(flat_system, Stream.APPLY_PLAN) == []
    await nothing_pending(flat_system)


REDUCE = {"symbol": "XRPUSDT", "side": "SELL", "qty": "20", "reduceOnly": "true"}


async def test_a_delivery_of_what_is_done_makes_neither_plan_nor_record(flat_system: System):
    await flat_system.start(BRIDGE, **READY)
    entry_id = await wish_for(flat_system, **REDUCE)
    await said(flat_system, 1)
    await flat_system.stop()
    group = flat_system.names.group(Stream.TRADE_INTENT, BRIDGE)
    stream = flat_system.names.stream(Stream.TRADE_INTENT)
    await flat_system.link.client.xgroup_setid(stream, group, "0")
    later = await wish_for(flat_system, **REDUCE)
    await flat_system.start(BRIDGE, **READY)
    await said(flat_system, 2)
    await nothing_pending(flat_system)
    plans = [Plan.from_fields(row) for row in await rows(flat_system, Stream.APPLY_PLAN)]
    assert [p.plan_id for p in plans] == [plan_id_of(e, **REDUCE) for e in (entry_id, later)]
    assert len(await said(flat_system, 2)) == 2


async def test_an_entry_read_but_not_decided_before_a_crash_becomes_the_same_plan(
    flat_system: System,
):
    await flat_system.start(BRIDGE, **READY)
    await flat_system.stop()
    entry_id = await wish_for(flat_system, **REDUCE)
    group = flat_system.names.group(Stream.TRADE_INTENT, BRIDGE)
    stream = flat_system.names.stream(Stream.TRADE_INTENT)
    [consumer] = {
        row["name"] for row in await flat_system.link.client.xinfo_consumers(stream, group)
    } or {f"{BRIDGE.value}@gone"}
    await flat_system.link.client.xreadgroup(group, consumer, {stream: ">"})
    await flat_system.start(BRIDGE, **READY)
    await said(flat_system, 1)
    [row] = await rows(flat_system, Stream.APPLY_PLAN)
    assert row["plan_id"] == plan_id_of(entry_id, **REDUCE)
    await nothing_pending(flat_system)


async def test_a_producers_id_makes_one_plan_and_one_written_duplicate(flat_system: System):
    first = await wish_for(flat_system, **REDUCE, signal_id="s1")
    await wish_for(flat_system, **REDUCE, signal_id="s1")
    await flat_system.start(BRIDGE, **READY)  # both in one batch
    records = await said(flat_system, 2)
    assert [r.get("reason", "") for r in records] == ["", "duplicate_intent"]
    assert first in records[1]["detail"]
    assert len(await rows(flat_system, Stream.APPLY_PLAN)) == 1
    await nothing_pending(flat_system)


async def test_while_the_lease_is_held_intents_wait(flat_system: System):
    client, pause = flat_system.link.client, flat_system.names.key(Key.BRIDGE_PAUSE)
    await flat_system.start(BRIDGE, **READY)  # and it waits in a blocking read now
    await client.set(pause, "proof", ex=60)
    entry_id = await wish_for(flat_system, **REDUCE)
    async with asyncio.timeout(15):
        while not await flat_system.pending(Stream.TRADE_INTENT, BRIDGE):
            await asyncio.sleep(0.02)
    second = await wish_for(flat_system, **REDUCE, note="still paused")
    assert await rows(flat_system, Stream.APPLY_PLAN) == []
    await client.delete(pause)
    await said(flat_system, 2)
    plans = {row["plan_id"] for row in await rows(flat_system, Stream.APPLY_PLAN)}
    assert plans == {plan_id_of(entry, **REDUCE) for entry in (entry_id, second)}
    await nothing_pending(flat_system)


async def test_what_cannot_be_read_is_dead_lettered_and_the_next_is_not_held_up(
    flat_system: System,
):
    await wish_for(flat_system, payload="{")
    await wish_for(flat_system, **REDUCE)
    await flat_system.start(BRIDGE, **READY)
    await said(flat_system, 1)
    [letter] = await flat_system.dead_letters()
    assert (letter["stream"], letter["reason"]) == ("trade.intent", "bad_json")
    await nothing_pending(flat_system)
