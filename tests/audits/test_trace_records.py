"""What is gathered about plans from a real Redis, and what is said to be gone."""

from dataclasses import replace

import pytest

from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.permits import Budget
from qtops.audits.trace import life_of
from qtops.audits.trace_records import (
    Selection,
    find_plans,
    intent_plan_id,
    plan_of_order,
    records_of,
)
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Stream
from qtops.contracts.result import Result
from qtops.contracts.vocabulary import Lane

PLANS = "quantum:stream:apply.plan"
MANUAL = "quantum:stream:apply.plan.manual"
DECISIONS = "quantum:stream:gate.decision"
RESULTS = "quantum:stream:apply.result"
INTENTS = "quantum:stream:trade.intent"
DLQ = "quantum:stream:dlq"


@pytest.fixture
def reader(link):
    return RedisTraceReader(link)


def fields(plan_id, symbol="BTCUSDT"):
    return {
        "plan_id": plan_id,
        "decision": "EXECUTE",
        "symbol": symbol,
        "side": "SELL",
        "qty": "2",
        "reduceOnly": "true",
        "source": "intent_bridge",
    }


def decided(plan_id, at_ms=5000):
    record = DecisionRecord(plan_id, "governor", True, "ok", "BTCUSDT", "SELL", "close", at_ms)
    return record.to_fields()


async def gather(reader, clock, plan_id):
    """The records of one plan, and the same budget's cuts."""
    key, budget = plan_id.encode(), Budget(clock)
    chosen = Selection(lambda raw: raw.get(b"plan_id") == key)
    plans = {key: [], **await find_plans(reader, budget, chosen)}
    [records] = await records_of(reader, budget, plans)
    return records


async def test_both_lanes_are_searched_and_entries_come_oldest_first(db, reader, clock):
    db.xadd(PLANS, fields("p1"), id="1000-0")
    db.xadd(PLANS, fields("other"), id="1500-0")
    db.xadd(MANUAL, fields("p1"), id="2000-0")
    found = await gather(reader, clock, "p1")
    assert [(e.at_ms, e.lane) for e in found.plans] == [
        (1000, Lane.AUTOMATED),
        (2000, Lane.MANUAL),
    ]
    assert found.symbol == "BTCUSDT"


async def test_only_the_plans_own_records_are_kept(db, reader, clock):
    db.xadd(PLANS, fields("p1"), id="1000-0")
    for plan_id in ("p1", "p2", "p11"):
        db.xadd(DECISIONS, decided(plan_id))
        db.xadd(RESULTS, Result(plan_id, "BTCUSDT", True, "x", 5000, order_id="7").to_fields())
    found = await gather(reader, clock, "p1")
    assert [d.plan_id for d in found.decisions] == ["p1"]
    assert [r.plan_id for r in found.results] == ["p1"]


async def test_a_plan_whose_entry_is_gone_is_still_found_by_its_decisions(db, reader, clock):
    db.xadd(DECISIONS, decided("p1"))
    found = await gather(reader, clock, "p1")
    assert (found.is_traced, found.symbol, found.plans) == (True, "BTCUSDT", [])
    assert not (await gather(reader, clock, "p2")).is_traced


async def test_a_dead_letter_is_found_by_the_message_in_it(db, reader, clock):
    letter = DeadLetter("apply.plan", "1-0", "g", "bad_decimal", "qty", "no", fields("p1"), 9)
    db.xadd(DLQ, {"raw": "{"})
    db.xadd(DLQ, letter.to_fields())
    db.xadd(DLQ, replace(letter, raw=fields("p2")).to_fields())
    assert [x.raw["plan_id"] for x in (await gather(reader, clock, "p1")).letters] == ["p1"]


async def test_a_stream_counts_as_trimmed_only_if_something_was_taken_from_it(db, reader, clock):
    db.xadd(PLANS, fields("p1"), id="1000-0")
    db.xadd(DECISIONS, decided("p2"), id="2000-0")
    db.xadd(DECISIONS, decided("p2"), id="3000-0")
    assert (await gather(reader, clock, "p1")).trimmed == frozenset()
    db.xtrim(DECISIONS, maxlen=1, approximate=False)
    assert (await gather(reader, clock, "p1")).trimmed == {Stream.GATE_DECISION}
    db.xadd(PLANS, fields("p3"), id="9000-0")
    assert (await gather(reader, clock, "p3")).trimmed == frozenset()


async def test_a_stream_that_was_emptied_is_trimmed_up_to_its_last_entry(db, reader, clock):
    db.xadd(PLANS, fields("p1"), id="1000-0")
    db.xadd(RESULTS, {"plan_id": "p1"}, id="2000-0")
    db.xtrim(RESULTS, maxlen=0, approximate=False)
    assert (await gather(reader, clock, "p1")).trimmed == {Stream.APPLY_RESULT}


async def test_the_intent_is_the_one_whose_id_hashes_to_the_plans(db, reader, clock):
    intents = [db.xadd(INTENTS, {"payload": "{}"}, id=f"{at}-0").decode() for at in (700, 800, 900)]
    plan_id = intent_plan_id(intents[1], "BTCUSDT", "SELL", "2")
    db.xadd(PLANS, fields(plan_id), id="1000-0")
    found = await gather(reader, clock, plan_id)
    assert found.intent_id == life_of(found).hop("intent").detail == "800-0"
    db.xadd(PLANS, fields("p1"), id="1001-0")
    assert (await gather(reader, clock, "p1")).intent_id == ""


async def test_an_order_leads_to_its_plan_by_either_id_and_never_by_a_part_of_one(
    db, reader, clock
):
    told = Result("p1", "BTCUSDT", True, "x", 1, order_id="7788", client_order_id="qt-abc")
    db.xadd(RESULTS, told.to_fields())
    db.xadd(RESULTS, {"plan_id": "p2", "executed": "true", "details": '{"order_id":"99"}'})
    db.xadd(RESULTS, {"plan_id": "p3", "executed": "perhaps", "order_id": "7788"})
    wanted = {"7788": b"p1", "qt-abc": b"p1", "99": b"p2", "778": None}
    for order_id, plan_id in wanted.items():
        assert await plan_of_order(reader, Budget(clock), order_id) == plan_id


async def test_what_there_was_no_time_for_is_unknown_and_not_missing(db, reader, ticking):
    pipe = db.pipeline()
    pipe.xadd(PLANS, fields("p1"), id="1000-0")
    for n in range(1500):
        pipe.xadd(DECISIONS, decided(f"q{n}"))
    pipe.execute()
    found = await gather(reader, ticking(20_000), "p1")
    assert Stream.GATE_DECISION.value.name in found.unread
    assert life_of(found).hop("governor").state == "unknown"


async def test_hostile_ids_find_only_their_own(db, reader, clock):
    for plan_id in ("p26:x", "new\nline", "*"):
        assert not (await gather(reader, clock, plan_id)).is_traced
    db.set("quantum:permit:p26:x", "1", ex=60)
    assert not (await gather(reader, clock, "p26:x")).is_traced
    assert (await gather(reader, clock, "x")).is_traced
