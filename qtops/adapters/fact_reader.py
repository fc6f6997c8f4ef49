"""Facts for gates, read from Redis in one round trip. Unreadable is `Missing`, never a default."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from qtops.adapters.link import RedisLink
from qtops.adapters.universe_store import TIER_KEYS, Tiers
from qtops.contracts import risk, snapshot
from qtops.contracts.codec import decode_fields, parse_instant_ms
from qtops.contracts.control import WHOLE_ROLLOUT_PCT, parse_kill, parse_rollout
from qtops.contracts.facts import (
    ControlState,
    Fact,
    Facts,
    Known,
    Missing,
    Reservations,
)
from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key
from qtops.contracts.vocabulary import FactName
from qtops.errors import DecodeError

T = TypeVar("T")
Reply = Any
DAY_MS = 86_400_000

CONTROL_KEYS = (Key.KILL, Key.KILL_EPOCH, Key.MODE, Key.MANUAL_LANE)

# fact → (key, Redis command); the reservations' version is read before everything else, so that
# a change between the reads shows as a stale version and not as a stale hash.
_SYMBOL_COMMANDS: Mapping[FactName, tuple[Key, str]] = {
    FactName.POSITION: (Key.POSITION, "HGETALL"),
    FactName.BOOK: (Key.BOOK, "HGETALL"),
    FactName.MARK: (Key.MARKET, "HGETALL"),
    FactName.BUDGET: (Key.BUDGET, "HGETALL"),
    FactName.ALLOCATION: (Key.ALLOCATION, "HGETALL"),
    FactName.TRADE_COOLDOWN: (Key.TRADE_COOLDOWN, "GET"),
    FactName.EXEC_COOLDOWN: (Key.EXEC_COOLDOWN, "GET"),
    FactName.HEAT_COOLDOWN: (Key.HEAT_COOLDOWN, "GET"),
}
# Hashes that carry their own time.
_SYMBOL_HASHES: Mapping[FactName, Callable[[Mapping[str, str]], Known[Any]]] = {
    FactName.POSITION: snapshot.decode_position,
    FactName.MARK: snapshot.decode_mark,
    FactName.BUDGET: risk.decode_budget,
    FactName.ALLOCATION: risk.decode_target,
}


class FactReader:
    """Queues what is wanted for all plans of a batch, executes once, decodes."""

    def __init__(self, link: RedisLink, tiers: Tiers | None = None) -> None:
        """`tiers` is where the allowlist comes from; without it the fact is not requested."""
        self._link = link
        self._tiers = tiers

    async def read(
        self, plans: Sequence[Plan | Intent], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        """(now in Redis server µs, facts for each plan or intent in order)."""
        batch = _Batch(self._link)
        shared = batch.queue_shared(wanted)
        if self._tiers is not None and FactName.ALLOWLIST in wanted:
            shared["allowlist"] = batch.queue_tiers(self._tiers)
        by_symbol = {p.symbol: batch.queue_symbol(p.symbol, wanted) for p in plans}
        replies = await batch.execute()
        now_us = _server_us(replies[0])
        common = {name: decode(replies, now_us // 1000) for name, decode in shared.items()}
        own = {
            symbol: {name: decode(replies, now_us // 1000) for name, decode in slots.items()}
            for symbol, slots in by_symbol.items()
        }
        return now_us, [Facts(**common, **own[plan.symbol]) for plan in plans]

    async def read_shared(self, wanted: frozenset[FactName]) -> tuple[int, Facts]:
        """(now in Redis server ms, the facts that belong to no symbol)."""
        batch = _Batch(self._link)
        shared = batch.queue_shared(wanted)
        replies = await batch.execute()
        now_ms = _server_us(replies[0]) // 1000
        return now_ms, Facts(**{name: decode(replies, now_ms) for name, decode in shared.items()})


Decoder = Callable[[Sequence[Reply], int], Any]


class _Batch:
    """One pipeline; remembers at which place each fact's replies will stand."""

    def __init__(self, link: RedisLink) -> None:
        self._pipe = link.client.pipeline(transaction=False)
        self._names = link.names
        self._count = 0
        self._queue("TIME")

    async def execute(self) -> Sequence[Reply]:
        replies: Sequence[Reply] = await self._pipe.execute(raise_on_error=False)
        return replies

    def _queue(self, command: str, *args: str) -> int:
        self._pipe.execute_command(command, *args)
        self._count += 1
        return self._count - 1

    def queue_tiers(self, tiers: Tiers) -> Decoder:
        active, last_ok = (self._queue("GET", self._names.key(key)) for key in TIER_KEYS)
        return lambda r, now: tiers.choose(r[active], r[last_ok], now)

    def queue_shared(self, wanted: frozenset[FactName]) -> dict[str, Decoder]:
        slots: dict[str, Decoder] = {}
        if FactName.RESERVATIONS in wanted:
            version = self._queue("GET", self._names.key(Key.RESERVATIONS_VERSION))
            held = self._queue("HGETALL", self._names.key(Key.RESERVATIONS))
            slots["reservations"] = lambda r, now: _reservations(r[version], r[held], now)
        if FactName.CONTROL in wanted:
            at = [self._queue("GET", self._names.key(key)) for key in CONTROL_KEYS]
            slots["control"] = lambda r, now: decode_control([r[i] for i in at], now)
        if FactName.ROLLOUT in wanted:
            share = self._queue("GET", self._names.key(Key.ROLLOUT))
            slots["rollout"] = lambda r, now: _optional(
                r[share], now, parse_rollout, WHOLE_ROLLOUT_PCT
            )
        if FactName.PORTFOLIO in wanted:
            whole = self._queue("HGETALL", self._names.key(Key.PORTFOLIO))
            slots["portfolio"] = lambda r, _: read_hash(r[whole], snapshot.decode_portfolio)
        if FactName.VOLATILITY in wanted:
            sigma = self._queue("HGETALL", self._names.key(Key.VOLATILITY))
            slots["volatility"] = lambda r, _: read_hash(r[sigma], snapshot.decode_volatility)
        if FactName.CLUSTERS in wanted:
            clusters = self._queue("HGETALL", self._names.key(Key.CLUSTER_STATE))
            slots["clusters"] = lambda r, _: read_hash(r[clusters], risk.decode_clusters)
        return slots

    def queue_symbol(self, symbol: str, wanted: frozenset[FactName]) -> dict[str, Decoder]:
        slots: dict[str, Decoder] = {}
        for fact, (key, command) in _SYMBOL_COMMANDS.items():
            if fact in wanted:
                at = self._queue(command, self._names.key(key, symbol=symbol))
                slots[fact.value] = _symbol_decoder(fact, at)
        if FactName.RECONCILE_HOLD in wanted:
            hold = self._names.key(Key.RECONCILE_HOLD, symbol=symbol)
            whole, word = self._queue("HGETALL", hold), self._queue("GET", hold)
            slots["reconcile_hold"] = lambda r, now: _held(r[whole], r[word], now)
        if FactName.FILTERS in wanted:
            rules = self._queue("HGET", self._names.key(Key.FILTERS), symbol)
            slots["filters"] = lambda r, _: read_text(r[rules], snapshot.decode_filters)
        if FactName.OPEN_HISTORY in wanted:
            history = self._names.key(Key.OPEN_HISTORY, symbol=symbol)
            scores = self._queue("ZRANGE", history, "0", "-1", "WITHSCORES")
            slots["open_history"] = lambda r, now: _history(r[scores], now)
        return slots


