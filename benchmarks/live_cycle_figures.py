"""What a running sandbox of the scenario `live-cycle` did: counted from its streams, once."""

import os
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from json import loads
from pathlib import Path
from typing import Any

import redis

from qtops.contracts.claim import ClaimState
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Names, Stream
from qtops.contracts.result import Result
from qtops.contracts.snapshot import decode_book
from qtops.contracts.vocabulary import PlanDecision, Side

ZERO = Decimal(0)


@dataclass
class Figures:
    """Counts; `latencies_ms` is from a plan's entry to its result's, in Redis's own clock."""

    intents: int = 0
    plans: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    filled: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies_ms: list[int] = field(default_factory=list)
    round_trips: int = 0
    partial_closes: int = 0
    stuck: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unfinished_claims: list[str] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    book_gaps: dict[str, tuple[str, str]] = field(default_factory=dict)
    exit_rules: Counter[str] = field(default_factory=Counter)
    held: dict[str, Decimal] = field(default_factory=dict)

    @property
    def at_rest(self) -> bool:
        """Nothing is on its way, and everything agrees."""
        undone = (self.stuck, self.twice, self.unfinished_claims, self.book_gaps)
        return not any(undone) and not any(self.pending.values()) and not self.dead_letters


class Observer:
    """Reads Redis and the exchange's control interface of one sandbox."""

    def __init__(self, redis_url: str, exchange_url: str, namespace: str) -> None:
        self._redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self._exchange_url = exchange_url
        self._names = Names(namespace)

    def close(self) -> None:
        self._redis.close()

    def figures(self) -> Figures:
        """Everything since the sandbox started."""
        found = Figures(intents=len(self._entries(Stream.TRADE_INTENT)))
        self._count_plans(found)
        for _, raw in self._entries(Stream.GATE_DECISION):
            record = DecisionRecord.from_fields(raw)
            found.decisions[record.gate, "allow" if record.allow else record.reason] += 1
        for _, raw in self._entries(Stream.EXIT_EVENTS):
            if "rule" in raw.get("details", ""):
                found.exit_rules[loads(raw["details"])["rule"]] += 1
        found.dead_letters = len(self._entries(Stream.DLQ))
        found.pending = self._pending()
        for name in self._redis.scan_iter(f"{self._names.prefix(Key.CLAIM)}*"):
            if self._redis.hget(name, "state") != ClaimState.DONE.value:
                found.unfinished_claims.append(name)
        self._compare(found)
        return found

    def _entries(self, stream: Stream) -> list[tuple[str, dict[str, str]]]:
        entries: list[Any] = self._redis.xrange(self._names.stream(stream))
        return entries

    def _count_plans(self, found: Figures) -> None:
        results = [(e, Result.from_fields(raw)) for e, raw in self._entries(Stream.APPLY_RESULT)]
        ends = {result.plan_id: entry for entry, result in results}
        asked: dict[str, Plan] = {}
        for entry, raw in self._entries(Stream.APPLY_PLAN):
            plan = Plan.from_fields(raw)
            asked[plan.plan_id] = plan
            found.plans[plan.source] += 1
            if plan.plan_id in ends:
                found.latencies_ms.append(_ms(ends[plan.plan_id]) - _ms(entry))
            elif plan.decision is PlanDecision.EXECUTE:
                found.stuck.append(plan.plan_id)
        seen = Counter(result.plan_id for _, result in results)
        found.twice = [plan_id for plan_id, count in seen.items() if count > 1]
        self._count_fills(found, asked, [result for _, result in results])

    def _count_fills(
        self, found: Figures, asked: Mapping[str, Plan], results: list[Result]
    ) -> None:
        held: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for result in results:
            plan = asked.get(result.plan_id)
            if plan is None or not result.executed:
                found.refused[result.source, result.error] += 1
                continue
            found.filled[result.source, plan.action.value if plan.action else ""] += 1
            sign = 1 if plan.side is Side.BUY else -1
            before = held[plan.symbol]
            held[plan.symbol] += sign * result.filled_quantity
            if before and not held[plan.symbol]:
                found.round_trips += 1
            elif plan.reduce_only:
                found.partial_closes += 1

    def _pending(self) -> dict[str, int]:
        pending = {}
        for stream in Stream:
            name = self._names.stream(stream)
            groups: list[Any] = self._redis.xinfo_groups(name) if self._redis.exists(name) else []
            for group in groups:
                pending[f"{stream.value.name} {group['name']}"] = group["pending"] + group["lag"]
        return pending

    def _compare(self, found: Figures) -> None:
        with urllib.request.urlopen(f"{self._exchange_url}/sandbox/v1/state") as answer:
            positions = loads(answer.read())["positions"]
        found.held = {p["symbol"]: Decimal(p["amount"]) for p in positions}
        books = {}
        for name in self._redis.scan_iter(f"{self._names.prefix(Key.BOOK)}*"):
            raw: Any = self._redis.hgetall(name)
            books[name.rpartition(":")[2]] = decode_book(raw)[0]
        for symbol in books.keys() | found.held.keys():
            book, there = books.get(symbol, ZERO), found.held.get(symbol, ZERO)
            if book != there:
                found.book_gaps[symbol] = str(book), str(there)


def resources(pid: int) -> tuple[float, float]:
    """(CPU seconds used, MiB resident) of a process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu_s, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
