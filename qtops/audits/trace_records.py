"""Everything that can still be read about plans, gathered in one pass over each stream.

Pages are read newest first and dropped; only entries of the wanted plans are kept.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from qtops.audits.permit_trail import Evidence, GateTrail, judge
from qtops.audits.permits import PLAN_LANES, Budget, Families, shown
from qtops.contracts.claim import Claim
from qtops.contracts.codec import decode_fields, parse_json_object, text_of
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.registry import GATE_SERVICES, Service, Stream
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.contracts.vocabulary import GateName, Lane
from qtops.errors import DecodeError, VenueError
from qtops.ports import PermitEntry, PermitSource, StreamEntry, Venue

INTENT_WINDOW_MS: Final = 600_000  # a bridge turns an intent into a plan well within
TRACED: Final = (Stream.GATE_DECISION, Stream.APPLY_RESULT, Stream.DLQ)

M = TypeVar("M")
Fields = Mapping[bytes, bytes]
Kept = Mapping[bytes, Sequence[Fields]]


class TraceSource(PermitSource, Protocol):
    """Permits, claims and streams, and what only a trace asks for."""

    async def trimmed_before_ms(self, stream: Stream) -> int:
        """When the oldest entry left was added, if older ones were trimmed away; else 0."""
        ...

    async def book(self, symbol: str) -> Mapping[bytes, bytes]:
        """Our book of the symbol as stored; empty when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One entry of a plan stream. `plan` is None when it cannot be decoded, for `fault`."""

    entry_id: str
    lane: Lane
    symbol: str
    raw: Fields
    plan: Plan | None
    fault: str = ""

    @property
    def at_ms(self) -> int:
        return int(self.entry_id.partition("-")[0])


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """What the exchange says about the plan's order. `why_unknown` is empty when it answered."""

    why_unknown: str = ""
    was_asked: bool = True
    order: VenueOrder | None = None
    trades: Sequence[VenueTrade] = ()


NOT_ASKED: Final = ExchangeView("not asked", was_asked=False)


