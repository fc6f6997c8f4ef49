"""Everything at once: faults of every kind, processes that die, caps under pressure."""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from qtops.contracts.registry import Key, Service, Stream
from qtops.sandbox.exchange.scenario import load_scenario
from qtops.sandbox.redis_server import EmbeddedRedis, _free_port
from qtops.services import loop
from tests.services.conftest import (
    EVERYTHING,
    GATES,
    READERS,
    SYMBOLS,
    System,
    close_plan,
    open_plan,
    running_system,
)
from tests.services.crashes import (
    Worker,
    assert_consistent,
    exchange_at,
    positions,
    reservations,
    settled,
    until,
    workers,
)

FEEDERS = (*READERS, *GATES)
SMALL = {  # about 10 to 60 USDT each at the sandbox's prices
    "BTCUSDT": "0.002", "ETHUSDT": "0.02", "TRXUSDT": "100", "SOLUSDT": "1", "XRPUSDT": "20",
    "BNBUSDT": "0.1", "ADAUSDT": "100", "DOGEUSDT": "200", "LINKUSDT": "3", "AVAXUSDT": "2",
}  # fmt: skip
FAULTS = (
    ("disconnect_before_execute", None),
    ("disconnect_after_execute", None),
    ("unknown_503_executed", None),
    ("unknown_503_not_executed", None),
    ("unavailable_503", None),
    ("error", -1007),
    ("error", -1021),
    ("error", -2019),
    ("latency_ms", 200),
    ("partial_fill", "0.5"),
)
ROOMY = {"GOV_MAX_NOTIONAL_PER_TRADE_USDT": "1000", "GOV_MAX_TOTAL_NOTIONAL_USDT": "100000"}


@pytest.fixture(autouse=True)
def _short_reclaim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RECLAIM_IDLE_MS", 1000)
    monkeypatch.setattr(loop, "RECLAIM_EVERY_S", 0.3)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_faults_and_deaths_in_any_order_leave_the_books_straight(system: System, seed: int):
    """Plans, faults, kills of an executor and restarts of the gates, in a random order."""
    luck = random.Random(seed)
    before = await positions(system)
    await system.start(*READERS, **ROOMY)
    plans = [close_plan(f"c{i}", *luck.choice((("TRXUSDT", "50"), ("ETHUSDT", "0.1"))))
             for i in range(8)]  # fmt: skip
    opens = luck.sample([s for s in SMALL if s not in before], 5)
    plans += [open_plan(f"o-{s}", s, SMALL[s]) for s in opens]
    bad = {**close_plan("bad"), "qty": "NaN"}
    plans.append(bad)
    luck.shuffle(plans)
    async with workers() as alive:
        alive.append(await Worker.start(system, "gov", Service.GOVERNOR, **ROOMY))
        alive.append(await Worker.start(system, "p26", Service.PORTFOLIO_GATE))
        alive.append(await Worker.start(system, "p33", Service.POSITION_GATE))
        alive += [await Worker.start(system, host) for host in ("one", "two")]
        gates = {0: ("gov", Service.GOVERNOR), 2: ("p33", Service.POSITION_GATE)}
        for number, plan in enumerate(plans):
            if luck.random() < 0.7:
                kind, value = luck.choice(FAULTS)
                what = {"path": "/fapi/v1/order", "kind": kind, "count": luck.randrange(1, 3)}
                what["method"] = luck.choice(("POST", "POST", "GET"))
                if kind in {"partial_fill", "error"}:
                    what["method"] = "POST"
                if value is not None:
                    what["value"] = value
                await system.control("POST", "faults", **what)
            await system.publish(**plan)
            if number in {3, 9}:
                victim = luck.choice((3, 4))
                await alive[victim].kill()
                alive[victim] = await Worker.start(system, ("one", "two")[victim - 3])
            if number == 6:
                victim = luck.choice(list(gates))
                await alive[victim].kill()
                host, service = gates[victim]
                alive[victim] = await Worker.start(system, host, service, **ROOMY)
        await system.control("DELETE", "faults")
        ids = {plan["plan_id"] for plan in plans}
        await settled(system, ids, timeout_s=40)
    await assert_consistent(system, before, ids)
    assert [letter["field"] for letter in await system.dead_letters()] == ["qty"]
    assert len(await system.orders()) >= 1


async def test_caps_hold_at_the_exchange_with_two_governors_and_two_executors(
    flat_system: System,
):
    """Thirty opens of ten symbols at once; four positions and 150 USDT are allowed."""
    caps = {"GOV_MAX_OPEN_POSITIONS": "4", "GOV_MAX_TOTAL_NOTIONAL_USDT": "150"}
    await flat_system.start(*READERS, Service.PORTFOLIO_GATE, Service.POSITION_GATE)
    async with workers() as alive:
        for host in ("one", "two"):
            alive.append(await Worker.start(flat_system, host, Service.GOVERNOR, **caps))
            alive.append(await Worker.start(flat_system, host))
        plans = [open_plan(f"p{i}-{s}", s, SMALL[s]) for i in range(3) for s in SYMBOLS.split(",")]
        await asyncio.gather(*(flat_system.publish(**plan) for plan in plans))
        ids = {plan["plan_id"] for plan in plans}
        await settled(flat_system, ids)
    await assert_consistent(flat_system, {}, ids)
    rows = await flat_system.signed("GET", "/fapi/v3/positionRisk")
    held = [row for row in rows if Decimal(row["positionAmt"]) != 0]
    assert 1 <= len(held) <= 4
    # The exchange fills at the opposite side of a narrow book, a little off the mark.
    assert sum(abs(Decimal(r["notional"])) for r in held) <= Decimal("150.5")
    per_symbol = Counter(order["symbol"] for order in await flat_system.orders())
    assert set(per_symbol.values()) == {1}
    left = await reservations(flat_system)
    assert {r["state"] for r in left.values()} <= {"filled"}


