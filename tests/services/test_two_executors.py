"""Two executors on one stream, one of which stalls: the other goes on, and there is one order."""

import asyncio
from decimal import Decimal

import pytest

from qtops.contracts.registry import Key, Service, Stream
from qtops.services.failpoints import Step
from tests.services.conftest import EVERYTHING, GATES, READERS, System, close_plan, open_plan
from tests.services.crashes import (
    Worker,
    assert_consistent,
    positions,
    reservations,
    settled,
    until,
    workers,
)

FEEDERS = (*READERS, *GATES)


@pytest.mark.parametrize(
    "step", [Step.RECEIVED, Step.ADMITTED, Step.PREPARED, Step.MARKED, Step.ANSWERED], ids=str
)
async def test_a_stalled_executor_that_wakes_up_adds_nothing(system: System, step: Step):
    before = await positions(system)
    await system.start(*FEEDERS)
    async with workers() as alive:
        alive.append(stalled := await Worker.start(system, "one", stop_at=step.value))
        await system.publish(**close_plan("p1", qty="8944.5"))
        await stalled.stopped()
        alive.append(await Worker.start(system, "two"))
        result = await system.result("p1", timeout_s=30)
        assert (result.executed, result.filled_quantity) == (True, Decimal(8944))
        stalled.thaw()
        await system.publish(**close_plan("p2", "ETHUSDT", "0.5"))
        await settled(system, {"p1", "p2"})
    await assert_consistent(system, before, {"p1", "p2"})
    assert len(await system.orders()) == 2
    assert await reservations(system) == {}


@pytest.mark.parametrize("step", [Step.ADMITTED, Step.MARKED], ids=str)
async def test_woken_while_the_other_is_at_work_it_still_adds_nothing(system: System, step: Step):
    """Both hold the plan in hand: the second stalls right after it has taken over."""
    before = await positions(system)
    await system.start(*FEEDERS)
    async with workers() as alive:
        alive.append(first := await Worker.start(system, "one", stop_at=step.value))
        await system.publish(**close_plan("p1"))
        await first.stopped()
        alive.append(second := await Worker.start(system, "two", stop_at=Step.MARKED.value))
        if step is Step.ADMITTED:
            await second.stopped()
        else:  # its write-ahead waits for the first one's fence
            await until(_owned_by(system, "p1", "two"), "the second executor took over")
            second.freeze()
        first.thaw()
        second.thaw()
        await settled(system, {"p1"})
    await assert_consistent(system, before, {"p1"})
    assert len(await system.orders()) == 1


def _owned_by(system: System, plan_id: str, host: str):
    key = system.names.key(Key.CLAIM, plan_id=plan_id)

    async def owned() -> bool:
        owner = await system.link.client.hget(key, "owner")
        return owner is not None and owner.decode().startswith(f"{host}:")

    return owned


async def test_without_an_answer_the_second_resolves_it_and_no_reservation_stays(system: System):
    """The first sent and got no answer; it stalls. The second settles; the first then wakes up."""
    before = await positions(system)
    await system.start(*FEEDERS)
    for method, kind in (("POST", "disconnect_after_execute"), ("GET", "unavailable_503")):
        await system.control(
            "POST", "faults", path="/fapi/v1/order", method=method, kind=kind, count=1000
        )
    async with workers() as alive:
        alive.append(first := await Worker.start(system, "one"))
        await system.publish(**close_plan("p1"))

        async def unknown() -> bool:
            return (await reservations(system)).get("p1", {}).get("state") == "unknown"

        await until(unknown, "the outcome is unknown")
        first.freeze()
        await system.control("DELETE", "faults")
        alive.append(await Worker.start(system, "two"))
        assert (await system.result("p1", timeout_s=30)).executed
        first.thaw()
        await system.publish(**close_plan("p2", "ETHUSDT", "0.5"))
        await settled(system, {"p1", "p2"})
    await assert_consistent(system, before, {"p1", "p2"})
    assert await reservations(system) == {}


# --- an id that is used again -------------------------------------------------------------------
async def test_an_id_reused_with_other_content_after_the_end_is_kept_in_the_dlq(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    await system.publish(**close_plan("p1", "ETHUSDT", "0.5"))
    await system.publish(**close_plan("p1"))
    await settled(system, {"p1"})
    [letter] = await system.dead_letters()
    assert (letter["reason"], letter["field"]) == ("plan_id_reused", "plan_id")
    assert "ETHUSDT" in letter["raw"]
    assert [o["symbol"] for o in await system.orders()] == ["TRXUSDT"]
    assert len(await system.results_of("p1")) == 1


@pytest.mark.parametrize("step", [Step.ADMITTED, Step.MARKED, Step.ANSWERED], ids=str)
async def test_an_id_reused_in_flight_is_never_sent_under_the_firsts_permits(system, step: Step):
    before = await positions(system)
    await system.start(*FEEDERS)
    async with workers() as alive:
        alive.append(first := await Worker.start(system, "one", stop_at=step.value))
        await system.publish(**close_plan("p1"))
        await first.stopped()
        await system.publish(**close_plan("p1", "ETHUSDT", "0.5"))
        # The second executor sees the other plan first: nothing is idle for long enough yet.
        alive.append(await Worker.start(system, "two", idle_ms=3000))

        async def buried() -> bool:
            return len(await system.dead_letters()) == 1

        await until(buried, "the second plan is in the dlq")
        first.thaw()
        await settled(system, {"p1"})
    await assert_consistent(system, before, {"p1"})
    assert [o["symbol"] for o in await system.orders()] == ["TRXUSDT"]


async def test_an_undecodable_plan_ends_its_id(system: System):
    """It was told `executed=false`; a later entry under the id must not make a second result."""
    await system.start(*EVERYTHING)
    for qty in ("ten", "-5", "100"):
        await system.publish(**close_plan("p1", qty=qty))
    await system.publish(**close_plan("p2", "ETHUSDT", "0.5"))
    await settled(system, {"p1", "p2"})
    assert [r.executed for r in await system.results_of("p1")] == [False]
    assert [o["symbol"] for o in await system.orders()] == ["ETHUSDT"]
    assert len(await system.dead_letters()) >= 2


async def test_thirty_entries_of_one_plan_over_two_executors_give_one_order(system: System):
    before = await positions(system)
    await system.start(*FEEDERS)
    async with workers() as alive:
        alive += [await Worker.start(system, host) for host in ("one", "two")]
        await asyncio.gather(*(system.publish(**close_plan("p1")) for _ in range(30)))
        await settled(system, {"p1"})
    await assert_consistent(system, before, {"p1"})
    assert len(await system.orders()) == 1
    assert await system.dead_letters() == []


async def test_both_executors_work_and_share_the_plans(flat_system: System):
    names = ("XRPUSDT", "ADAUSDT", "LINKUSDT", "AVAXUSDT")
    sizes = ("20", "100", "3", "2")
    await flat_system.start(*FEEDERS)
    async with workers() as alive:
        alive += [await Worker.start(flat_system, host) for host in ("one", "two")]
        for symbol, qty in zip(names, sizes, strict=True):
            await flat_system.publish(**open_plan(f"p-{symbol}", symbol, qty))
        await settled(flat_system, {f"p-{s}" for s in names})
    await assert_consistent(flat_system, {}, {f"p-{s}" for s in names})
    assert len(await flat_system.orders()) == 4
    assert await flat_system.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 0
