"""The universe service on a real Redis and the sandbox exchange, and who reads what it writes."""

import asyncio

import pytest

from qtops.adapters.universe_store import RedisUniverseStore, Tiers, decode_list
from qtops.contracts.codec import decode_fields
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Known, Missing
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.universe import Tier, UniverseList
from qtops.gates.universe import UniverseAges
from qtops.sandbox.exchange.rest import market_api
from qtops.wiring.universe import allowlist_source
from tests.services.conftest import (
    EVERYTHING,
    System,
    close_plan,
    open_plan,
    running_system,
)
from tests.services.crashes import fragile_redis, patiently

QUICK = {"UNIVERSE_REFRESH_SEC": "0.05", "UNIVERSE_MAX_AGE": "300"}
DOWN = {"path": "/fapi/v1/exchangeInfo", "kind": "error", "value": -1001, "count": 100000}


@pytest.fixture
def statuses(monkeypatch):
    """What the exchange says of its symbols; `*` is for all that are not named."""
    said: dict[str, str] = {}
    row = market_api.symbol_row

    def told(rules):
        status = said.get(rules.symbol, said.get("*", rules.status))
        return row(rules) | {"status": status}

    monkeypatch.setattr(market_api, "symbol_row", told)
    return said


class Stored:
    """What lies in Redis."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.redis = system.link.client
        self.store = RedisUniverseStore(system.link)
        keys = (Key.UNIVERSE_ACTIVE, Key.UNIVERSE_LAST_OK, Key.UNIVERSE_META)
        self.active, self.last_ok, self.meta = (system.names.key(key) for key in keys)

    async def put(self, *symbols, age_ms=0):
        """A list as the service would have left it."""
        at_ms = await self.system.link.now_ms() - age_ms
        text = UniverseList(frozenset(symbols), at_ms).to_json()
        await self.redis.mset({self.active: text, self.last_ok: text})
        return text

    async def until(self, wanted):
        """The first reading that is as wanted."""
        async with asyncio.timeout(10):
            while not wanted(reading := await self.store.read()):
                await asyncio.sleep(0.01)
        return reading

    async def until_stale(self, word):
        return await self.until(
            lambda r: isinstance(r.meta, Known) and r.meta.value.reason.startswith(word)
        )


@pytest.fixture
def stored(flat_system: System) -> Stored:
    return Stored(flat_system)


async def test_the_list_is_published_whole_sorted_and_with_its_meta(flat_system, stored):
    await flat_system.start(Service.UNIVERSE)
    reading = await stored.store.read()
    assert reading.active == reading.last_ok
    assert {"BTCUSDT", "TRXUSDT"} <= reading.active.value.symbols
    meta = reading.meta.value
    assert (meta.stale, meta.count, meta.venue) == (
        False,
        len(reading.active.value.symbols),
        "sandbox",
    )
    assert meta.observed_at_ms == reading.active.value.observed_at_ms
    assert await flat_system.link.client.exists(
        flat_system.names.key(Key.HEARTBEAT, service="universe")
    )


async def test_a_symbol_that_stops_trading_leaves_and_comes_back(flat_system, stored, statuses):
    await flat_system.start(Service.UNIVERSE, **QUICK)
    statuses["TRXUSDT"] = "SETTLING"
    reading = await stored.until(lambda r: "TRXUSDT" not in r.active.value.symbols)
    assert "TRXUSDT" not in reading.last_ok.value.symbols
    assert not reading.meta.value.stale
    statuses.clear()
    await stored.until(lambda r: "TRXUSDT" in r.active.value.symbols)


async def test_while_the_exchange_fails_the_lists_stay_and_meta_says_stale(flat_system, stored):
    await flat_system.start(Service.UNIVERSE, **QUICK)
    await flat_system.control("POST", "faults", **DOWN)
    held = await stored.until_stale("unreachable")
    await stored.until(lambda r: r.meta.value.attempted_at_ms > held.meta.value.attempted_at_ms)
    after = await stored.store.read()
    assert (after.active, after.last_ok) == (held.active, held.last_ok)
    assert after.meta.value.observed_at_ms == held.active.value.observed_at_ms
    await flat_system.control("DELETE", "faults")
    await stored.until(lambda r: not r.meta.value.stale)


@pytest.mark.parametrize(
    ("status", "changes", "word"),
    [("SETTLING", {}, "empty"), ("TRADING", {"UNIVERSE_MAX": "2"}, "too_long")],
)
async def test_a_list_that_must_not_be_served_is_not(
    flat_system, stored, statuses, status, changes, word
):
    statuses["*"] = status
    before = await stored.put("BTCUSDT")
    await flat_system.start(Service.UNIVERSE, **QUICK, **changes)
    await stored.until_stale(word)
    assert await stored.redis.mget(stored.active, stored.last_ok) == [before.encode()] * 2


async def test_a_drop_is_believed_when_it_was_read_three_times(flat_system, stored, statuses):
    await flat_system.start(Service.UNIVERSE, **QUICK | {"UNIVERSE_REFRESH_SEC": "0.2"})
    whole = (await stored.store.read()).active.value.symbols
    statuses.update({"*": "SETTLING", "BTCUSDT": "TRADING"})
    held = await stored.until_stale("drop")
    assert held.active.value.symbols == whole
    assert held.meta.value.reason.endswith(("reading 1 of 3", "reading 2 of 3"))
    taken = await stored.until(lambda r: r.active.value.symbols == {"BTCUSDT"})
    assert not taken.meta.value.stale


async def test_without_an_exchange_it_serves_the_last_good_list_at_its_true_age(
    flat_system, stored
):
    text = await stored.put("BTCUSDT", "ETHUSDT", age_ms=100_000)
    await stored.redis.delete(stored.active)
    await flat_system.control("POST", "faults", **DOWN)
    await flat_system.start(Service.UNIVERSE)
    reading = await stored.store.read()
    assert await stored.redis.get(stored.active) == text.encode()
    meta = reading.meta.value
    assert (meta.stale, meta.count) == (True, 2)
    assert meta.attempted_at_ms - meta.observed_at_ms >= 100_000


async def test_without_an_exchange_and_without_a_list_there_is_none(flat_system, stored):
    await flat_system.control("POST", "faults", **DOWN)
    await flat_system.start(Service.UNIVERSE)
    reading = await stored.store.read()
    assert reading.active == reading.last_ok == Missing("absent")
    assert (reading.meta.value.count, reading.meta.value.observed_at_ms) == (0, None)


async def test_it_outlives_a_redis_that_goes_away_and_comes_back(tmp_path):
    async with fragile_redis(tmp_path) as server, running_system(server.url, "flat") as system:
        stored = Stored(system)
        await system.start(Service.UNIVERSE, **QUICK)
        before = await stored.store.read()
        await server.crash()
        await patiently(system.link.client.ping)
        await system.link.client.flushall()
        after = await stored.until(lambda r: isinstance(r.active, Known))
        assert after.active.value.symbols == before.active.value.symbols


# --- readers ------------------------------------------------------------------------------------
async def test_the_permit_says_which_tier_allowed_it(flat_system, stored):
    await flat_system.start(*EVERYTHING)
    await flat_system.publish(**open_plan("own"))
    assert (await flat_system.result("own")).executed
    await stored.put("BTCUSDT", "ETHUSDT")
    await flat_system.publish(**open_plan("active", "ETHUSDT", "0.05"))
    await flat_system.result("active")
    rows = await flat_system.link.client.xrange(flat_system.names.stream(Stream.GATE_DECISION))
    records = [DecisionRecord.from_fields(decode_fields(raw)) for _, raw in rows]
    said = {r.plan_id: r.terms["allowlist"] for r in records if r.gate == "p33_position_gate"}
    assert said == {"own": "env", "active": "active"}


async def test_what_the_exchange_does_not_list_is_not_opened_and_can_be_closed(
    system: System,
):
    await Stored(system).put("BTCUSDT")
    await system.start(*EVERYTHING)
    await system.publish(**open_plan("open", "ADAUSDT", "20"))
    await system.publish(**close_plan("close"))
    assert (await system.result("open")).error == "symbol_not_in_allowlist:ADAUSDT, list active"
    assert (await system.result("close")).executed


async def test_the_universe_never_widens_the_executors_own_list(flat_system, stored):
    await stored.put("BTCUSDT", "ETHUSDT")
    await flat_system.start(*EVERYTHING, INTENT_EXECUTOR_ALLOWLIST="BTCUSDT")
    await flat_system.publish(**open_plan("p1", "ETHUSDT", "0.05"))
    assert (await flat_system.result("p1")).error == "symbol_not_in_allowlist:ETHUSDT"


@pytest.mark.parametrize("spoilt", [b"\xff", b"[]", b"list"])
async def test_a_universe_that_cannot_be_read_leaves_every_reader_its_own_list(
    flat_system, stored, spoilt
):
    for key in (stored.active, stored.last_ok):
        if spoilt == b"list":
            await stored.redis.lpush(key, "BTCUSDT")
        else:
            await stored.redis.set(key, spoilt)
    source = allowlist_source(Service.INTENT_BRIDGE, flat_system.link, flat_system.settings)
    found = await source.allowlist()
    assert found.value.tier is Tier.ENV
    assert found.value.skipped.count("unreadable") == 2
    await flat_system.start(*EVERYTHING)
    await flat_system.publish(**open_plan("p1"))
    assert (await flat_system.result("p1")).executed


async def test_the_bridges_source_takes_the_tiers_in_order(flat_system, stored):
    source = allowlist_source(Service.INTENT_BRIDGE, flat_system.link, flat_system.settings)
    await stored.put("BTCUSDT")
    assert (await source.allowlist()).value.tier is Tier.ACTIVE
    await stored.put("BTCUSDT", age_ms=200_000)
    assert (await source.allowlist()).value.tier is Tier.LAST_OK
    await stored.put("BTCUSDT", age_ms=400_000)
    assert (await source.allowlist()).value.tier is Tier.ENV


def test_a_list_is_decoded_again_only_when_its_bytes_change():
    tiers = Tiers(None, UniverseAges(10, 10))
    first = UniverseList(frozenset({"BTCUSDT"}), 5).to_json().encode()
    second = UniverseList(frozenset({"ETHUSDT"}), 6).to_json().encode()
    kept = tiers.choose(first, None, 5)
    assert tiers.choose(bytes(bytearray(first)), None, 5).value.symbols is kept.value.symbols
    assert tiers.choose(second, None, 6).value.symbols == {"ETHUSDT"}
    assert decode_list(None) == Missing("absent")
