"""`audit permits` against the shape of the script it replaces: one GET and one TTL for each key.

Run: .venv/bin/python benchmarks/bench_audit_permits.py
Both read the same Redis in the same run; the machine is shared, so trust the ratio.
Also printed: the longest single command, by the server's own log (it logs from 0.2 ms).
"""

import asyncio
import json
import time

from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.audits.permits import Budget, Families, audit_permits
from qtops.sandbox.redis_server import EmbeddedRedis

SIZES = ((15_000, 5_000), (0, 50_000), (150_000, 50_000))  # (other keys, permits)
BUDGET_MS = 60_000
CHUNK = 5_000


def permit(n: int) -> tuple[str, str]:
    family, gate = (
        ("", "governor"),
        ("p26:", "p26_portfolio_gate"),
        ("p33:", "p33_position_gate"),
    )[n % 3]
    body = {
        "plan_id": f"plan{n}",
        "gate": gate,
        "allow": n % 7 > 0,
        "symbol": "BTCUSDT",
        "quantity": "1.5",
        "plan_digest": "ab" * 32,
        "epoch": 3,
        "issued_at_ms": 1_769_477_662_000,
        "expires_at_ms": 1_769_477_722_000,
        "sig": "cd" * 32,
    }
    return f"quantum:permit:{family}plan{n}", json.dumps(body)


async def seed(link: RedisLink, others: int, permits: int) -> None:
    await link.client.flushall()
    for start in range(0, max(others, permits), CHUNK):
        pipe = link.client.pipeline(transaction=False)
        for n in range(start, start + CHUNK):
            if n < others:
                pipe.set(f"quantum:other:{n}", "x")
            if n < permits:
                pipe.set(*permit(n), ex=3600)
        await pipe.execute()


async def baseline(link: RedisLink) -> int:
    """What permit_audit.sh does, without its processes: SCAN, then one question at a time."""
    families = Families(link.names)
    seen = 0
    async for key in link.client.scan_iter(match="quantum:permit:*"):
        if families.is_permit(key):
            await link.client.get(key)
            await link.client.ttl(key)
            seen += 1
    return seen


async def longest_command_us(link: RedisLink) -> int:
    """From the server's own log, so that our own event loop is not measured."""
    slow = await link.client.slowlog_get(1000)
    reading = [e["duration"] for e in slow if e["command"].split(b" ")[0] in {b"SCAN", b"GET"}]
    return max(reading, default=0)


async def measure(url: str, others: int, permits: int) -> None:
    link = RedisLink.to(url, "quantum", purpose="reader")
    await seed(link, others, permits)
    await link.client.config_set("slowlog-log-slower-than", 200)
    await link.client.config_set("slowlog-max-len", 1000)
    await link.client.slowlog_reset()
    source = RedisPermitScan(link)
    started = time.perf_counter()
    found = await audit_permits(
        source, Budget(SystemClock(), BUDGET_MS), window_ms=900_000, sample=3
    )
    ours = time.perf_counter() - started
    longest = await longest_command_us(link)
    started = time.perf_counter()
    seen = await baseline(link)
    theirs = time.perf_counter() - started
    if not found.total == seen == permits:
        raise SystemExit(f"counted {found.total} and {seen} of {permits}")
    print(
        f"{others + permits:>8,} keys, {permits:>6,} permits   audit {ours * 1000:8.0f} ms   "
        f"key by key {theirs * 1000:8.0f} ms   {theirs / ours:4.1f}x   "
        f"longest command {longest / 1000:.1f} ms"
    )
    await link.aclose()


async def scan_only(url: str) -> None:
    """The usual case: many keys, few permits."""
    link = RedisLink.to(url, "quantum", purpose="reader")
    await seed(link, 200_000, 45)
    started = time.perf_counter()
    await audit_permits(
        RedisPermitScan(link), Budget(SystemClock(), BUDGET_MS), window_ms=900_000, sample=3
    )
    print(f" 200,045 keys,     45 permits   audit {(time.perf_counter() - started) * 1000:8.0f} ms")
    await link.aclose()


def main() -> None:
    with EmbeddedRedis() as server:
        for others, permits in SIZES:
            asyncio.run(measure(server.url, others, permits))
        asyncio.run(scan_only(server.url))


if __name__ == "__main__":
    main()
