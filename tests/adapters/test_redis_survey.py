"""What a real server says of itself, and what it refuses."""

import pytest
import redis

from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.redis_survey import RedisSurvey
from qtops.contracts.facts import Missing
from qtops.sandbox.redis_server import EmbeddedRedis, find_server


@pytest.fixture(scope="module", params=["embedded", "installed"])
def server(request):
    with EmbeddedRedis(find_server(request.param)) as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


async def look(url, method):
    link = RedisLink.to(url, "quantum", purpose="reader")
    try:
        return await getattr(RedisSurvey(link, SystemClock()), method)()
    finally:
        await link.aclose()


async def test_the_setup_is_the_servers_own(server, db):
    found = await look(server.url, "read")
    assert found.version == db.info()["redis_version"]
    assert (found.policy, found.default_user) == ("noeviction", "nopass")
    assert found.bind.split()[0] == "127.0.0.1"
    assert found.protected in {"yes", "no"}
    assert abs(found.clock_offset_ms) < 250
    db.config_set("appendonly", "yes")
    assert (await look(server.url, "read")).aof is True
    db.config_set("appendonly", "no")


async def test_what_is_refused_is_missing(server, db):
    db.acl_setuser("auditor", enabled=True, passwords=["+x"], keys=["*"], commands=["+@read"])
    db.execute_command("ACL", "SETUSER", "auditor", "+info", "+time", "+scan", "+client", "+hello")
    found = await look(f"redis://auditor:x@127.0.0.1:{server.port}/0", "read")
    assert found.policy == "noeviction"
    assert all(isinstance(part, Missing) for part in (found.default_user, found.bind))
    db.acl_deluser("auditor")


async def test_the_census_counts_families_and_finds_what_never_expires(server, db):
    db.set("quantum:permit:p33:one", "{}")
    db.set("quantum:permit:p33:two", "{}", ex=60)
    db.set("quantum:manual_lane:enabled", "1")
    db.set("quantum:position:ledger:BTCUSDT", "")  # our book: it must not expire
    db.set("quantum:market_state:ETHUSDT", "")
    db.set("other:permit:p33:x", "")
    found = await look(server.url, "census")
    assert found.immortal == {
        "permit:p33:{plan_id}": ("quantum:permit:p33:one",),
        "manual_lane:enabled": ("quantum:manual_lane:enabled",),
    }
    assert (found.keys, found.is_partial) == (5, False)
    assert found.prefixes["market_state:"] == 1


async def test_a_scan_ends_when_its_time_is_up(server, db, monkeypatch):
    with db.pipeline(transaction=False) as pipe:
        for number in range(5_000):
            pipe.set(f"quantum:x:{number}", "")
        pipe.execute()
    monkeypatch.setattr("qtops.adapters.redis_survey.SCAN_LIMIT_MS", -1)
    found = await look(server.url, "census")
    assert found.is_partial
    assert found.keys < 5_000
