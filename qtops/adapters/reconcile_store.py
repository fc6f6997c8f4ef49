"""Books, standings and holds of reconcile in Redis."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from qtops.adapters import scripts
from qtops.adapters.fact_reader import pairs
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.contracts import snapshot
from qtops.contracts.codec import decode_fields, parse_int
from qtops.contracts.reconcile import Book, Hold, ReconcileEvent, Standing
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.errors import DecodeError
from qtops.ports import BookReading, Rebook, SymbolReading

IN_HAND = frozenset({"admitted", "unknown"})
MAXLEN = Stream.RECONCILE_EVENTS.value.maxlen


class RedisReconcileStore:
    """Implements `qtops.ports.ReconcileStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names

    async def symbols(self) -> frozenset[str]:
        found: set[str] = set()
        for key in (Key.BOOK, Key.RECONCILE_STATE):
            prefix = self._names.prefix(key)
            async for page in scan_pages(self._link, prefix):
                found |= {k.decode("utf-8", "replace").removeprefix(prefix) for k in page}
        return frozenset(found)

    async def read(self, symbols: Sequence[str]) -> BookReading:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._names.key(Key.RESERVATIONS))
        pipe.get(self._names.key(Key.KILL_EPOCH))
        for symbol in symbols:
            for key in (Key.BOOK, Key.RECONCILE_STATE, Key.RECONCILE_HOLD):
                pipe.hgetall(self._names.key(key, symbol=symbol))
            pipe.hget(self._names.key(Key.FILTERS), symbol)
        with self._link.guard():
            (seconds, micros), held, epoch, *rest = await pipe.execute(raise_on_error=False)
        rows = [rest[at : at + 4] for at in range(0, len(rest), 4)]
        return BookReading(
            now_ms=int(seconds) * 1000 + int(micros) // 1000,
            symbols={s: _symbol(*row) for s, row in zip(symbols, rows, strict=True)},
            in_flight=_in_flight(held),
            epoch=epoch.decode() if isinstance(epoch, bytes) else "0",
        )

    async def write(
        self,
        standings: Sequence[Standing],
        events: Sequence[ReconcileEvent],
        now_ms: int,
        hold_ttl_ms: int,
    ) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        for standing in standings:
            name = self._names.key(Key.RECONCILE_STATE, symbol=standing.symbol)
            pipe.delete(name)
            pipe.hset(name, mapping=dict(standing.to_fields()))
            self._hold(pipe, standing, now_ms, hold_ttl_ms)
        for event in events:
            stream = self._names.stream(Stream.RECONCILE_EVENTS)
            pipe.xadd(stream, dict(event.to_fields()), maxlen=MAXLEN, approximate=True)
        with self._link.guard():
            await pipe.execute()

    def _hold(self, pipe: Any, standing: Standing, now_ms: int, ttl_ms: int) -> None:
        name = self._names.key(Key.RECONCILE_HOLD, symbol=standing.symbol)
        pipe.delete(name)
        if standing.state.holds:
            hold = Hold(
                Service.RECONCILE.value, standing.reason, standing.since_ms, now_ms + ttl_ms
            )
            pipe.hset(name, mapping=dict(hold.to_fields()))
            pipe.pexpire(name, ttl_ms)

    async def rebook(self, change: Rebook) -> str:
        names, symbol = self._names, change.symbol
        keys = [
            names.key(Key.BOOK, symbol=symbol),
            names.stream(Stream.RECONCILE_EVENTS),
            names.key(Key.RESERVATIONS),
            names.key(Key.RECONCILE_HOLD, symbol=symbol),
        ]
        args = [
            change.seen.raw_version,
            change.seen.raw_amount,
            fmt_decimal(change.amount),
            snapshot.side_of(change.amount),
            str(change.at_ms),
            change.source,
            symbol,
            str(MAXLEN),
            *flatten(change.event.to_fields()),
        ]
        with self._link.guard():
            answer: bytes = await self._link.client.eval(
                scripts.source("rebook"), len(keys), *keys, *args
            )
        return "" if answer == b"done" else answer.decode()


def _symbol(book: Any, standing: Any, hold: Any, rules: Any) -> SymbolReading:
    raw = {} if isinstance(book, Exception) else pairs(book)
    why = "" if not isinstance(book, Exception) else str(book)
    read: Book | None = None
    if raw and not why:
        try:
            read = _book(decode_fields(raw))
        except DecodeError as error:
            why = error.message
    return SymbolReading(
        book=read,
        raw_version=raw.get(b"version", b"").decode("utf-8", "replace"),
        raw_amount=raw.get(b"position_amt", b"").decode("utf-8", "replace"),
        standing=_decoded(standing, Standing.from_fields),
        hold=_decoded(hold, Hold.from_fields),
        step=_step(rules),
        unreadable=why,
    )


def _book(fields: dict[str, str]) -> Book:
    amount, version = snapshot.decode_book(fields)
    stamp = fields.get("updated_at_ms", "")
    at_ms = parse_int(stamp, "updated_at_ms") if stamp else 0
    return Book(amount, version, at_ms, fields.get("last_order_id", ""))


def _decoded(reply: Any, decode: Any) -> Any:
    """What a record says, or None where there is none that can be read: it is written anew."""
    try:
        return decode(decode_fields(pairs(reply))) if reply else None
    except DecodeError:
        return None


def _step(reply: Any) -> Decimal:
    """The lot step; zero where it is not known, so that every difference counts."""
    if not isinstance(reply, bytes):
        return ZERO
    try:
        return snapshot.decode_filters(reply.decode("utf-8", "replace")).value.market_step
    except DecodeError:
        return ZERO


def _in_flight(reply: Any) -> frozenset[str] | None:
    try:
        held = [snapshot.decode_reservation(t) for t in decode_fields(pairs(reply)).values()]
    except DecodeError:
        return None
    return frozenset(r.symbol for r in held if r.state in IN_HAND)