@dataclass(frozen=True, slots=True)
class Records:
    """What was read of one plan; sequences are oldest first, `unread` names what was cut short.

    `trimmed` are the streams that lost entries younger than the plan, or of unknown age.
    """

    plan_id: str
    namespace: str
    now_ms: int
    plans: Sequence[PlanEntry] = ()
    intent_id: str = ""
    decisions: Sequence[DecisionRecord] = ()
    gates: Sequence[GateTrail] = ()
    claim: Claim | None = None
    claim_unreadable: bool = False
    results: Sequence[Result] = ()
    result_faults: Sequence[str] = ()
    letters: Sequence[DeadLetter] = ()
    exchange: ExchangeView = NOT_ASKED
    book: Mapping[str, str] = field(default_factory=dict)
    trimmed: frozenset[Stream] = frozenset()
    unread: frozenset[str] = frozenset()
    silent: frozenset[Service] = frozenset()

    @property
    def symbol(self) -> str:
        named = [entry.symbol for entry in self.plans] + [r.symbol for r in self.results]
        named += [record.symbol for record in self.decisions]
        return next(filter(None, named), "")

    @property
    def order_id(self) -> str:
        """Our own id of the order that the plan may lead to."""
        return client_order_id(self.namespace, self.plan_id)

    @property
    def is_traced(self) -> bool:
        """Anything at all is known about the plan."""
        keys = any(trail.keys for trail in self.gates)
        streams = self.plans or self.decisions or self.results or self.result_faults or self.letters
        return bool(streams or keys or self.claim or self.claim_unreadable)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of the plan streams are wanted, how many at most, and from when on."""

    wanted: Callable[[Fields], bool]
    limit: int | None = None
    start_ms: int = 0


async def find_plans(
    source: TraceSource, budget: Budget, selection: Selection
) -> dict[bytes, list[PlanEntry]]:
    """The entries by plan id, plans newest first, entries of one plan oldest first."""
    found: list[tuple[bytes, PlanEntry]] = []
    for stream, lane in PLAN_LANES:
        taken = 0
        async with aclosing(_entries(source, budget, stream, selection.start_ms)) as entries:
            async for entry_id, raw in entries:
                if selection.wanted(raw):
                    found.append((raw.get(b"plan_id", b""), _plan_entry(entry_id, raw, lane)))
                    taken += 1
                    if taken == selection.limit:
                        break
    found.sort(key=lambda pair: pair[1].at_ms, reverse=True)
    by_plan: dict[bytes, list[PlanEntry]] = {}
    for plan_id, entry in found[: selection.limit]:
        by_plan.setdefault(plan_id, []).insert(0, entry)
    return by_plan


async def _entries(
    source: TraceSource, budget: Budget, stream: Stream, start_ms: int
) -> AsyncGenerator[StreamEntry, None]:
    read = budget.spend_on(source.since(stream, start_ms), stream.value.name)
    async with aclosing(read) as pages:
        async for page in pages:
            for entry in page:
                yield entry


def _plan_entry(entry_id: bytes, raw: Fields, lane: Lane) -> PlanEntry:
    symbol = shown(raw.get(b"symbol", b""))
    try:
        plan = Plan.from_fields(decode_fields(raw), lane)
    except DecodeError as error:
        return PlanEntry(entry_id.decode(), lane, symbol, raw, None, error.message)
    return PlanEntry(entry_id.decode(), lane, symbol, raw, plan)


async def records_of(
    source: TraceSource, budget: Budget, plans: Mapping[bytes, Sequence[PlanEntry]]
) -> list[Records]:
    """The records of every plan, each stream read once. A plan without entries is read for, too."""
    start_ms = min((entries[0].at_ms if entries else 0 for entries in plans.values()), default=0)
    now_ms = await source.now_ms()
    kept = {stream: await _kept(source, budget, stream, start_ms, plans) for stream in TRACED}
    trimmed = {s: await source.trimmed_before_ms(s) for s in (Stream.APPLY_PLAN, *TRACED)}
    silent = await _silent(source)
    found = []
    for plan_id, entries in plans.items():
        results, faults = _decoded(Result.from_fields, kept[Stream.APPLY_RESULT].get(plan_id, ()))
        begun_ms = entries[0].at_ms if entries else 0
        base = Records(
            plan_id=shown(plan_id),
            namespace=source.names.namespace,
            now_ms=now_ms,
            plans=entries,
            results=results,
            result_faults=faults,
            letters=_decoded(DeadLetter.from_fields, kept[Stream.DLQ].get(plan_id, ()))[0],
            trimmed=frozenset(stream for stream, at_ms in trimmed.items() if at_ms > begun_ms),
            silent=silent,
        )
        base = await _with_keys(source, base, plan_id, kept[Stream.GATE_DECISION])
        found.append(await _with_origin(source, budget, base))
    return [replace(records, unread=frozenset(budget.cut)) for records in found]


async def _silent(source: TraceSource) -> frozenset[Service]:
    """Which of those that answer for a plan have no heartbeat."""
    services = [*(GATE_SERVICES[gate] for gate in GateName), Service.EXECUTOR]
    beats = await source.beats(services)
    return frozenset(s for s, beat in zip(services, beats, strict=True) if beat is None)


async def _kept(
    source: TraceSource,
    budget: Budget,
    stream: Stream,
    start_ms: int,
    plans: Mapping[bytes, Sequence[PlanEntry]],
) -> Kept:
    """The stream's entries that speak of one of the plans, by plan."""
    found: dict[bytes, list[Fields]] = {}
    plan_of = _plan_in if stream is Stream.DLQ else _plan_named
    async for page in budget.spend_on(source.since(stream, start_ms), stream.value.name):
        for plan_id, raw in ((plan_of(raw), raw) for _, raw in page):
            if plan_id in plans:
                found.setdefault(plan_id, []).insert(0, raw)
    return found


def _plan_named(raw: Fields) -> bytes:
    return raw.get(b"plan_id", b"")


