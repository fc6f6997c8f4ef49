"""Services stop when told, whenever that is, and finish the batch in hand first."""

import asyncio
import contextlib

import pytest
import redis.exceptions

from qtops.contracts.registry import Key, Service, Stream
from qtops.wiring.services import BUILDERS, run_services
from tests.services.conftest import GATES, System, close_plan

# Those that many starts are spent on: each blocks or polls in its own way.
OFTEN = {Service.GOVERNOR, Service.EXECUTOR, Service.SNAPSHOTS}


@pytest.mark.parametrize(
    "service", [s for s in BUILDERS if not s.by_name_only], ids=lambda service: service.value
)
async def test_a_stop_right_after_ready_ends_the_service(system: System, service: Service):
    """Cancellations of blocking reads used to get lost about one time in twenty."""
    for attempt in range(25 if service in OFTEN else 2):
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(
            run_services([service], system.settings, stop, lambda _, r=ready: r.set())
        )
        await ready.wait()
        await asyncio.sleep(attempt / 1000)
        stop.set()
        await asyncio.wait_for(running, 3)
        assert not await system.link.client.exists(
            system.names.key(Key.HEARTBEAT, service=service.value)
        )


async def test_a_stop_in_the_middle_of_a_burst_loses_no_plan(system: System):
    """Whatever was read and not decided is taken up by the next start."""
    await system.start(*GATES)
    await asyncio.gather(*(system.publish(**close_plan(f"p{i}")) for i in range(50)))
    await system.stop()
    await system.start(*GATES)
    stream = system.names.stream(Stream.GATE_DECISION)
    async with asyncio.timeout(10):
        while True:
            rows = await system.link.client.xrange(stream)
            if len({(raw[b"plan_id"], raw[b"gate"]) for _, raw in rows}) == 150:
                break
            await asyncio.sleep(0.05)
    assert [await system.pending(Stream.APPLY_PLAN, gate) for gate in GATES] == [0, 0, 0]


async def test_connections_that_break_end_nothing_and_are_made_again():
    from qtops.sandbox.redis_server import EmbeddedRedis
    from tests.services.conftest import running_system

    with EmbeddedRedis() as first:
        async with running_system(first.url, "exit-proof") as system:
            await system.start(*GATES)
            await system.link.client.execute_command("CLIENT", "KILL", "TYPE", "normal")
            with contextlib.suppress(redis.exceptions.ConnectionError):
                await system.link.client.ping()
            await system.publish(**close_plan("p1"))
            stream = system.names.stream(Stream.GATE_DECISION)
            async with asyncio.timeout(15):
                while await system.link.client.xlen(stream) < 3:
                    await asyncio.sleep(0.05)


async def test_groups_lost_with_the_data_are_made_again_from_the_beginning():
    from qtops.sandbox.redis_server import EmbeddedRedis
    from tests.services.conftest import running_system

    with EmbeddedRedis() as server:
        async with running_system(server.url, "exit-proof") as system:
            await system.start(*GATES)
            await system.link.client.flushall()
            await system.link.client.set(system.names.key(Key.KILL), "0")
            await system.publish(**close_plan("p1"))
            stream = system.names.stream(Stream.GATE_DECISION)
            async with asyncio.timeout(15):
                while await system.link.client.xlen(stream) < 3:
                    await asyncio.sleep(0.05)
