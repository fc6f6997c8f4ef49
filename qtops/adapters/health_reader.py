"""What `qtops health` reads of Redis: the clock, then everything else in one pipeline. No writes.

A part that the server refuses (its user may not, a key of another type) is `Missing`, the rest is
read all the same.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeVar

from redis.exceptions import ResponseError

from qtops.adapters.fact_reader import pairs
from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.facts import Missing
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.snapshot import decode_portfolio
from qtops.contracts.universe import UniverseMeta
from qtops.contracts.vitals import Beat, GroupVitals, PermitFlow, RedisVitals, ServerVitals
from qtops.contracts.vocabulary import GateName, Lane
from qtops.errors import DecodeError
from qtops.ports import Clock, StreamEntry

T = TypeVar("T")

MOST_PLANS: Final = 1000
MOST_DECISIONS: Final = 5000
_GONE: Final = -2
_LONGEST_TEXT: Final = 80


class RedisHealthReader:
    """Reads once. `window_ms` is how far back plans and decisions count; `watched` must speak."""

    def __init__(
        self,
        link: RedisLink,
        clock: Clock,
        services: Sequence[Service],
        window_ms: int,
        watched: Collection[Stream] = (),
    ) -> None:
        self._link = link
        self._names = link.names
        self._clock = clock
        self._services = services
        self._watched = watched
        self._window_ms = window_ms

    async def read(self) -> RedisVitals:
        """RedisError when there is no answer at all."""
        await self._link.now_ms()  # connects, so that the next one is a plain round trip
        started = self._clock.monotonic_ms()
        now_ms = await self._link.now_ms()
        latency_ms = round(Decimal(str(self._clock.monotonic_ms() - started)), 1)
        batch = _Batch(self._link)
        server = batch.server(latency_ms)
        kill = batch.ask("GET", self._names.key(Key.KILL), decode=_text)
        snapshot = batch.ask("HGETALL", self._names.key(Key.PORTFOLIO), decode=_observed_at)
        universe = batch.ask("HGETALL", self._names.key(Key.UNIVERSE_META), decode=_universe)
        beats = self._queue_beats(batch)
        groups = self._queue_groups(batch, now_ms)
        flow = self._queue_flow(batch, now_ms)
        newest = self._queue_newest(batch)
        with self._link.guard():
            await batch.execute()
        parts = server(), beats(), groups(), flow(), kill(), snapshot(), universe(), newest()
        return RedisVitals(now_ms, *parts)

    def _queue_beats(self, batch: "_Batch") -> Callable[[], tuple[Beat, ...] | Missing]:
        keys = [self._names.key(Key.HEARTBEAT, service=s.value) for s in self._services]
        lives = [batch.ask("PTTL", key, decode=_life) for key in keys]

        def beats() -> tuple[Beat, ...] | Missing:
            read = [life() for life in lives]
            refused = [one for one in read if isinstance(one, Missing)]
            if refused:
                return refused[0]
            known = [one for one in read if not isinstance(one, Missing)]
            return tuple(map(Beat, self._services, known))

        return beats

    def _queue_newest(self, batch: "_Batch") -> Callable[[], Mapping[Stream, int | None] | Missing]:
        asked = {
            stream: batch.ask(
                "XREVRANGE", self._names.stream(stream), "+", "-", "COUNT", 1, decode=_entries
            )
            for stream in self._watched
        }

        def newest() -> Mapping[Stream, int | None] | Missing:
            found: dict[Stream, int | None] = {}
            for stream, page in asked.items():
                rows = page()
                if isinstance(rows, Missing):
                    return rows
                found[stream] = _at_ms(rows[0]) if rows else None
            return found

        return newest

    def _queue_groups(
        self, batch: "_Batch", now_ms: int
    ) -> Callable[[], tuple[GroupVitals, ...] | Missing]:
        asked = []
        for stream in Stream:
            for spec in stream.value.groups:
                name = self._names.stream(stream)
                group = self._names.group(stream, spec.service)
                about = batch.ask("XINFO GROUPS", name, decode=_group_rows)
                length = batch.ask("XLEN", name, decode=int)
                waiting = batch.ask("XPENDING", name, group, decode=_oldest_id_ms)
                head = GroupVitals(name, stream, spec.service, group, exists=False, length=0)
                asked.append((head, about, length, waiting))

        def groups() -> tuple[GroupVitals, ...] | Missing:
            found = []
            for head, about, length, waiting in asked:
                rows, size, oldest = about(), length(), waiting()
                for part in (rows, size, oldest):
                    if isinstance(part, Missing):
                        return part
                found.append(_filled(head, rows, size, now_ms, oldest))
            return tuple(found)

        return groups

    def _queue_flow(self, batch: "_Batch", now_ms: int) -> Callable[[], PermitFlow | Missing]:
        start = now_ms - self._window_ms
        plans = batch.newest(self._names.stream(Stream.APPLY_PLAN), start, MOST_PLANS)
        decisions = batch.newest(self._names.stream(Stream.GATE_DECISION), start, MOST_DECISIONS)

        def flow() -> PermitFlow | Missing:
            asked, answered = plans(), decisions()
            if isinstance(asked, Missing):
                return asked
            if isinstance(answered, Missing):
                return answered
            # Where a page was full, the window begins at its oldest entry.
            full = [
                _at_ms(page[-1])
                for page, most in ((asked, MOST_PLANS), (answered, MOST_DECISIONS))
                if len(page) >= most
            ]
            since_ms = max([start, *full])
            wanted = dict(found for found in map(_wanted, asked) if found and found[1] >= since_ms)
            return PermitFlow(since_ms, wanted, _decided(answered))

        return flow


class _Batch:
    """One pipeline; each `ask` gives what decodes its reply once `execute` is done."""

    def __init__(self, link: RedisLink) -> None:
        self._pipe = link.client.pipeline(transaction=False)
        self._replies: Sequence[Any] = ()
        self._count = 0

    def ask(
        self, command: str, *args: str | int, decode: Callable[[Any], T]
    ) -> Callable[[], T | Missing]:
        self._pipe.execute_command(command, *args)
        place = self._count
        self._count += 1
        return lambda: _decoded(self._replies[place], decode)

    def newest(
        self, name: str, start_ms: int, most: int
    ) -> Callable[[], list[StreamEntry] | Missing]:
        return self.ask("XREVRANGE", name, "+", str(start_ms), "COUNT", most, decode=_entries)

    def server(self, latency_ms: Decimal) -> Callable[[], ServerVitals | Missing]:
        sections = [self.ask("INFO", name, decode=_info) for name in ("memory", "persistence")]

        def server() -> ServerVitals | Missing:
            info: dict[str, Any] = {}
            for section in sections:
                rows = section()
                if isinstance(rows, Missing):
                    return rows
                info |= rows
            return ServerVitals(
                latency_ms=latency_ms,
                memory_bytes=_number(info.get("used_memory")),
                memory_limit_bytes=_number(info.get("maxmemory")),
                last_save=str(info.get("rdb_last_bgsave_status", "")),
                last_append=str(info.get("aof_last_write_status", "")),
                last_rewrite=str(info.get("aof_last_bgrewrite_status", "")),
            )

        return server

    async def execute(self) -> None:
        self._replies = await self._pipe.execute(raise_on_error=False)


def _decoded(reply: Any, decode: Callable[[Any], T]) -> T | Missing:
    try:
        return decode(reply)
    except _AbsentError:
        return Missing("absent")
    except DecodeError as error:
        return Missing(f"unreadable: {error.message}")
    except Exception as error:  # noqa: BLE001  whatever shape it has, it is not the one we know
        return Missing(f"unreadable: {str(reply)[:_LONGEST_TEXT]} ({type(error).__name__})")


class _AbsentError(Exception):
    """The key is not there."""


def _refuse(reply: Any) -> None:
    if isinstance(reply, Exception):
        raise DecodeError("refused", "", str(reply)[:_LONGEST_TEXT])


def _text(reply: Any) -> str | None:
    _refuse(reply)
    return None if reply is None else str(reply, "utf-8", "replace")


def _life(reply: Any) -> int | None:
    _refuse(reply)
    return None if int(reply) == _GONE else int(reply)


def _observed_at(reply: Any) -> int:
    raw = pairs(reply)
    if not raw:
        raise _AbsentError
    return decode_portfolio(decode_fields(raw)).observed_at_ms


def _universe(reply: Any) -> UniverseMeta:
    raw = pairs(reply)
    if not raw:
        raise _AbsentError
    return UniverseMeta.from_fields(decode_fields(raw))


def _info(reply: Any) -> dict[str, Any]:
    _refuse(reply)
    return dict(reply)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _entries(reply: Any) -> list[StreamEntry]:
    _refuse(reply)
    return [(entry_id, raw or {}) for entry_id, raw in reply]


def _group_rows(reply: Any) -> dict[str, Mapping[str, Any]]:
    """Groups by name; none where there is no stream."""
    if isinstance(reply, ResponseError) and "no such key" in str(reply).lower():
        return {}
    _refuse(reply)
    return {str(row["name"], "utf-8", "replace"): row for row in reply}


def _oldest_id_ms(reply: Any) -> int | None:
    """When the oldest pending entry was written; None without one, or without a group."""
    if isinstance(reply, ResponseError) and "NOGROUP" in str(reply):
        return None
    _refuse(reply)
    return _id_ms(reply["min"]) if reply["min"] else None


def _filled(head: GroupVitals, rows: Any, length: Any, now_ms: int, oldest_ms: Any) -> GroupVitals:
    """The group as the server has it; it may not have it."""
    row = rows.get(head.group)
    if row is None:
        return replace(head, length=length)
    age_ms = None if oldest_ms is None else max(0, now_ms - oldest_ms)
    return replace(
        head,
        exists=True,
        length=length,
        pending=_number(row.get("pending")),
        lag=row.get("lag"),
        oldest_pending_age_ms=age_ms,
    )


def _id_ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


def _at_ms(entry: StreamEntry) -> int:
    return _id_ms(entry[0])


def _wanted(entry: StreamEntry) -> tuple[str, int] | None:
    """(plan id, when) of a plan that asks for an order; gates owe none to what they cannot read."""
    try:
        plan = Plan.from_fields(decode_fields(entry[1]), Lane.AUTOMATED)
    except DecodeError:
        return None
    return (plan.plan_id, _at_ms(entry)) if plan.decision.wants_order else None


def _decided(entries: Sequence[StreamEntry]) -> dict[GateName, dict[str, int]]:
    """Which plans each gate decided, and when."""
    names = {gate.value.encode(): gate for gate in GateName}
    decided: dict[GateName, dict[str, int]] = {gate: {} for gate in GateName}
    for entry in entries:
        gate = names.get(entry[1].get(b"gate", b""))
        if gate is not None:
            plan = entry[1].get(b"plan_id", b"").decode("utf-8", "replace")
            decided[gate].setdefault(plan, _at_ms(entry))
    return decided