def _symbol_decoder(fact: FactName, at: int) -> Decoder:
    decode = _SYMBOL_HASHES.get(fact)
    if decode is not None:
        return lambda r, _: read_hash(r[at], decode)
    if fact is FactName.BOOK:
        return lambda r, now: read_hash(r[at], lambda raw: Known(snapshot.decode_book(raw)[0], now))
    return lambda r, now: _optional(r[at], now, parse_instant_ms, None)


def _server_us(reply: Reply) -> int:
    seconds, micros = reply
    return int(seconds) * 1_000_000 + int(micros)


def read_hash(reply: Reply, decode: Callable[[Mapping[str, str]], Fact[T]]) -> Fact[T]:
    """A hash reply, decoded; absent or unreadable is `Missing`."""
    if isinstance(reply, Exception):
        return Missing(f"unreadable: {reply}")
    if not reply:
        return Missing("absent")
    try:
        return decode(decode_fields(pairs(reply)))
    except (DecodeError, KeyError, TypeError) as error:
        return Missing(f"unreadable: {error}")


def read_text(reply: Reply, decode: Callable[[str], Known[T]]) -> Fact[T]:
    """A string reply, decoded; absent or unreadable is `Missing`."""
    if reply is None:
        return Missing("absent")
    try:
        return decode(_plain(reply))
    except DecodeError as error:
        return Missing(f"unreadable: {error}")


