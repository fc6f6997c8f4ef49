"""What the breakers read and write in Redis."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.adapters.paging import scan_pages
from qtops.contracts import snapshot
from qtops.contracts.breakers import BreakerState
from qtops.contracts.claim import Claim
from qtops.contracts.codec import decode_fields
from qtops.contracts.facts import Known, Portfolio
from qtops.contracts.registry import Key, Stream
from qtops.contracts.result import Result
from qtops.contracts.values import parse_decimal
from qtops.errors import DecodeError
from qtops.gates.breakers import Sent
from qtops.gates.last_hop import Admission
from qtops.ports import BreakerReading


class RedisBreakerStore:
    """Implements `qtops.ports.BreakerStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._names = link.names

    async def now_ms(self) -> int:
        return await self._link.now_ms()

    async def read(self, symbols: Sequence[str]) -> BreakerReading:
        key = self._names.key
        pipe = self._link.client.pipeline(transaction=True)
        pipe.time()
        for name in (Key.KILL, Key.KILL_EPOCH):
            pipe.get(key(name))
        for name in (Key.KILL_RECORD, Key.BREAKER_STATE, Key.PORTFOLIO):
            pipe.hgetall(key(name))
        for symbol in symbols:
            pipe.hgetall(key(Key.MARKET, symbol=symbol))
        with self._link.guard():
            replies = await pipe.execute(raise_on_error=False)
        (seconds, micros), kill, epoch, record, state, raw, *marks = replies
        portfolio: Known[Portfolio] | None = _decoded(raw, snapshot.decode_portfolio)
        said = _decoded(record, dict) or {}
        kill_text, epoch_text = _text(kill), _text(epoch)
        same_value = said.get("value") == kill_text.strip().lower()
        positions = portfolio.value.positions if portfolio else {}
        return BreakerReading(
            now_ms=int(seconds) * 1000 + int(micros) // 1000,
            kill=kill_text,
            epoch=epoch_text,
            record=said if same_value and said.get("epoch") == epoch_text else {},
            stored=_decoded(state, BreakerState.from_fields),
            feeds=_feeds(portfolio, marks),
            equity_usdt=portfolio.value.equity_usdt if portfolio else None,
            amounts={symbol: position.amount for symbol, position in positions.items()},
        )

    async def sent_after(self, entry_id: str) -> tuple[str, Sequence[Sent]]:
        stream = self._names.stream(Stream.APPLY_RESULT)
        with self._link.guard():
            rows = await self._link.client.xrange(stream, min=f"({entry_id}")
        found: list[Sent] = []
        for raw_id, raw in rows:
            entry_id = raw_id.decode()
            result = _decoded(raw, Result.from_fields)
            sent = Sent.of(result, int(entry_id.split("-")[0])) if result else None
            if sent:
                found.append(sent)
        return entry_id, found

    async def admissions(self) -> Mapping[str, Admission]:
        prefix = self._names.prefix(Key.CLAIM)
        found: dict[str, Admission] = {}
        async for keys in scan_pages(self._link, prefix):
            pipe = self._link.client.pipeline(transaction=False)
            for key in keys:
                pipe.hgetall(key)
            with self._link.guard():
                replies = await pipe.execute(raise_on_error=False) if keys else []
            for key, raw in zip(keys, replies, strict=True):
                claim = _decoded(raw, Claim.from_fields)
                if claim:
                    plan_id = key.decode("utf-8", "replace").removeprefix(prefix)
                    found[claim.client_order_id] = Admission(plan_id, _quantity(claim))
        return found

    async def write(self, state: BreakerState) -> None:
        name = self._names.key(Key.BREAKER_STATE)
        pipe = self._link.client.pipeline(transaction=True)
        pipe.delete(name)
        pipe.hset(name, mapping=dict(state.to_fields()))
        with self._link.guard():
            await pipe.execute()


def _feeds(portfolio: Known[Portfolio] | None, marks: Sequence[Any]) -> dict[str, int]:
    """All marks come in one answer of the exchange: the newest tells when the feed last lived."""
    feeds: dict[str, int] = {}
    if portfolio is not None:
        feeds["positions"] = portfolio.observed_at_ms
        if portfolio.value.equity_at_ms is not None:
            feeds["equity"] = portfolio.value.equity_at_ms
    read = [mark for mark in (_decoded(raw, snapshot.decode_mark) for raw in marks) if mark]
    if read:
        feeds["marks"] = max(mark.observed_at_ms for mark in read)
    return feeds


def _quantity(claim: Claim) -> Decimal | None:
    try:
        return parse_decimal(claim.quantity) if claim.quantity else None
    except DecodeError:
        return None


def _text(reply: Any) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""


def _decoded(reply: Any, decode: Any) -> Any:
    """What it says; None where there is nothing that can be read."""
    if not reply or isinstance(reply, Exception):
        return None
    try:
        return decode(decode_fields(reply))
    except DecodeError:
        return None
