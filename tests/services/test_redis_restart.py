"""Redis dies and comes back without the last thing it wrote: still one order and one result."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qtops.contracts.registry import Key, Service, Stream
from qtops.services import loop
from qtops.services.failpoints import Step
from tests.services.conftest import EVERYTHING, GATES, READERS, System, close_plan, running_system
from tests.services.crashes import (
    FragileRedis,
    Worker,
    assert_consistent,
    fragile_redis,
    patiently,
    positions,
    reservations,
    settled,
    until,
    workers,
)

FEEDERS = (*READERS, *GATES)
FAST = {"QTOPS_RECV_WINDOW_MS": "500"}


@pytest.fixture(autouse=True)
def _short_reclaim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RECLAIM_IDLE_MS", 1000)
    monkeypatch.setattr(loop, "RECLAIM_EVERY_S", 0.3)


@pytest.fixture
async def fragile(tmp_path: Path) -> AsyncIterator[FragileRedis]:
    async with fragile_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def shaky(fragile: FragileRedis) -> AsyncIterator[System]:
    """The exit-proof scenario on a Redis that can be crashed."""
    async with running_system(fragile.url, "exit-proof", **FAST) as running:
        yield running


async def permits_of(system: System, plan_id: str) -> int:
    keys = (Key.PERMIT_GOVERNOR, Key.PERMIT_PORTFOLIO, Key.PERMIT_POSITION)
    return sum([await system.permit(key, plan_id) is not None for key in keys])


async def all_permits(system: System, plan_id: str) -> None:
    async def there() -> bool:
        return await permits_of(system, plan_id) == 3

    await until(there, "three permits")


@pytest.mark.parametrize("executor_survives", [True, False], ids=["same process", "new process"])
async def test_claim_and_result_are_lost_and_the_permits_come_back(
    shaky: System, fragile: FragileRedis, executor_survives
):
    before = await positions(shaky)
    await shaky.start(*FEEDERS)
    async with workers() as alive:
        alive.append(executor := await Worker.start(shaky, "one", stop_at=Step.RECEIVED.value))
        await shaky.publish(**close_plan("p1"))
        await executor.stopped()
        await all_permits(shaky, "p1")
        keep = fragile.written()
        executor.thaw()
        assert (await shaky.result("p1")).executed
        if not executor_survives:
            await executor.kill()
        await fragile.crash(keep)
        assert await patiently(lambda: permits_of(shaky, "p1")) == 3
        if not executor_survives:
            alive.append(await Worker.start(shaky, "one"))
        await settled(shaky, {"p1"})
    await assert_consistent(shaky, before, {"p1"})
    assert len(await shaky.orders()) == 1
    assert await reservations(shaky) == {}


async def test_the_plan_itself_is_lost_and_added_again(shaky: System, fragile: FragileRedis):
    before = await positions(shaky)
    await shaky.start(*EVERYTHING)
    await shaky.publish(**close_plan("p0", "ETHUSDT", "0.5"))
    await shaky.result("p0")
    keep = fragile.written()
    await shaky.publish(**close_plan("p1"))
    assert (await shaky.result("p1")).executed
    await fragile.crash(keep)
    assert await patiently(lambda: shaky.results_of("p1")) == []
    await shaky.publish(**close_plan("p1"))
    await settled(shaky, {"p0", "p1"})
    await assert_consistent(shaky, before, {"p0", "p1"})
    assert len(await shaky.orders()) == 2


async def test_a_plan_in_hand_outlives_the_crash_that_erased_its_entry(
    shaky: System, fragile: FragileRedis
):
    """And the entry that the producer adds again meanwhile does not become a second order."""
    before = await positions(shaky)
    await shaky.start(*FEEDERS)
    keep = fragile.written()
    async with workers() as alive:
        alive.append(executor := await Worker.start(shaky, "one", stop_at=Step.MARKED.value))
        keep = fragile.written()
        await shaky.publish(**close_plan("p1"))
        await executor.stopped()
        await fragile.crash(keep)
        await patiently(lambda: shaky.publish(**close_plan("p1")))
        executor.thaw()
        await settled(shaky, {"p1"})
    await assert_consistent(shaky, before, {"p1"})
    assert len(await shaky.orders()) == 1


async def test_one_that_slept_through_the_send_and_the_crash_does_not_send_again(
    shaky: System, fragile: FragileRedis
):
    """It waited for permits; another took over and sent; the crash gave the permits back."""
    before = await positions(shaky)
    await shaky.start(*READERS, Service.GOVERNOR, Service.PORTFOLIO_GATE)
    async with workers() as alive:
        alive.append(sleeper := await Worker.start(shaky, "one"))
        await shaky.publish(**close_plan("p1"))

        async def waiting() -> bool:
            return await shaky.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 1

        await until(waiting, "the first executor has the plan")
        sleeper.freeze()
        await shaky.start(Service.POSITION_GATE)
        await all_permits(shaky, "p1")
        keep = fragile.written()
        alive.append(other := await Worker.start(shaky, "two"))
        assert (await shaky.result("p1", timeout_s=30)).executed
        await other.kill()
        await fragile.crash(keep)
        sleeper.thaw()
        await settled(shaky, {"p1"})
    await assert_consistent(shaky, before, {"p1"})
    assert len(await shaky.orders()) == 1


async def test_a_claim_that_the_crash_gave_back_does_not_entitle_to_a_second_send(
    shaky: System, fragile: FragileRedis
):
    """Admitted, asleep; another took over and sent; after the crash the claim is the old one."""
    before = await positions(shaky)
    await shaky.start(*FEEDERS)
    async with workers() as alive:
        alive.append(sleeper := await Worker.start(shaky, "one", stop_at=Step.ADMITTED.value))
        await shaky.publish(**close_plan("p1"))
        await sleeper.stopped()
        keep = fragile.written()
        alive.append(other := await Worker.start(shaky, "two"))
        assert (await shaky.result("p1", timeout_s=30)).executed
        await other.kill()
        await fragile.crash(keep)
        sleeper.thaw()
        await settled(shaky, {"p1"})
    await assert_consistent(shaky, before, {"p1"})
    assert len(await shaky.orders()) == 1


async def test_a_refusal_does_not_survive_the_crash_that_undid_an_order(
    shaky: System, fragile: FragileRedis
):
    """The sleeper would refuse for want of permits; but the other had sent the order."""
    before = await positions(shaky)
    await shaky.start(*READERS, Service.GOVERNOR, Service.PORTFOLIO_GATE)
    async with workers() as alive:
        patience = {"INTENT_EXECUTOR_PERMIT_WAIT_SECONDS": "2"}
        alive.append(sleeper := await Worker.start(shaky, "one", **patience))
        keep = fragile.written()
        await shaky.publish(**close_plan("p1"))
        keep = fragile.written()

        async def waiting() -> bool:
            return await shaky.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 1

        await until(waiting, "the first executor has the plan")
        sleeper.freeze()
        await shaky.start(Service.POSITION_GATE)
        alive.append(other := await Worker.start(shaky, "two"))
        assert (await shaky.result("p1", timeout_s=30)).executed
        await other.kill()
        await shaky.stop()  # no gate writes the permits again
        await fragile.crash(keep)
        sleeper.thaw()
        await settled(shaky, {"p1"})
    await assert_consistent(shaky, before, {"p1"})


@pytest.mark.parametrize("seed", [1, 2])
async def test_at_random_moments_with_a_random_tail_lost(
    shaky: System, fragile: FragileRedis, seed: int
):
    """A producer that sees no result adds the plan again, as ours does."""
    luck = random.Random(seed)
    before = await positions(shaky)
    await shaky.start(*EVERYTHING, QTOPS_METRICS_PORT_EXECUTOR="0")
    plans = {f"p{i}": close_plan(f"p{i}", ("TRXUSDT", "ETHUSDT")[i % 2], "0.5") for i in range(6)}
    for plan in plans.values():
        if plan["symbol"] == "TRXUSDT":
            plan["qty"] = "50"
    for round_, batch in enumerate((("p0", "p1"), ("p2", "p3", "p4", "p5"))):
        mark = fragile.written()
        for plan_id in batch:
            await patiently(lambda p=plans[plan_id]: shaky.publish(**p))
        grown = mark + luck.randrange(2_000, 9_000)

        async def far_enough(grown: int = grown) -> bool:
            return fragile.written() >= grown

        await until(far_enough, f"round {round_} wrote enough")
        await fragile.crash(luck.randrange(mark, fragile.written()))
        for plan_id in batch:
            if not await patiently(lambda p=plan_id: shaky.results_of(p)):
                await patiently(lambda p=plans[plan_id]: shaky.publish(**p))
    await settled(shaky, set(plans), timeout_s=50)
    await assert_consistent(shaky, before, set(plans))
