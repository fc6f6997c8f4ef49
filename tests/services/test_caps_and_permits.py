"""Caps under concurrency, permits that are not what they claim, the kill switch."""

import asyncio
import json

import pytest

from qtops.contracts.registry import Key, Service
from tests.services.conftest import EVERYTHING, READERS, SYMBOLS, System, close_plan, open_plan

SMALL = {  # about 10 to 60 USDT each at the sandbox's prices
    "BTCUSDT": "0.002", "ETHUSDT": "0.02", "TRXUSDT": "100", "SOLUSDT": "1", "XRPUSDT": "20",
    "BNBUSDT": "0.1", "ADAUSDT": "100", "DOGEUSDT": "200", "LINKUSDT": "3", "AVAXUSDT": "2",
}  # fmt: skip


async def test_of_ten_opens_at_once_three_execute_when_the_cap_is_three(flat_system: System):
    await flat_system.start(
        *EVERYTHING, GOV_MAX_OPEN_POSITIONS="3", GOV_MAX_NOTIONAL_PER_TRADE_USDT="1000",
        GOV_MAX_TOTAL_NOTIONAL_USDT="100000",
    )  # fmt: skip
    plans = [open_plan(f"p-{s}", s, SMALL[s]) for s in SYMBOLS.split(",")]
    await asyncio.gather(*(flat_system.publish(**plan) for plan in plans))
    results = [await flat_system.result(plan["plan_id"]) for plan in plans]
    assert sum(r.executed for r in results) == 3
    refused = {r.error for r in results if not r.executed}
    assert refused == {"governor_permit_denied:max_positions_reached"}
    assert len(await flat_system.orders()) == 3


async def test_the_total_cap_holds_over_reservations(flat_system: System):
    await flat_system.start(*EVERYTHING, GOV_MAX_TOTAL_NOTIONAL_USDT="100")
    await asyncio.gather(
        *(flat_system.publish(**open_plan(f"p-{s}", s, SMALL[s])) for s in ("XRPUSDT", "ADAUSDT")),
    )
    await flat_system.publish(**open_plan("p-big", "SOLUSDT", "1"))
    results = [await flat_system.result(f"p-{s}") for s in ("XRPUSDT", "ADAUSDT", "big")]
    errors = [r.error for r in results if not r.executed]
    assert "governor_permit_denied:total_notional_exceeded" in errors


async def test_refused_plans_give_their_reservation_back(flat_system: System):
    await flat_system.start(*EVERYTHING, P33_ALLOWLIST="BTCUSDT")
    await flat_system.publish(**open_plan("p1", "XRPUSDT", "20"))
    assert "symbol_not_in_allowlist" in (await flat_system.result("p1")).error
    held = await flat_system.link.client.hgetall(flat_system.names.key(Key.RESERVATIONS))
    assert held == {}


async def _forge(system: System, plan_id: str, change) -> None:
    """Let the gates permit, then change the governor's permit before the executor starts."""
    key = system.names.key(Key.PERMIT_GOVERNOR, plan_id=plan_id)
    raw = None
    while raw is None:
        raw = await system.link.client.get(key)
        await asyncio.sleep(0.01)
    permit = json.loads(raw)
    changed = change(permit)
    if changed is None:
        await system.link.client.delete(key)
    else:
        await system.link.client.set(key, json.dumps(changed), px=60_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda p: {**p, "symbol": "BTCUSDT"}, "permit_forged", id="edited"),
        pytest.param(lambda p: {**p, "plan_id": "other"}, "permit_forged", id="for another plan"),
        pytest.param(
            lambda p: {**p, "expires_at_ms": 9_000_000_000_000}, "permit_forged", id="prolonged"
        ),
        pytest.param(lambda p: None, "permit_missing:governor", id="expired"),
        pytest.param(lambda p: 1, "permit_forged", id="the bare 1"),
        pytest.param(lambda p: "{", "permit_unreadable", id="garbage"),
    ],
)
async def test_a_permit_that_is_not_what_it_claims_admits_nothing(system: System, change, reason):
    await system.start(*READERS, Service.GOVERNOR, Service.PORTFOLIO_GATE,
                       Service.POSITION_GATE)  # fmt: skip
    await system.publish(**close_plan("p1"))
    await _forge(system, "p1", change)
    await system.start(Service.EXECUTOR, INTENT_EXECUTOR_PERMIT_WAIT_SECONDS="0.3")
    result = await system.result("p1")
    assert not result.executed
    assert result.error.startswith(reason)
    assert await system.orders() == []


async def test_an_unsigned_permit_for_another_plan_admits_nothing(system: System):
    await system.start(*EVERYTHING[:-1], QTOPS_PERMIT_KEY="")
    await system.publish(**close_plan("p1"))
    await _forge(system, "p1", lambda p: {**p, "plan_digest": "0" * 64})
    await system.start(Service.EXECUTOR, QTOPS_PERMIT_KEY="")
    assert (await system.result("p1")).error.startswith("permit_other_plan")
    assert await system.orders() == []


@pytest.mark.parametrize(
    ("value", "closes", "opens"),
    [
        ("0", "", "total_notional_exceeded"),
        ("reduce", "", "reducing_only"),
        ("1", "kill_switch_active", "kill_switch_active"),
        ("banana", "kill_switch_active", "kill_switch_active"),
    ],
)
async def test_the_kill_switch_stops_what_it_should(system: System, value, closes, opens):
    await system.start(*EVERYTHING)
    await system.link.client.set(system.names.key(Key.KILL), value)
    await system.publish(**close_plan("close"))
    await system.publish(**open_plan("open", "XRPUSDT", "20"))
    closed, opened = await system.result("close"), await system.result("open")
    assert closes in closed.error
    assert closed.executed is (closes == "")
    assert opens in opened.error
    assert not opened.executed


async def test_a_kill_after_the_permits_voids_them_all(system: System):
    await system.start(*EVERYTHING[:-1])
    await system.publish(**close_plan("p1"))
    await _forge(system, "p1", lambda p: {**p})
    await system.link.client.incr(system.names.key(Key.KILL_EPOCH))
    await system.start(Service.EXECUTOR)
    assert "kill_epoch_changed" in (await system.result("p1")).error
    assert await system.orders() == []


async def test_mode_dry_run_lets_nothing_through(system: System):
    await system.link.client.set(system.names.key(Key.MODE), "DRY_RUN")
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    assert (await system.result("p1")).error.startswith("mode_forbids")
    assert await system.orders() == []
