"""Refusal reasons by gate over a window, from a real Redis."""

import pytest

from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.permits import Budget
from qtops.audits.refusals import reason_of, refusals_of
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Stream
from qtops.contracts.result import Result

PLANS = "quantum:stream:apply.plan"
DECISIONS = "quantum:stream:gate.decision"
RESULTS = "quantum:stream:apply.result"
HOUR_MS = 3_600_000


@pytest.fixture
def reader(link):
    return RedisTraceReader(link)


@pytest.fixture
def now_ms(db):
    seconds, micros = db.time()
    return seconds * 1000 + micros // 1000


def plan(db, plan_id, at_ms, decision="EXECUTE", symbol="BTCUSDT"):
    fields = {"plan_id": plan_id, "decision": decision, "symbol": symbol}
    db.xadd(PLANS, fields, id=f"{at_ms}-*")


def say(db, plan_id, at_ms, gate, reason=""):
    symbol = "ETHUSDT" if plan_id.startswith("e") else "BTCUSDT"
    record = DecisionRecord(plan_id, gate, not reason, reason, symbol, "SELL", "close", at_ms)
    db.xadd(DECISIONS, record.to_fields(), id=f"{at_ms}-*")


def end(db, plan_id, at_ms, error=""):
    result = Result(plan_id, "BTCUSDT", not error, "x", at_ms, order_id="7", error=error)
    db.xadd(RESULTS, result.to_fields(), id=f"{at_ms}-*")


async def read(reader, clock, **rest):
    return await refusals_of(reader, Budget(clock), window_ms=HOUR_MS, **rest)


async def test_reasons_are_ranked_by_plans_with_first_last_and_newest_example(
    db, reader, clock, now_ms
):
    start = now_ms - 60_000
    for n in range(4):
        plan(db, f"p{n}", start + n)
        say(db, f"p{n}", start + n, "governor", "symbol_cooldown" if n == 3 else "")
        say(db, f"p{n}", start + n, "p33_position_gate", "stale_exchange_state" if n < 3 else "")
    end(db, "p0", start + 5, "p33_permit_denied:stale_exchange_state")
    found = await read(reader, clock)
    assert [(r.gate, r.reason, r.plans, r.example) for r in found.rows] == [
        ("position gate", "stale_exchange_state", 3, "p2"),
        ("governor", "symbol_cooldown", 1, "p3"),
    ]
    assert (found.rows[0].first_ms, found.rows[0].last_ms) == (start, start + 2)
    assert (len(found.seen), len(found.refused), len(found.undecided)) == (4, 4, 0)


async def test_a_gate_that_repeats_itself_counts_a_plan_once(db, reader, clock, now_ms):
    for offset in (3, 2, 1):
        say(db, "p1", now_ms - offset, "governor", "symbol_cooldown")
    assert [row.plans for row in (await read(reader, clock)).rows] == [1]


async def test_a_feeders_refusal_counts_and_its_consent_answers_for_nobody(
    db, reader, clock, now_ms
):
    for plan_id in ("p1", "p2"):
        plan(db, plan_id, now_ms - 60_000)
        say(db, plan_id, now_ms - 60_000, "heat_calibration")
    say(db, "p1", now_ms - 59_000, "apply_layer", "plan_stale")
    found = await read(reader, clock)
    assert [(r.gate, r.reason, r.plans) for r in found.rows] == [("apply layer", "plan_stale", 1)]
    assert (found.undecided, found.undecodable) == ({b"p2"}, 0)


async def test_a_plan_refused_at_first_and_filled_later_is_not_refused(db, reader, clock, now_ms):
    say(db, "p1", now_ms - 9, "governor", "symbol_cooldown")
    say(db, "p1", now_ms - 8, "governor")
    end(db, "p1", now_ms - 7)
    found = await read(reader, clock)
    assert (found.refused, found.executed) == (set(), {b"p1"})


async def test_the_executors_reason_counts_where_no_gate_refused(db, reader, clock, now_ms):
    say(db, "p1", now_ms - 9, "governor")
    end(db, "p1", now_ms - 8, "binance_error:-2019")
    found = await read(reader, clock)
    assert [(r.gate, r.reason) for r in found.rows] == [("executor", "binance_error:-2019")]


async def test_plans_without_an_answer_are_undecided_once_they_are_not_new(
    db, reader, clock, now_ms
):
    plan(db, "old", now_ms - 60_000)
    plan(db, "skipped", now_ms - 50_000, "SKIP")
    plan(db, "new", now_ms - 10)
    found = await read(reader, clock)
    assert (found.undecided, found.seen) == ({b"old"}, {b"old", b"new"})


async def test_what_lies_before_the_window_is_left_out(db, reader, clock, now_ms):
    say(db, "p1", now_ms - 2 * HOUR_MS, "governor", "symbol_cooldown")
    assert (await read(reader, clock)).rows == []


async def test_a_symbol_narrows_every_figure(db, reader, clock, now_ms):
    plan(db, "b1", now_ms - 60_000)
    plan(db, "e1", now_ms - 59_000, symbol="ETHUSDT")
    say(db, "b1", now_ms - 9, "governor", "symbol_cooldown")
    say(db, "e1", now_ms - 8, "governor", "burst_limit_exceeded")
    found = await read(reader, clock, symbol="ETHUSDT")
    assert ([r.reason for r in found.rows], found.seen) == (["burst_limit_exceeded"], {b"e1"})


async def test_what_cannot_be_decoded_is_counted(db, reader, clock):
    db.xadd(DECISIONS, {"plan_id": "p1", "gate": "governor", "allow": "perhaps"})
    db.xadd(DECISIONS, {"plan_id": "p1", "gate": "nobody", "allow": "true"})
    db.xadd(RESULTS, {"plan_id": "p1", "executed": "perhaps"})
    assert (await read(reader, clock)).undecodable == 3


async def test_a_window_that_was_not_read_to_its_start_says_which_stream(
    db, reader, ticking, now_ms
):
    pipe = db.pipeline()
    for n in range(2500):
        fields = {"plan_id": f"p{n}", "gate": "governor", "allow": "false", "reason": "x"}
        pipe.xadd(DECISIONS, fields)
    pipe.execute()
    found = await read(reader, ticking(20_000))
    assert (found.partial, found.rows[0].plans) == ([Stream.GATE_DECISION.value.name], 1000)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("permit_missing:governor,p26", "permit_missing:governor,p26"),
        ("p33_permit_denied:no_position", "p33_permit_denied:no_position"),
        ("symbol_not_in_allowlist:NOPEUSDT", "symbol_not_in_allowlist"),
        ("kill_epoch_changed:p33: issued in epoch 1, now 2", "kill_epoch_changed"),
        ("plan_stale", "plan_stale"),
        ("", "no reason given"),
    ],
)
def test_errors_that_many_plans_share_are_one_reason(error, reason):
    assert reason_of(error) == reason
