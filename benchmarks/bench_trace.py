"""`trace` over 100,000 decisions and 100,000 plans, against what an operator would type.

Run: .venv/bin/python benchmarks/bench_trace.py
The baseline is XRANGE of the whole stream, then a search in what came back, as `redis-cli | grep`
does it without its processes. Both read the same Redis in the same run; the machine is shared, so
trust processor time and the ratio. The longest single command is by the server's own log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.permits import Budget
from qtops.audits.refusals import refusals_of
from qtops.audits.trace import life_of
from qtops.audits.trace_records import Selection, find_plans, records_of
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Stream
from qtops.contracts.vocabulary import GateName
from qtops.sandbox.redis_server import EmbeddedRedis

ENTRIES = 100_000
BUDGET_MS = 60_000
CHUNK = 5_000
OLDEST = "plan0"
WINDOW_MS = 3_600_000


def plan(n: int) -> dict[str, str]:
    return {
        "plan_id": f"plan{n}",
        "decision": "EXECUTE",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "qty": "0.25",
        "reduceOnly": "true",
        "source": "intent_bridge",
        "action": "FULL_CLOSE_PROPOSED",
    }


def decision(n: int, at_ms: int) -> dict[str, str]:
    gate = list(GateName)[n % 3].value
    allow = n % 4 > 0
    reason = "ok" if allow else "stale_exchange_state"
    detail = "" if allow else "the snapshot is 31000 ms old"
    owner = f"plan{n // 3}"
    return DecisionRecord(
        owner, gate, allow, reason, "BTCUSDT", "SELL", "close", at_ms, detail
    ).to_fields()


async def seed(link: RedisLink) -> None:
    now_ms = await link.now_ms()
    for start in range(0, ENTRIES, CHUNK):
        pipe = link.client.pipeline(transaction=False)
        for n in range(start, start + CHUNK):
            pipe.xadd(link.names.stream(Stream.APPLY_PLAN), plan(n))
            pipe.xadd(link.names.stream(Stream.GATE_DECISION), decision(n, now_ms))
        await pipe.execute()


async def one_plan(link: RedisLink) -> int:
    source, budget = RedisTraceReader(link), Budget(SystemClock(), BUDGET_MS)
    key = OLDEST.encode()
    plans = await find_plans(source, budget, Selection(lambda raw: raw.get(b"plan_id") == key))
    [records] = await records_of(source, budget, plans)
    life_of(records)
    return len(records.decisions)


async def grep_plan(link: RedisLink) -> int:
    plans = await link.client.xrange(link.names.stream(Stream.APPLY_PLAN))
    said = await link.client.xrange(link.names.stream(Stream.GATE_DECISION))
    key = OLDEST.encode()
    found = [raw for _, raw in plans if key in raw.values()]
    return len([raw for _, raw in said if key in raw.values()]) if found else 0


async def why_no_trade(link: RedisLink) -> int:
    source, budget = RedisTraceReader(link), Budget(SystemClock(), BUDGET_MS)
    return len((await refusals_of(source, budget, window_ms=WINDOW_MS)).refused)


async def grep_refusals(link: RedisLink) -> int:
    await link.client.xrange(link.names.stream(Stream.APPLY_PLAN))
    said = await link.client.xrange(link.names.stream(Stream.GATE_DECISION))
    return len({raw[b"plan_id"] for _, raw in said if raw[b"allow"] == b"false"})


async def timed(
    work: Callable[[RedisLink], Awaitable[int]], link: RedisLink
) -> tuple[float, float, int]:
    """(seconds on the clock, seconds of our processor, the answer)."""
    clock_s, cpu_s = time.perf_counter(), time.process_time()
    answer = await work(link)
    return time.perf_counter() - clock_s, time.process_time() - cpu_s, answer


async def longest_command_ms(link: RedisLink) -> float:
    """By the server's own log, so that our own event loop is not measured."""
    slow: Any = await link.client.slowlog_get(1000)
    await link.client.slowlog_reset()
    return max((entry["duration"] for entry in slow), default=0) / 1000


async def compare(
    name: str,
    ours: Callable[[RedisLink], Awaitable[int]],
    theirs: Callable[[RedisLink], Awaitable[int]],
    link: RedisLink,
) -> None:
    await link.client.slowlog_reset()
    ours_s, ours_cpu_s, found = await timed(ours, link)
    ours_ms = await longest_command_ms(link)
    theirs_s, theirs_cpu_s, expected = await timed(theirs, link)
    theirs_ms = await longest_command_ms(link)
    if found != expected:
        raise SystemExit(f"{name}: found {found}, the baseline {expected}")
    print(f"{name:<13} trace           {ours_s:6.2f} s  cpu {ours_cpu_s:5.2f} s  ", end="")
    print(f"longest command {ours_ms:7.1f} ms")
    print(f"{'':<13} XRANGE, search  {theirs_s:6.2f} s  cpu {theirs_cpu_s:5.2f} s  ", end="")
    print(f"longest command {theirs_ms:7.1f} ms")


async def measure(url: str) -> None:
    link = RedisLink.to(url, "quantum", purpose="blocking")
    await seed(link)
    await link.client.config_set("slowlog-log-slower-than", 200)
    await compare("oldest plan", one_plan, grep_plan, link)
    await compare("why no trade", why_no_trade, grep_refusals, link)
    await link.aclose()


def main() -> None:
    with EmbeddedRedis() as server:
        asyncio.run(measure(server.url))


if __name__ == "__main__":
    main()
