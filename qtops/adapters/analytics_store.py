"""Analytics in Redis: the streams since they were last counted, and the sums."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, TypeVar

from redis.exceptions import WatchError

from qtops.adapters.fact_reader import pairs
from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.contracts.account_event import AccountEvent, OrderChange
from qtops.contracts.analytics import WINDOWS_MS, Attribution, Execution, Progress, mark_of
from qtops.contracts.codec import Fields, canonical_json, decode_fields, parse_json_object, text_of
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.registry import Key, Stream
from qtops.contracts.result import Result
from qtops.contracts.values import parse_decimal
from qtops.contracts.vocabulary import GateName
from qtops.errors import DecodeError, RedisError
from qtops.ports.analytics import Origin, Standing, Tail, Totals

T = TypeVar("T")

PAGE: Final = 1000
TOP_REASONS: Final = 50
PLANS: Final = (Stream.APPLY_PLAN, Stream.APPLY_PLAN_MANUAL)
CAUSES: Final = (Stream.GATE_DECISION, *PLANS)
EFFECTS: Final = (Stream.EXCHANGE_EVENTS, Stream.APPLY_RESULT)
# In this order: a plan and its decision are there before its fill and its result, so whoever reads
# them afterwards knows them.
STREAMS: Final = (*EFFECTS, *CAUSES)


class RedisAnalyticsStore:
    """Implements `qtops.ports.analytics.AnalyticsStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names
        self._state: bytes | None = None

    async def tail(self) -> Tail:
        with self._link.guard():
            self._state = await self._link.client.get(self._names.key(Key.ANALYTICS_STATE))
        progress = self._progress(self._state) or Progress()
        now_ms, pages = await self._pages(progress.cursors)
        if any(len(pages[stream]) == PAGE for stream in CAUSES):
            pages |= dict.fromkeys(EFFECTS, ())  # their turn comes when the causes are read
        faults: list[DecodeError] = []
        results = list(_parsed(pages[Stream.APPLY_RESULT], Result.from_fields, faults))
        events = _parsed(pages[Stream.EXCHANGE_EVENTS], AccountEvent.from_fields, faults)
        fills = [e.order for e in events if e.order is not None and e.order.fill is not None]
        decisions = list(_parsed(pages[Stream.GATE_DECISION], DecisionRecord.from_fields, faults))
        new_origins, new_marks = self._origins_of(pages), self._marks_of(decisions)
        origins, marks = await self._known(results, fills)
        return Tail(
            now_ms=now_ms,
            progress=progress,
            cursors={**progress.cursors, **_cursors(pages)},
            decisions=decisions,
            results=results,
            fills=fills,
            origins={**origins, **new_origins},
            marks={**marks, **new_marks},
            new_origins=new_origins,
            new_marks=new_marks,
            undecodable=len(faults),
        )

    def _progress(self, raw: bytes | None) -> Progress | None:
        try:
            return None if raw is None else Progress.from_json(_text(raw))
        except DecodeError as error:
            raise _unreadable(self._names.key(Key.ANALYTICS_STATE), error) from error

    async def _pages(self, cursors: Mapping[str, str]) -> tuple[int, dict[Stream, Any]]:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        for stream in STREAMS:
            oldest = f"({cursors.get(stream.value.name, '0-0')}"
            pipe.xrange(self._names.stream(stream), oldest, "+", count=PAGE)
        with self._link.guard():
            (seconds, micros), *replies = await pipe.execute()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        return now_ms, dict(zip(STREAMS, replies, strict=True))

    def _origins_of(self, pages: Mapping[Stream, Any]) -> dict[str, Origin]:
        """Plans that cannot be read are the executor's affair: it dead-letters them."""
        found = {}
        for stream in PLANS:
            for entry_id, raw in pages[stream]:
                for plan in _parsed([(entry_id, raw)], Plan.from_fields, []):
                    name = client_order_id(self._names.namespace, plan.plan_id)
                    planned_ms = int(entry_id.partition(b"-")[0])
                    found[name] = Origin(plan.source, planned_ms)
        return found

    def _marks_of(self, decisions: Iterable[DecisionRecord]) -> dict[str, Decimal]:
        marks = {client_order_id(self._names.namespace, d.plan_id): mark_of(d) for d in decisions
                 if d.gate == GateName.GOVERNOR}  # fmt: skip
        return {name: mark for name, mark in marks.items() if mark is not None}

    async def _known(
        self, results: Iterable[Result], fills: Iterable[OrderChange]
    ) -> tuple[dict[str, Origin], dict[str, Decimal]]:
        """What earlier readings learned about these orders."""
        wanted = {r.client_order_id for r in results if r.executed}
        names = sorted((wanted | {order.client_order_id for order in fills}) - {""})
        if not names:
            return {}, {}
        pipe = self._link.client.pipeline(transaction=False)
        for key in (Key.ANALYTICS_ORIGIN, Key.ANALYTICS_MARK):
            pipe.mget([self._names.key(key, client_order_id=name) for name in names])
        with self._link.guard():
            origins, marks = await pipe.execute()
        return _readable(names, origins, _origin), _readable(names, marks, parse_decimal)

    async def execution(self, symbol: str) -> Execution:
        key = self._names.key(Key.ANALYTICS_EXECUTION, symbol=symbol)
        return await self._sum(key, Execution.from_fields, Execution())

    async def attribution(self, symbol: str, source: str) -> Attribution:
        key = self._names.key(Key.ANALYTICS_ATTRIBUTION, symbol=symbol, source=source)
        return await self._sum(key, Attribution.from_fields, Attribution())

    async def _sum(self, key: str, parse: Callable[[Mapping[str, str]], T], none: T) -> T:
        with self._link.guard():
            raw: Any = await self._link.client.hgetall(key)
        try:
            return parse(decode_fields(pairs(raw))) if raw else none
        except DecodeError as error:
            raise _unreadable(key, error) from error

    async def standing(self, symbol: str) -> Standing:
        """Everything that was counted, of one symbol or of all."""
        with self._link.guard():
            raw = await self._link.client.get(self._names.key(Key.ANALYTICS_STATE))
        executions = await self._all(Key.ANALYTICS_EXECUTION, Execution.from_fields)
        attributions = await self._all(Key.ANALYTICS_ATTRIBUTION, Attribution.from_fields)
        by_pair = {tuple(name.split(":", 1)): sums for name, sums in attributions.items()}
        return Standing(
            await self._link.now_ms(),
            self._progress(raw),
            {s: e for s, e in sorted(executions.items()) if symbol in {"", s}},
            {(s, b): a for (s, b), a in sorted(by_pair.items()) if symbol in {"", s}},
        )

    async def _all(self, key: Key, parse: Callable[[Mapping[str, str]], T]) -> dict[str, T]:
        prefix = self._names.prefix(key)
        found = {}
        async for page in scan_pages(self._link, prefix, "hash"):
            for name in page:
                with self._link.guard():
                    raw: Any = await self._link.client.hgetall(name)
                rest = name.decode(errors="replace").removeprefix(prefix)
                try:
                    if raw:
                        found[rest] = parse(decode_fields(pairs(raw)))
                except DecodeError as error:
                    raise _unreadable(name.decode(errors="replace"), error) from error
        return found

    async def write(self, totals: Totals) -> bool:
        state = self._names.key(Key.ANALYTICS_STATE)
        with self._link.guard():
            async with self._link.client.pipeline(transaction=True) as pipe:
                await pipe.watch(state)
                if await pipe.get(state) != self._state:
                    return False
                pipe.multi()
                pipe.set(state, totals.progress.to_json())
                self._put(pipe, totals)
                try:
                    await pipe.execute()
                except WatchError:
                    return False
        return True

    def _put(self, pipe: Any, totals: Totals) -> None:
        for window in WINDOWS_MS:
            found = totals.progress.histogram.window(window, totals.now_ms)
            top = dict(list(found.reasons().items())[:TOP_REASONS])
            self._replace(pipe, Key.DECISION_COUNTS, found.counts(), window=window)
            self._replace(pipe, Key.TOP_REASONS, top, window=window)
        for symbol, execution in totals.executions.items():
            self._replace(pipe, Key.ANALYTICS_EXECUTION, execution.to_fields(), symbol=symbol)
        for (symbol, source), sums in totals.attributions.items():
            parts = {"symbol": symbol, "source": source}
            self._replace(pipe, Key.ANALYTICS_ATTRIBUTION, sums.to_fields(), **parts)
        for name, origin in totals.origins.items():
            key = self._names.key(Key.ANALYTICS_ORIGIN, client_order_id=name)
            document = {"source": origin.source, "planned_ms": origin.planned_ms}
            pipe.set(key, canonical_json(document), ex=Key.ANALYTICS_ORIGIN.value.ttl_s)
        for name, mark in totals.marks.items():
            key = self._names.key(Key.ANALYTICS_MARK, client_order_id=name)
            pipe.set(key, str(mark), ex=Key.ANALYTICS_MARK.value.ttl_s)

    def _replace(self, pipe: Any, key: Key, values: Mapping[str, Any], **parts: str) -> None:
        """Whole: what is not counted any more is gone."""
        name = self._names.key(key, **parts)
        pipe.delete(name)
        if values:
            put = pipe.zadd if key is Key.TOP_REASONS else pipe.hset
            put(name, mapping=values)
            if key.value.ttl_s is not None:
                pipe.expire(name, key.value.ttl_s)


def _cursors(pages: Mapping[Stream, Any]) -> dict[str, str]:
    return {stream.value.name: page[-1][0].decode() for stream, page in pages.items() if page}


def _parsed(
    page: Iterable[Any], parse: Callable[[Mapping[str, str]], T], faults: list[DecodeError]
) -> Iterable[T]:
    for _, raw in page:
        try:
            yield parse(decode_fields(raw))
        except DecodeError as error:
            faults.append(error)


def _origin(raw: str) -> Origin:
    document = parse_json_object(raw, "origin")
    fields = Fields({name: text_of(value) for name, value in document.items()})
    return Origin(fields.need("source"), fields.need_int("planned_ms"))


def _readable(
    names: Iterable[str], replies: Iterable[bytes | None], parse: Callable[[str], T]
) -> dict[str, T]:
    """What was learnt and can still be read: one order's origin holds up nothing."""
    found = {}
    for name, raw in zip(names, replies, strict=True):
        with suppress(DecodeError):
            if raw is not None:
                found[name] = parse(_text(raw))
    return found


def _text(raw: bytes) -> str:
    return decode_fields({b"value": raw})["value"]


def _unreadable(what: str, error: DecodeError) -> RedisError:
    return RedisError(
        f"{what} cannot be read: {error.message}",
        hint="delete every key of analytics: it counts what the streams still hold anew",
    )
