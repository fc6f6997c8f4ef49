"""Clusters and budgets on a real Redis: what is written, what the gates make of it."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

from qtops.adapters.fact_reader import FactReader
from qtops.adapters.market_store import RedisMarketStore
from qtops.contracts.facts import Missing
from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.registry import Key, Service
from qtops.contracts.snapshot import encode_portfolio
from qtops.contracts.vocabulary import FactName
from tests.services.conftest import READERS, System, open_plan
from tests.strategies import D, held, plan

BOOK = replace(
    held(BTCUSDT=D("0.02"), ETHUSDT=D("0.4")), equity_usdt=D(10_000), peak_equity_usdt=D(10_100)
)
SIGMA = {"BTCUSDT": D("0.01"), "ETHUSDT": D("0.01")}
FAST = {"P27_UPDATE_SEC": "15", "P28_UPDATE_SEC": "0.05", "P33_ALLOWLIST": "BTCUSDT,ETHUSDT"}
FAST["INTENT_EXECUTOR_ALLOWLIST"] = FAST["P33_ALLOWLIST"]
RISK = (Service.CLUSTERS, Service.RISK_BUDGET)


async def feed(system: System, book=BOOK, minutes=20):
    """A book, its volatility, and prices of two symbols that move as one."""
    store = RedisMarketStore(system.link)
    now_ms = await store.now_ms()
    first = (now_ms // INTERVAL_MS - minutes) * INTERVAL_MS
    closes = [Decimal(100 + (n * n) % 7) for n in range(minutes)]
    rows = [Kline(first + n * INTERVAL_MS, close) for n, close in enumerate(closes)]
    await store.closes(dict.fromkeys(book.positions, rows), SIGMA, now_ms)
    portfolio = system.names.key(Key.PORTFOLIO)
    await system.link.client.hset(portfolio, mapping=encode_portfolio(book, now_ms))


async def stored(system: System, key: Key, **parts):
    raw = await system.link.client.hgetall(system.names.key(key, **parts))
    return {k.decode(): v.decode() for k, v in raw.items()}


async def until(read, wanted):
    async with asyncio.timeout(10):
        while not wanted(seen := await read()):
            await asyncio.sleep(0.02)
    return seen


async def budget_of(system: System, symbol="BTCUSDT"):
    return await until(lambda: stored(system, Key.BUDGET, symbol=symbol), bool)


async def fact(system: System, name: FactName):
    _, [facts] = await FactReader(system.link).read([plan()], frozenset({name}))
    return getattr(facts, name.value)


async def test_clusters_and_budgets_are_written_whole_and_expire(flat_system: System):
    system = flat_system
    await feed(system)
    key = system.names.key(Key.CLUSTER_STATE)
    await system.link.client.hset(key, "left_over", "1")
    await system.start(*RISK, **FAST)
    state = await stored(system, Key.CLUSTER_STATE)
    assert "left_over" not in state
    assert (state["ready"], state["cluster_stress"], state["points"]) == ("true", "1", "19")
    assert [c["symbols"] for c in json.loads(state["clusters"])] == [["BTCUSDT", "ETHUSDT"]]
    assert 0 < await system.link.client.ttl(key) <= 300
    # heat 0, clusters 1, level 0.33: stress 0.466 and 0.02 * 10000 * 0.534
    budget = await budget_of(system)
    assert (budget["budget_usdt"], budget["stress"], budget["heat"]) == ("106.8", "0.466", "0")
    target = await stored(system, Key.ALLOCATION, symbol="BTCUSDT")
    assert target["target_usdt"] == "57.0312"
    assert 0 < await system.link.client.ttl(system.names.key(Key.BUDGET, symbol="BTCUSDT")) <= 300
    assert (await fact(system, FactName.BUDGET)).value == D("106.8")
    assert (await fact(system, FactName.ALLOCATION)).value == D("57.0312")
    clusters = await fact(system, FactName.CLUSTERS)
    assert clusters.value.members == (("BTCUSDT", "ETHUSDT"),)
    beats = [system.names.key(Key.HEARTBEAT, service=service.value) for service in RISK]
    assert await system.link.client.exists(*beats) == len(beats)
    await system.stop()
    assert await system.link.client.exists(*beats) == 0


async def test_without_prices_there_is_no_stress_and_no_budget(flat_system: System):
    system = flat_system
    await feed(system)
    await system.link.client.delete(system.names.key(Key.KLINES, symbol="ETHUSDT"))
    await system.start(*RISK, **FAST)
    state = await stored(system, Key.CLUSTER_STATE)
    assert (state["ready"], state["why"]) == ("false", "klines of ETHUSDT absent")
    assert "cluster_stress" not in state
    assert await stored(system, Key.BUDGET, symbol="BTCUSDT") == {}
    assert await fact(system, FactName.CLUSTERS) == Missing("not ready: klines of ETHUSDT absent")


async def test_the_governor_holds_an_open_to_its_budget(flat_system: System):
    """The account is flat; 0.02 * equity is below the 100 USDT that the plan asks for."""
    system = flat_system
    await system.start(*READERS)
    limits = {"GOV_P28_MODE": "enforce"}
    await system.start(Service.GOVERNOR, **limits)
    now_ms = await system.link.now_ms()
    for amount, plan_id in (("5", "small"), ("100000", "large")):
        name = system.names.key(Key.BUDGET, symbol="BTCUSDT")
        fields = {"budget_usdt": amount, "observed_at_ms": str(now_ms)}
        await system.link.client.hset(name, mapping=fields)
        await system.publish(**open_plan(plan_id))
        permit = await until(lambda p=plan_id: system.permit(Key.PERMIT_GOVERNOR, p), bool)
        expected = "p28_budget_violation" if plan_id == "small" else "ok"
        assert permit["reason"] == expected
    assert "p29_would_deny" in permit


async def test_a_budget_comes_back_after_redis_was_gone(flat_system: System):
    system = flat_system
    await feed(system)
    await system.start(*RISK, **FAST)
    await budget_of(system)
    await system.link.client.client_kill_filter(_type="normal", skipme=True)
    await system.link.client.delete(system.names.key(Key.BUDGET, symbol="BTCUSDT"))
    assert (await budget_of(system))["budget_usdt"] == "106.8"
