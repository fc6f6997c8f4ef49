"""The exit monitor end to end: the price moves, the position goes, the chain is complete."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from typing import Any

import pytest

from qtops.contracts.exit_event import CHAIN, ExitEvent, ExitStep
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from tests.services.conftest import EVERYTHING, GATES, READERS

ON = {"INTENT_EXECUTOR_SOURCE_ALLOWLIST": "intent_bridge,exit_monitor"}
ENFORCE = {"EXIT_MODE": "enforce", "EXIT_MONITOR_SECONDS": "0.1", "SNAPSHOT_MARKS_SECONDS": "0.2"}


async def rows(system, stream, parser):
    found = await system.link.client.xrange(system.names.stream(stream))
    return [parser({k.decode(): v.decode() for k, v in raw.items()}) for _, raw in found]


async def events(system):
    return await rows(system, Stream.EXIT_EVENTS, ExitEvent.from_fields)


async def plans(system):
    return await rows(system, Stream.APPLY_PLAN, Plan.from_fields)


async def until(condition, timeout_s=15):
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def move(system, symbol, factor):
    """The mark price times `factor`."""
    raw = await system.link.client.hget(system.names.key(Key.MARKET, symbol=symbol), "mark_price")
    price = f"{float(raw) * factor:.5f}"
    await system.control("POST", "prices", symbol=symbol, mark_price=price)


async def seen(system):
    return await system.link.client.hgetall(system.names.key(Key.EXIT_EPISODES))


@dataclass
class Answer:
    code: int
    said: dict[str, Any]


async def qtops(system, *words):
    """The command as an operator runs it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "qtops", *words, env={**os.environ, **system.environ}, stdout=PIPE
    )
    out, _ = await process.communicate()
    return Answer(process.returncode, json.loads(out))


async def test_a_falling_price_closes_the_position_and_leaves_the_whole_chain(system):
    await system.start(*EVERYTHING, Service.EXIT_MONITOR, **ON, **ENFORCE)
    await until(lambda: seen(system))
    await move(system, "TRXUSDT", 0.9)

    async def ended():
        return [e for e in await events(system) if e.step is ExitStep.TERMINAL_STATE]

    (end,) = await until(ended)
    chain = [e for e in await events(system) if e.plan_id == end.plan_id]
    assert tuple(e.step for e in chain) == CHAIN
    assert end.marker == "TERMINAL STATE: FILLED"
    assert {e.client_order_id for e in chain} == {system.order_id(end.plan_id)}
    assert chain[0].details["rule"] == "stop_loss"
    result = await system.result(end.plan_id)
    assert result.order_id == end.order_id == chain[2].order_id

    proof = await qtops(system, "proof", "chain", "--order-id", end.order_id, "--json")
    assert (proof.code, proof.said["status"], proof.said["exchange"]) == (0, "complete", "asked")
    assert [c["plan_id"] for c in proof.said["chains"]] == [end.plan_id]
    report = await qtops(system, "report", "p04c", "--json")
    assert (report.code, report.said["proven"]) == (0, True)
    nothing = await qtops(system, "proof", "chain", "--plan-id", "other", "--json")
    assert (nothing.code, nothing.said["status"]) == (3, "none")

    async def gone():
        return b"TRXUSDT" not in await seen(system)

    await until(gone)


@pytest.mark.parametrize(
    ("changes", "kill", "level"),
    [
        ({"EXIT_MODE": "shadow"}, "0", "MODE"),
        ({"EXIT_LIVE_ROLLOUT_PCT": "0"}, "0", "ROLLOUT"),
        ({}, "1", "KILL"),
    ],
)
async def test_an_exit_that_is_held_back_is_written_down_once(system, changes, kill, level):
    await system.start(*READERS, Service.EXIT_MONITOR, **{**ENFORCE, **changes})
    await until(lambda: seen(system))
    await system.link.client.set(system.names.key(Key.KILL), kill)
    await move(system, "TRXUSDT", 0.9)
    await until(lambda: events(system))
    await asyncio.sleep(0.5)  # five more looks
    (event,) = await events(system)
    assert (event.step, event.details["decided_by"]) == (ExitStep.EXIT_SHADOW, level)
    assert await plans(system) == []


async def test_one_exit_is_out_at_a_time_and_a_refused_one_is_tried_again(system):
    """The executor does not know the source: it refuses each plan, and says so."""
    await system.start(*EVERYTHING, Service.EXIT_MONITOR, **ENFORCE, EXIT_RETRY_SECONDS="0.5")
    await until(lambda: seen(system))
    await move(system, "TRXUSDT", 0.9)

    async def twice():
        return len(await plans(system)) >= 2

    await until(twice)
    first, second = (await plans(system))[:2]
    assert (first.plan_id[-2:], second.plan_id[-2:]) == ("-1", "-2")
    (refused,) = await system.results_of(first.plan_id)
    assert refused.error.startswith("source_not_allowed")
    ends = [e for e in await events(system) if e.step is ExitStep.TERMINAL_STATE]
    assert ends[0].state == "NOT_SENT"


async def test_two_monitors_and_a_restart_publish_one_exit(system):
    """No executor runs, so the first plan never ends."""
    await system.start(*READERS, *GATES, Service.EXIT_MONITOR, **ENFORCE)
    await system.start(Service.EXIT_MONITOR, **ENFORCE)
    await until(lambda: seen(system))
    await move(system, "TRXUSDT", 0.9)
    await until(lambda: plans(system))
    await system.stop()
    await system.start(*READERS, Service.EXIT_MONITOR, **ENFORCE)
    await asyncio.sleep(0.5)
    assert len(await plans(system)) == 1