async def test_what_is_promised_and_never_used_is_free_again(flat_system: System):
    """No executor runs: reservations lapse with their permits, and the next plan fits."""
    short = {"GOV_PERMIT_TTL_SECONDS": "1", "GOV_MAX_OPEN_POSITIONS": "1"}
    await flat_system.start(*FEEDERS, **short)
    await flat_system.publish(**open_plan("p1", "XRPUSDT", "20"))

    async def promised() -> bool:
        return set(await reservations(flat_system)) == {"p1"}

    await until(promised, "capacity is reserved")
    await flat_system.publish(**open_plan("p2", "ADAUSDT", "100"))
    await _decided(flat_system, "p2")
    assert set(await reservations(flat_system)) == {"p1"}

    async def lapsed() -> bool:
        return await flat_system.permit(Key.PERMIT_GOVERNOR, "p1") is None

    await until(lapsed, "the permit has lapsed")
    await flat_system.publish(**open_plan("p3", "ADAUSDT", "100"))
    await _decided(flat_system, "p3")

    async def moved_on() -> bool:
        return set(await reservations(flat_system)) == {"p3"}

    await until(moved_on, "the capacity belongs to the next plan")


async def _decided(system: System, plan_id: str) -> None:
    async def written() -> bool:
        rows = await system.link.client.xrange(system.names.stream(Stream.GATE_DECISION))
        found = [(raw[b"plan_id"].decode(), raw[b"gate"].decode()) for _, raw in rows]
        return (plan_id, "governor") in found

    await until(written, f"the governor decided on {plan_id}")


async def test_an_unknown_order_keeps_its_reservation_past_every_permit(flat_system: System):
    short = {"GOV_PERMIT_TTL_SECONDS": "1", "GOV_MAX_OPEN_POSITIONS": "1"}
    await flat_system.start(*EVERYTHING, QTOPS_RECV_WINDOW_MS="500", **short)
    for method, kind in (("POST", "disconnect_after_execute"), ("GET", "unavailable_503")):
        await flat_system.control(
            "POST", "faults", path="/fapi/v1/order", method=method, kind=kind, count=1000
        )
    await flat_system.publish(**open_plan("p1", "XRPUSDT", "20"))

    async def unknown() -> bool:
        return (await reservations(flat_system)).get("p1", {}).get("state") == "unknown"

    await until(unknown, "the outcome is unknown")
    expires_ms = int(str((await reservations(flat_system))["p1"]["expires_at_ms"]))

    async def past_it() -> bool:
        return await flat_system.link.now_ms() > expires_ms

    await until(past_it, "its permit would have lapsed")
    await flat_system.publish(**open_plan("p2", "ADAUSDT", "100"))
    assert "max_positions_reached" in (await flat_system.result("p2")).error
    assert await unknown()
    await flat_system.control("DELETE", "faults")
    assert (await flat_system.result("p1", timeout_s=30)).executed
    await assert_consistent(flat_system, {}, {"p1", "p2"})


@pytest.mark.parametrize("kind", ["disconnect_after_execute", "disconnect_before_execute"])
async def test_an_exchange_that_restarts_remembers_and_nothing_is_sent_twice(
    redis_server: EmbeddedRedis, tmp_path: Path, kind: str
):
    port, journal = _free_port(), tmp_path / "journal"
    played, url = load_scenario("exit-proof"), f"http://127.0.0.1:{port}"
    environ = {
        "QTOPS_RECV_WINDOW_MS": "500",
        "QTOPS_EXCHANGE_URL": url,
        "BINANCE_TESTNET_API_KEY": played.api_key,
        "BINANCE_TESTNET_API_SECRET": played.api_secret,
    }
    async with running_system(redis_server.url, "exit-proof", **environ) as it:
        it.http.base_url = url
        async with exchange_at(played, port, journal):
            before = await positions(it)
            await it.start(*EVERYTHING)
            for method, fault in (("POST", kind), ("GET", "unavailable_503")):
                await it.control(
                    "POST", "faults", path="/fapi/v1/order", method=method, kind=fault, count=1000
                )
            await it.publish(**close_plan("p1"))

            async def unknown() -> bool:
                return (await reservations(it)).get("p1", {}).get("state") == "unknown"

            await until(unknown, "the outcome is unknown")
        assert await it.results_of("p1") == []
        async with exchange_at(played, port, journal):
            await settled(it, {"p1"})
            await assert_consistent(it, before, {"p1"})
            assert len(await it.orders()) == 1
            await it.stop()