def _optional(reply: Reply, now_ms: int, decode: Callable[[str], T], none: T) -> Fact[T]:
    """A key whose absence is an answer (no cooldown, no hold)."""
    if reply is None:
        return Known(none, now_ms)
    return read_text(reply, lambda text: Known(decode(text), now_ms))


def _held(whole: Reply, word: Reply, now_ms: int) -> Fact[str]:
    """Why the symbol is held, empty if it is not; an older reconcile wrote one word, no hash."""
    if isinstance(whole, Exception):
        return _optional(word, now_ms, str, "")
    if not whole:
        return Known("", now_ms)
    return read_hash(whole, lambda raw: Known(f"{raw['owner']}: {raw['reason']}", now_ms))


def _plain(reply: Reply) -> str:
    if isinstance(reply, Exception):
        raise DecodeError("wrong_type", "", str(reply))
    return decode_fields({b"value": reply})["value"]


def _history(reply: Reply, now_ms: int) -> Fact[tuple[int, ...]]:
    if isinstance(reply, Exception):
        return Missing(f"unreadable: {reply}")
    scores = [item[1] for item in reply] if reply and isinstance(reply[0], list) else reply[1::2]
    times = tuple(int(Decimal(_plain(s) if isinstance(s, bytes) else str(s))) for s in scores)
    return Known(tuple(t for t in times if now_ms - t < DAY_MS), now_ms)


def _reservations(version: Reply, held: Reply, now_ms: int) -> Fact[Reservations]:
    try:
        number = int(_plain(version)) if version is not None else 0
        records = {
            plan_id: snapshot.decode_reservation(text)
            for plan_id, text in decode_fields(pairs(held)).items()
        }
    except (DecodeError, ValueError) as error:
        return Missing(f"unreadable: {error}")
    return Known(Reservations(records, number), now_ms)


def decode_control(replies: Sequence[Reply], now_ms: int) -> Fact[ControlState]:
    """The stop switches. An absent or unknown kill switch is `Missing`, which means HALTED."""
    kill, epoch, mode, manual = replies
    if kill is None:
        return Missing("absent")
    try:
        state = ControlState(
            trading_state=parse_kill(_plain(kill)),
            epoch=int(_plain(epoch)) if epoch is not None else 0,
            mode=_plain(mode) if mode is not None else "",
            manual_lane=manual is not None and _plain(manual).strip() == "1",
        )
    except (DecodeError, ValueError) as error:
        return Missing(f"unreadable: {error}")
    return Known(state, now_ms)


def pairs(reply: Reply) -> dict[bytes, bytes]:
    """A hash reply as a mapping, whether the client shaped it or not."""
    if isinstance(reply, Exception):
        raise DecodeError("wrong_type", "", str(reply))
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
