"""The executor dies at every step, or the exchange gives no answer: one order, one result."""

import asyncio
import json
import os
import sys
from decimal import Decimal

import pytest

from qtops.contracts.registry import Key, Service, Stream
from qtops.services.failpoints import Step
from tests.services.conftest import EVERYTHING, GATES, READERS, System, close_plan, open_plan

FEEDERS = (*READERS, *GATES)


async def start_executor(system: System, **environ: str) -> asyncio.subprocess.Process:
    """The executor as a process of its own, ready to read."""
    plain = {**os.environ, **system.environ, **environ, "QTOPS_LOG_LEVEL": "warning"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "qtops", "--json", "run", "executor"),
        env=plain,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert json.loads(line)["schema"] == "qtops.run.ready/v1"
    return process


async def end(process: asyncio.subprocess.Process) -> int:
    process.terminate()
    return await asyncio.wait_for(process.wait(), 25)


@pytest.mark.parametrize("step", [s for s in Step if s is not Step.LOOKED_UP], ids=str)
async def test_killed_at_any_step_and_restarted_it_places_one_order(system: System, step: Step):
    await system.start(*FEEDERS)
    dying = await start_executor(system, QTOPS_FAILPOINT=step.value)
    await system.publish(**close_plan("p1", qty="8944.5"))
    assert await asyncio.wait_for(dying.wait(), 20) == -9
    living = await start_executor(system)
    result = await system.result("p1", timeout_s=25)
    assert (result.executed, result.filled_quantity, result.error) == (True, Decimal(8944), "")
    assert [o["clientOrderId"] for o in await system.orders()] == [system.order_id("p1")]
    assert len(await system.results_of("p1")) == 1
    assert await system.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 0
    assert await end(living) == 0


async def test_killed_again_during_recovery_it_still_places_one_order(system: System):
    await system.start(*FEEDERS)
    for step in (Step.MARKED, Step.LOOKED_UP):
        dying = await start_executor(system, QTOPS_FAILPOINT=step.value)
        if step is Step.MARKED:
            await system.publish(**close_plan("p1"))
        assert await asyncio.wait_for(dying.wait(), 25) == -9
    living = await start_executor(system)
    assert (await system.result("p1", timeout_s=25)).executed
    assert len(await system.orders()) == 1
    assert len(await system.results_of("p1")) == 1
    assert await end(living) == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("disconnect_after_execute", None),
        ("disconnect_before_execute", None),
        ("unknown_503_executed", None),
        ("unknown_503_not_executed", None),
        ("unavailable_503", None),
        ("error", -1007),
        ("error", -1021),
    ],
)
async def test_without_a_clear_answer_there_is_still_one_order(system: System, kind, value):
    await system.start(*EVERYTHING, QTOPS_RECV_WINDOW_MS="500")
    fault = {"path": "/fapi/v1/order", "method": "POST", "kind": kind, "count": 1}
    await system.control("POST", "faults", **fault, **({} if value is None else {"value": value}))
    await system.publish(**close_plan("p1"))
    result = await system.result("p1", timeout_s=30)
    assert (result.executed, result.error) == (True, "")
    assert len(await system.orders()) == 1
    assert len(await system.results_of("p1")) == 1


async def test_while_the_lookup_fails_nothing_is_guessed_and_opens_are_blocked(system: System):
    await system.start(*EVERYTHING, QTOPS_RECV_WINDOW_MS="500", GOV_MAX_TOTAL_NOTIONAL_USDT="90000")
    for method, kind in (("POST", "disconnect_after_execute"), ("GET", "unavailable_503")):
        await system.control(
            "POST", "faults", path="/fapi/v1/order", method=method, kind=kind, count=100
        )
    await system.publish(**close_plan("p1"))
    key = system.names.key(Key.RESERVATIONS)
    while b'"unknown"' not in (await system.link.client.hget(key, "p1") or b""):
        await asyncio.sleep(0.02)
    await system.publish(**open_plan("p2", "TRXUSDT", "100"))
    assert not (await system.result("p2")).executed
    # Another gate may refuse as well, and the result names whichever answered first.
    permit = await system.permit(Key.PERMIT_GOVERNOR, "p2")
    assert permit["reason"] == "unresolved_order"
    assert await system.results_of("p1") == []
    await system.control("DELETE", "faults")
    assert (await system.result("p1", timeout_s=20)).executed
    assert len(await system.orders()) == 1


@pytest.mark.parametrize("code", [-2019, -2022, -1111, -4003])
async def test_a_final_refusal_settles_with_the_exchanges_code(system: System, code: int):
    await system.start(*EVERYTHING)
    fault = {"path": "/fapi/v1/order", "method": "POST", "kind": "error", "count": 1}
    await system.control("POST", "faults", **fault, value=code)
    await system.publish(**close_plan("p1"))
    result = await system.result("p1")
    assert (result.executed, result.error) == (False, f"binance_error:{code}")


async def test_a_partial_fill_is_reported_with_what_was_filled(system: System):
    await system.start(*EVERYTHING)
    fault = {"path": "/fapi/v1/order", "method": "POST", "kind": "partial_fill", "count": 1}
    await system.control("POST", "faults", **fault, value="0.25")
    await system.publish(**close_plan("p1", qty="1000"))
    result = await system.result("p1")
    assert result.executed
    assert Decimal(0) < result.filled_quantity < Decimal(1000)
    book = await system.link.client.hget(
        system.names.key(Key.BOOK, symbol="TRXUSDT"), "position_amt"
    )
    assert Decimal(book.decode()) == Decimal(17889) - result.filled_quantity


async def test_a_slow_plan_does_not_hold_up_the_others(system: System):
    """Fourteen plans wait for permits that never come; the one with permits goes through first."""
    await system.start(*READERS, Service.EXECUTOR, INTENT_EXECUTOR_PERMIT_WAIT_SECONDS="5")
    for i in range(14):
        await system.publish(**close_plan(f"stuck-{i}"))
    await system.start(Service.GOVERNOR, Service.PORTFOLIO_GATE)  # the position gate is missing
    await system.publish(**close_plan("refused", source="nobody"))
    assert (await system.result("refused", timeout_s=3)).error.startswith("source_not_allowed")
    assert await system.results_of("stuck-0") == []


async def test_sigterm_finishes_what_is_in_hand_and_leaves_no_heartbeat(system: System):
    await system.start(*FEEDERS)
    process = await start_executor(system)
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    assert await end(process) == 0
    assert not await system.link.client.exists(
        system.names.key(Key.HEARTBEAT, service=Service.EXECUTOR.value)
    )


async def test_an_old_plan_is_refused_as_stale(system: System):
    await system.publish(**close_plan("p1"))
    await asyncio.sleep(0.3)
    await system.start(*FEEDERS)
    await system.start(Service.EXECUTOR, INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS="0.2")
    assert (await system.result("p1")).error.startswith("plan_stale")


async def test_hedge_mode_is_refused_at_start(redis_server):
    from qtops.errors import RefusedError
    from tests.services.conftest import running_system

    async with running_system(redis_server.url, "flat") as system:
        await system.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
        with pytest.RaisesGroup(pytest.RaisesExc(RefusedError, match="hedge mode")):
            await system.start(Service.EXECUTOR)
