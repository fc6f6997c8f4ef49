"""The audit over a real Redis: hostile keys, 50,000 of them, and how it asks."""

import json

import pytest

from qtops.audits.permits import Budget, audit_permits
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import Feeder, GateName

MINUTE = 60_000
PLAN = {
    "plan_id": "p1",
    "decision": "EXECUTE",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "MARKET",
    "qty": "1",
    "reduceOnly": "true",
    "source": "intent_bridge",
    "action": "FULL_CLOSE_PROPOSED",
}


def audit(source, clock, *, window_ms=15 * MINUTE, sample=3, budget_ms=10_000):
    return audit_permits(source, Budget(clock, budget_ms), window_ms=window_ms, sample=sample)


def decide(db, gate, *, plan_id="p1", allow=True, age_ms=0, **extra):
    now_ms = int(db.time()[0]) * 1000 - age_ms
    record = DecisionRecord(
        plan_id, gate.value, allow, "ok", "BTCUSDT", "SELL", "close", now_ms, **extra
    )
    entry_id = f"{now_ms}-*" if age_ms else "*"
    db.xadd("quantum:stream:gate.decision", record.to_fields(), id=entry_id)


def counts(found):
    return {s.gate: (s.count, s.allow, s.deny, len(s.no_expiry)) for s in found.sources.values()}


async def test_an_empty_redis_is_degraded(source, clock):
    found = await audit(source, clock)
    assert (found.status, found.total, found.partial) == ("degraded", 0, [])
    assert all(not s.is_active and not s.is_alive for s in found.sources.values())


async def test_hostile_keys_and_values_are_counted_where_they_belong(db, source, clock):
    seeded = {
        "quantum:permit:plain": '{"granted":true}',
        "quantum:permit:p32:old": "1",
        "quantum:permit:has-p26-inside": '{"allow":false}',
        "quantum:permit:new\nline": "1",
        "quantum:permit:{brace}": "1",
        "quantum:permit:p26:p33:tricky": "1",
        "quantum:permit:p33:colon:in:id": '{"allow":"false"}',
        "quantum:permit:p33:garbage": "garbage",
        "quantum:permit:x:p26:y": "1",
        "quantum:permit:governor:z": "1",
        b"quantum:permit:\xff:y": "1",
        "other:permit:p26:n": "1",
        "quantum:permit2:n": "1",
    }
    for key, value in seeded.items():
        db.set(key, value, ex=60)
    db.hset("quantum:permit:p33:hash", mapping={"allow": "true", "safe_qty": "2"})
    db.hset("quantum:permit:p26:hash-no", mapping={"allow": "False"})
    db.lpush("quantum:permit:p26:list", "1")
    found = await audit(source, clock, sample=10)
    assert counts(found) == {
        GateName.GOVERNOR: (5, 4, 1, 0),
        GateName.PORTFOLIO: (3, 1, 1, 2),
        GateName.POSITION: (3, 1, 1, 1),
    }
    assert (found.total, len(found.unclassified)) == (14, 3)
    assert found.sources[GateName.POSITION].unreadable == ["quantum:permit:p33:garbage"]
    assert found.sources[GateName.PORTFOLIO].unreadable == ["quantum:permit:p26:list"]
    samples = {s.key: s.value for s in found.sources[GateName.PORTFOLIO].samples}
    assert samples == {
        "quantum:permit:p26:p33:tricky": "1",
        "quantum:permit:p26:hash-no": '{"allow":"False"}',
        "quantum:permit:p26:list": "(list)",
    }
    assert found.status == "operational"


async def test_glob_characters_in_the_namespace_are_no_pattern(db, server, clock):
    from qtops.adapters.link import RedisLink
    from qtops.adapters.permit_scan import RedisPermitScan

    db.set("a[b]*:permit:mine", "1")
    db.set("ab:permit:theirs", "1")
    link = RedisLink.to(server.url, "a[b]*", purpose="reader")
    found = await audit(RedisPermitScan(link), clock)
    await link.aclose()
    assert (found.total, found.sources[GateName.GOVERNOR].count) == (1, 1)


async def test_decisions_inside_the_window_make_a_source_active(db, source, clock):
    for gate in GateName:
        decide(db, gate, age_ms=20 * MINUTE)
    found = await audit(source, clock)
    assert [s.decisions for s in found.sources.values()] == [0, 0, 0]
    decide(db, GateName.GOVERNOR)
    decide(db, GateName.GOVERNOR, allow=False)
    decide(db, GateName.PORTFOLIO)
    db.xadd("quantum:stream:gate.decision", {"gate": "p33_position_gate", "allow": "perhaps"})
    db.xadd("quantum:stream:gate.decision", {"gate": "p99"})
    found = await audit(source, clock)
    assert [s.decisions for s in found.sources.values()] == [2, 1, 0]
    assert (found.undecodable_decisions, found.status) == (2, "degraded")
    assert (await audit(source, clock, window_ms=30 * MINUTE)).status == "operational"


async def test_a_feeders_decision_is_neither_a_gates_nor_undecodable(db, source, clock):
    for feeder in Feeder:
        decide(db, feeder)
    found = await audit(source, clock)
    assert ([s.decisions for s in found.sources.values()], found.undecodable_decisions) == (
        *([0, 0, 0], 0),
    )


