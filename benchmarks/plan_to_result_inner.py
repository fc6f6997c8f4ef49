"""Runs inside `qtops sandbox run`: publishes small closes of ETHUSDT and times them."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key
from qtops.contracts.values import parse_decimal
from qtops.contracts.venue import OrderRequest
from qtops.contracts.vocabulary import Action, PlanDecision, Side
from qtops.settings.load import load_settings
from qtops.wiring import open_bench, open_link, open_venue


def plan(number: int, tag: str) -> Plan:
    made = Plan(
        plan_id=f"bench-{tag}-{number}",
        decision=PlanDecision.EXECUTE,
        symbol="ETHUSDT",
        side=Side.SELL,
        quantity=parse_decimal("0.01"),
        reduce_only=True,
        source="intent_bridge",
        action=Action.RECONCILE_CLOSE,
    )
    return Plan.from_fields(made.to_fields())


async def main(count: int) -> None:
    here = Path.cwd()
    settings = load_settings(dict(os.environ), cwd=here, home=here, etc_dir=here / "none")
    bench, venue, link = open_bench(settings), open_venue(settings), open_link(settings, "writer")
    await venue.sync_clock()
    cooldown = bench._names.key(Key.EXEC_COOLDOWN, symbol="ETHUSDT")
    measured: dict[str, list[float]] = {"order_ms": [], "permits_ms": [], "result_ms": []}
    for i in range(count):
        request = OrderRequest("ETHUSDT", Side.SELL, parse_decimal("0.01"), True, f"bare-{i}")
        started = time.perf_counter()
        await venue.place_order(request, venue.timestamp_ms())
        measured["order_ms"].append((time.perf_counter() - started) * 1000)
    for i in range(count):
        await link.client.delete(cooldown)
        one = plan(i, "one")
        entry_id, published_us = await bench.publish(one)
        result = await bench.result_of(one.plan_id, entry_id, 10)
        assert result is not None and result.executed, result
        decided = await bench.decisions_of(one.plan_id, entry_id)
        permits_us = max(d.decided_at_us for d in decided)
        measured["permits_ms"].append((permits_us - published_us) / 1000)
        measured["result_ms"].append((result.details["hops_us"]["settled"] - published_us) / 1000)
    await link.client.delete(cooldown)
    started = time.perf_counter()
    entries = [await bench.publish(plan(i, "burst")) for i in range(count)]
    for i, (entry_id, _) in enumerate(entries):
        await bench.result_of(f"bench-burst-{i}", entry_id, 20)
    burst = count / (time.perf_counter() - started)
    print(json.dumps({**measured, "burst_per_s": burst}))
    for closing in (bench, venue, link):
        await closing.aclose()


asyncio.run(main(int(sys.argv[1])))
