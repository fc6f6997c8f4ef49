"""The stop switches in a real Redis: one step, one record, whatever lay there before."""

import pytest
import redis

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.control import ControlChange, Mode
from qtops.contracts.vocabulary import TradingState
from qtops.errors import RedisError
from qtops.ports import SendingOrder
from qtops.sandbox.redis_server import EmbeddedRedis, find_server

AUDIT = "quantum:stream:control.audit"


@pytest.fixture(scope="module", params=["embedded", "installed"])
def server(request):
    with EmbeddedRedis(find_server(request.param)) as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
async def store(server, db):
    link = RedisLink.to(server.url, "quantum", purpose="writer")
    yield RedisControlStore(link)
    await link.aclose()


def audit(db):
    return [ControlChange.from_fields(decode_fields(raw)) for _, raw in db.xrange(AUDIT)]


async def test_a_change_is_value_epoch_record_and_audit(db, store):
    first = await store.set_kill(TradingState.ACTIVE, "ops@a", "")
    assert (first.previous, first.epoch) == ("", 1)
    second = await store.set_kill(TradingState.HALTED, "ops@b", "wrong\nfills")
    assert (second.previous, second.value, second.epoch) == ("0", "1", 2)
    assert db.get("quantum:kill") == b"1"
    assert db.get("quantum:kill:epoch") == b"2"
    assert decode_fields(db.hgetall("quantum:kill:record")) == {
        "value": "1",
        "previous": "0",
        "epoch": "2",
        "by": "ops@b",
        "at_ms": str(second.at_ms),
        "reason": "wrong\nfills",
    }
    assert audit(db) == [first, second]
    assert abs(second.at_ms - int(db.time()[0]) * 1000) < 60_000


async def test_the_reading_is_everything_at_once(db, store):
    empty = await store.read()
    assert (empty.kill, empty.epoch, empty.mode, empty.manual_lane) == (None,) * 4
    assert (empty.record, empty.legacy, empty.manual_lane_ttl_ms) == ({}, {}, -2)
    await store.set_kill(TradingState.REDUCING, "ops", "x")
    db.set("quantum:mode", "TESTNET")
    db.set("quantum:manual_lane:enabled", "1", ex=900)
    db.set("quantum:ess:active", "1")
    db.hset("quantum:lockdown", "a", "b")
    reading = await store.read()
    assert (reading.kill, reading.epoch, reading.mode) == ("reduce", "1", "TESTNET")
    assert 0 < reading.manual_lane_ttl_ms <= 900_000
    assert reading.legacy == {"ess:active": "1", "lockdown": "(not a string)"}
    assert reading.record["by"] == "ops"


async def test_the_switch_works_whatever_lies_under_its_keys(db, store):
    db.hset("quantum:kill", "a", "b")
    db.set("quantum:kill:epoch", "many")
    db.set("quantum:kill:record", "x")
    db.set("quantum:mode", b"\xff")
    reading = await store.read()
    assert (reading.kill, reading.record) == ("(not a string)", {})
    change = await store.set_kill(TradingState.HALTED, "ops", "")
    assert change.previous == "(not a string)"
    assert change.epoch > 1_700_000_000
    assert db.get("quantum:kill") == b"1"
    assert (await store.set_kill(TradingState.ACTIVE, "ops", "")).epoch == change.epoch + 1


async def test_the_mode_and_its_audit_are_one_step(db, store):
    assert (await store.set_mode(Mode.TESTNET, "ops", "")).previous == ""
    change = await store.set_mode(Mode.DRY_RUN, "ops", "release")
    assert (change.previous, change.value, change.epoch) == ("TESTNET", "DRY_RUN", None)
    assert db.get("quantum:mode") == b"DRY_RUN"
    assert [entry.value for entry in audit(db)] == ["TESTNET", "DRY_RUN"]
    assert db.get("quantum:kill:epoch") is None
    db.delete("quantum:mode")
    db.lpush("quantum:mode", "x")
    assert (await store.set_mode(Mode.TESTNET, "ops", "")).previous == "(not a string)"


async def test_the_rollout_and_its_audit_are_one_step(db, store):
    assert (await store.read()).rollout is None
    change = await store.set_rollout(25, "ops", "canary")
    assert (await store.set_rollout(50, "ops", "")).previous == "25"
    assert (change.switch, change.value, change.previous) == ("rollout", "25", "")
    assert (await store.read()).rollout == "50"
    assert audit(db)[0] == change


async def test_orders_on_their_way_are_the_claims_that_are_sending(db, store):
    claims = {
        "a": {"state": "claimed", "client_order_id": "qt-a", "attempt": "0"},
        "b": {
            "state": "sending",
            "client_order_id": "qt-b",
            "attempt": "1",
            "send_deadline_ms": "123",
        },
        "c": {"state": "done", "client_order_id": "qt-c", "attempt": "1"},
        "odd": {"state": "sending", "client_order_id": "qt-d", "attempt": "1"},
        "new\nline": {"what": "is this"},
    }
    for plan_id, fields in claims.items():
        db.hset(f"quantum:exec:claim:{plan_id}", mapping=fields)
    db.set("quantum:exec:claim:text", "x")
    found = [order async for page in store.sending() for order in page]
    assert sorted(found, key=lambda order: order.plan_id) == [
        SendingOrder("b", "qt-b", 123),
        SendingOrder("new\nline", "", 0),
        SendingOrder("odd", "", 0),
        SendingOrder("text", "", 0),
    ]


async def test_a_redis_that_is_gone_is_a_redis_error(unused_tcp_port):
    link = RedisLink.to(f"redis://127.0.0.1:{unused_tcp_port}", "quantum", purpose="writer")
    with pytest.raises(RedisError):
        await RedisControlStore(link).set_kill(TradingState.HALTED, "ops", "")
    await link.aclose()


async def test_a_breaker_reduces_what_is_active(db, store):
    await store.set_kill(TradingState.ACTIVE, "ops@a", "")
    change = await store.trip("0", "1", "breakers@h", "burst: 20 opening orders")
    assert change is not None
    assert (change.value, change.previous, change.epoch) == ("reduce", "0", 2)
    assert db.get("quantum:kill") == b"reduce"
    assert decode_fields(db.hgetall("quantum:kill:record"))["by"] == "breakers@h"
    assert audit(db)[-1] == change


@pytest.mark.parametrize(
    ("kill", "epoch", "read"),
    [
        ("1", "2", ("0", "1")),  # halted since it was read
        ("reduce", "2", ("0", "1")),
        ("0", "3", ("0", "1")),  # re-armed since
        ("1", "2", ("1", "2")),
        ("reduce", "2", ("reduce", "2")),
        ("?", "2", ("?", "2")),
        ("0", None, ("0", "")),  # no epoch: nothing that a re-arming could change
        (None, "2", ("0", "2")),
    ],
)
async def test_a_breaker_changes_nothing_else(db, store, kill, epoch, read):
    for key, value in (("quantum:kill", kill), ("quantum:kill:epoch", epoch)):
        if value is not None:
            db.set(key, value)
    assert await store.trip(*read, "breakers@h", "burst: 20") is None
    assert db.get("quantum:kill") == (None if kill is None else kill.encode())
    assert db.get("quantum:kill:epoch") == (None if epoch is None else epoch.encode())
    assert not db.exists("quantum:kill:record")
    assert audit(db) == []