async def test_idle_needs_every_heartbeat_and_no_plan(db, source, clock):
    for service in ("governor", "portfolio-gate", "position-gate"):
        db.hset(f"quantum:heartbeat:{service}", mapping={"pid": "1"})
        db.expire(f"quantum:heartbeat:{service}", 15)
    assert (await audit(source, clock)).status == "idle"
    skipped = PLAN | {"decision": "SKIP"}
    db.xadd("quantum:stream:apply.plan", skipped)
    assert (await audit(source, clock)).status == "idle"  # nobody asked for an order
    db.xadd("quantum:stream:apply.plan", PLAN)
    found = await audit(source, clock)
    assert (found.status, found.plans, found.newest_plan) == ("degraded", 1, "p1")
    db.delete("quantum:stream:apply.plan")
    db.xadd("quantum:stream:apply.plan.manual", {"what": "is this"})
    assert (await audit(source, clock)).status == "degraded"
    db.delete("quantum:stream:apply.plan.manual")
    db.persist("quantum:heartbeat:governor")
    assert (await audit(source, clock)).status == "degraded"


async def test_ages_come_from_the_permits(db, source, clock):
    now_ms = int(db.time()[0]) * 1000
    for n, age_ms in enumerate((41_000, 5_000)):
        permit = {"allow": True, "issued_at_ms": now_ms - age_ms}
        db.set(f"quantum:permit:{n}", json.dumps(permit), ex=60)
    db.set("quantum:permit:old", json.dumps({"granted": True, "created_at": now_ms / 1000 - 20}))
    governor = (await audit(source, clock)).sources[GateName.GOVERNOR]
    assert (governor.oldest_ms, governor.newest_ms) == (now_ms - 41_000, now_ms - 5_000)


async def test_what_there_was_no_time_for_is_said(db, source, ticking):
    pipe = db.pipeline(transaction=False)
    for n in range(5000):
        pipe.set(f"quantum:permit:p33:{n}", "1", ex=60)
    for _ in range(2500):
        pipe.xadd("quantum:stream:gate.decision", {"x": "1"})
    pipe.execute()
    found = await audit(source, ticking(1000), budget_ms=500)
    assert found.partial == ["decisions_in_window", "permits"]
    assert 0 < found.total < 5000
    assert found.undecodable_decisions == 1000


async def test_a_page_that_is_the_last_one_is_not_partial(db, source, ticking):
    db.set("quantum:permit:x", "1")
    found = await audit(source, ticking(10_000), budget_ms=1)
    assert (found.partial, found.total) == ([], 1)


def seed_many(db, permits, others):
    pipe = db.pipeline(transaction=False)
    for n in range(permits):
        family = ("", "p26:", "p33:", "p26:p33:", "x:p26:")[n % 5]
        pipe.set(f"quantum:permit:{family}plan{n}", '{"allow":true}' if n % 2 else "1", ex=600)
    for n in range(others):
        pipe.set(f"quantum:other:{n}", "x")
    pipe.execute()


async def test_fifty_thousand_permits(db, source, clock):
    seed_many(db, 50_000, 0)
    db.config_resetstat()
    found = await audit(source, clock)
    assert {s.gate: s.count for s in found.sources.values()} == {
        GateName.GOVERNOR: 10_000,
        GateName.PORTFOLIO: 20_000,
        GateName.POSITION: 10_000,
    }
    assert len(found.unclassified) == 10_000
    assert all(s.allow == s.count for s in found.sources.values())
    stats = db.info("commandstats")
    assert "cmdstat_keys" not in stats
    assert 50 <= stats["cmdstat_scan"]["calls"] <= 100
    assert stats["cmdstat_get"]["calls"] == 40_000


async def test_only_reading_commands_and_no_page_above_a_thousand(db, source, clock):
    seed_many(db, 3000, 2000)
    for _ in range(2500):
        decide(db, GateName.GOVERNOR)
    db.hset("quantum:permit:p33:hash", mapping={"allow": "true"})
    for name, value in (("slowlog-max-len", 100_000), ("slowlog-log-slower-than", 0)):
        db.config_set(name, value)
    db.slowlog_reset()
    await audit(source, clock)
    db.config_set("slowlog-log-slower-than", -1)
    asked = [entry["command"].split(b" ") for entry in db.slowlog_get(100_000)]
    asked = [words for words in asked if words[0] not in {b"CONFIG", b"CLIENT", b"SLOWLOG"}]
    names = {words[0].upper() for words in asked}
    assert {b"SCAN", b"XREVRANGE", b"GET", b"PTTL"} <= names <= READING
    paged = [words for words in asked if words[0] in {b"SCAN", b"XREVRANGE"}]
    assert len(paged) >= 8
    assert all(int(words[words.index(b"COUNT") + 1]) <= 1000 for words in paged)


READING = {b"SCAN", b"XREVRANGE", b"GET", b"PTTL", b"TYPE", b"HGETALL", b"TIME", b"HELLO", b"PING"}


async def test_a_refused_command_is_an_error_and_not_an_empty_permit(db, server, clock):
    from qtops.adapters.link import RedisLink
    from qtops.adapters.permit_scan import RedisPermitScan
    from qtops.errors import RedisError

    db.set("quantum:permit:x", "1")
    db.acl_setuser("half", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-get"])
    link = RedisLink.to(f"redis://half:pw@127.0.0.1:{server.port}", "quantum", purpose="reader")
    try:
        with pytest.raises(RedisError) as caught:
            await audit(RedisPermitScan(link), clock)
    finally:
        await link.aclose()
        db.acl_deluser("half")
    assert caught.value.code == "redis_permission"