def _plan_in(letter: Fields) -> bytes:
    """The plan of the message that a dead letter holds; empty when it names none."""
    try:
        message = parse_json_object(shown(letter.get(b"raw", b"")), "raw")
    except DecodeError:
        return b""
    return text_of(message.get("plan_id")).encode("utf-8", "surrogateescape")


def _decoded(
    parse: Callable[[Mapping[str, str]], M], raws: Sequence[Fields]
) -> tuple[list[M], list[str]]:
    """The messages, and what is wrong with those that are none."""
    found, faults = [], []
    for raw in raws:
        try:
            found.append(parse(decode_fields(raw)))
        except DecodeError as error:
            faults.append(error.message)
    return found, faults


async def _with_keys(source: TraceSource, base: Records, plan_id: bytes, said: Kept) -> Records:
    """With decisions, permits and the claim, and what became of each permit."""
    families = Families(source.names)
    entries: Sequence[PermitEntry] = await source.permits_at(families.keys_of(plan_id))
    raw_claim = await source.claim(plan_id)
    claim = _claim(raw_claim)
    decisions = _decoded(DecisionRecord.from_fields, said.get(plan_id, ()))[0]
    gates = []
    for gate in GateName:
        own = [e for e in entries if (families.classify(e.key) or (None,))[0] is gate]
        mine = [record for record in reversed(decisions) if record.gate == gate.value]
        gates.append(judge(Evidence(gate, own, mine, claim, base.now_ms), base.plan_id))
    unreadable = bool(raw_claim) and claim is None
    return replace(base, decisions=decisions, gates=gates, claim=claim, claim_unreadable=unreadable)


def _claim(raw: Fields) -> Claim | None:
    try:
        return Claim.from_fields(decode_fields(raw)) if raw else None
    except DecodeError:
        return None


async def _with_origin(source: TraceSource, budget: Budget, base: Records) -> Records:
    """With the book of the symbol, and the intent that the plan names or whose id hashes to its."""
    raw_book = await source.book(base.symbol) if base.symbol else {}
    base = replace(base, book={shown(name): shown(value) for name, value in raw_book.items()})
    if not base.plans:
        return base
    entry = base.plans[0]
    said = [shown(entry.raw.get(name, b"")) for name in (b"symbol", b"side", b"qty")]
    start_ms = entry.at_ms - INTENT_WINDOW_MS
    async with aclosing(_entries(source, budget, Stream.TRADE_INTENT, start_ms)) as intents:
        async for raw_id, _ in intents:
            named = raw_id == entry.raw.get(b"intent_entry")
            if named or base.plan_id == intent_plan_id(raw_id.decode(), *said):
                return replace(base, intent_id=raw_id.decode())
    return base


def intent_plan_id(intent_id: str, symbol: str, side: str, quantity: str) -> str:
    """The plan id that the original's intent bridge gives to an intent."""
    return sha256(f"{intent_id}|{symbol}|{side}|{quantity}".encode()).hexdigest()[:16]


async def ask_exchange(venue: Venue, records: Records) -> Records:
    """With the order and its trades; an exchange that does not answer is unknown, not missing."""
    if not records.symbol:
        return replace(records, exchange=ExchangeView("the plan's symbol is not known"))
    try:
        await venue.sync_clock()
        order = await venue.find_order(records.symbol, records.order_id)
        trades = await venue.trades(records.symbol, order.order_id) if order else []
    except VenueError as error:
        return replace(records, exchange=ExchangeView(error.message))
    return replace(records, exchange=ExchangeView(order=order, trades=trades))


async def plan_of_order(source: TraceSource, budget: Budget, order_id: str) -> bytes | None:
    """The plan whose result names this order, by the exchange's id or ours."""
    wanted = order_id.encode()
    async with aclosing(_entries(source, budget, Stream.APPLY_RESULT, 0)) as entries:
        async for _, raw in entries:
            if wanted in raw.get(b"order_id", b"") or wanted in raw.get(b"details", b""):
                for result in _decoded(Result.from_fields, [raw])[0]:
                    if order_id in {result.order_id, result.client_order_id}:
                        return result.plan_id.encode()
    return None
