"""Are the three permit sources alive? Permits, decisions and heartbeats, judged together.

An idle system has no permits (they live a minute), so their absence alone proves nothing:

- a source is `active` with a readable live permit (a denial is one too: the gate answered) or a
  decision inside the window, else `missing`;
- all three active: `operational`; no plan in the window and all three heartbeats alive: `idle`;
  anything else: `degraded`.
"""

import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Final, TypeVar

from qtops.contracts.codec import canonical_json, decode_fields
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.registry import GATE_SERVICES, PERMIT_KEYS, Key, Names, Stream
from qtops.contracts.vocabulary import Feeder, GateName, Lane
from qtops.errors import DecodeError
from qtops.ports import Clock, PermitEntry, PermitSource, StreamEntry

P = TypeVar("P")
OLD_GOVERNOR: Final = "p32:"  # what the governor's permits were once called
BUDGET_MS: Final = 10_000
FEEDERS: Final = frozenset(feeder.value for feeder in Feeder)  # they issue no permits
PLAN_LANES: Final = ((Stream.APPLY_PLAN, Lane.AUTOMATED), (Stream.APPLY_PLAN_MANUAL, Lane.MANUAL))
_SIGNATURE: Final = re.compile(r'("sig"\s*:\s*")[^"]*')


class Families:
    """Which permit family a key belongs to, by exact prefix."""

    def __init__(self, names: Names) -> None:
        self._governor = names.prefix(Key.PERMIT_GOVERNOR).encode()
        self._prefixes = (
            (names.prefix(Key.PERMIT_PORTFOLIO).encode(), GateName.PORTFOLIO),
            (names.prefix(Key.PERMIT_POSITION).encode(), GateName.POSITION),
            (self._governor + OLD_GOVERNOR.encode(), GateName.GOVERNOR),
        )

    def classify(self, key: bytes) -> tuple[GateName, bytes] | None:
        """(gate, plan id); None for what no gate writes. Only the governor's ids have no colon."""
        for prefix, gate in self._prefixes:
            if key.startswith(prefix):
                plan_id = key[len(prefix) :]
                return (gate, plan_id) if plan_id else None
        plan_id = key.removeprefix(self._governor)
        if plan_id == key or not plan_id or b":" in plan_id:
            return None
        return GateName.GOVERNOR, plan_id

    def is_permit(self, key: bytes) -> bool:
        return self.classify(key) is not None

    def keys_of(self, plan_id: bytes) -> list[bytes]:
        """Every key that is a permit for exactly this plan."""
        prefixes = [self._governor, *(prefix for prefix, _ in self._prefixes)]
        keys = [prefix + plan_id for prefix in prefixes]
        return [key for key in keys if (self.classify(key) or (None, b""))[1] == plan_id]


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One permit as it lies there. `ttl_s` is -1 without expiry, as Redis says it."""

    key: str
    ttl_s: int
    value: str


@dataclass(slots=True)
class SourceTally:
    """What was found of one gate. `count` is its live keys, readable or not."""

    gate: GateName
    pattern: str
    count: int = 0
    allow: int = 0
    deny: int = 0
    unreadable: list[str] = field(default_factory=list)
    no_expiry: list[str] = field(default_factory=list)
    oldest_ms: int | None = None
    newest_ms: int | None = None
    decisions: int = 0
    beat_ms: int | None = None
    _samples: list[tuple[int, bytes, SampleKey]] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.allow + self.deny + self.decisions > 0

    @property
    def is_alive(self) -> bool:
        """A heartbeat that never expires is no sign of life."""
        return self.beat_ms is not None and self.beat_ms >= 0

    @property
    def samples(self) -> list[SampleKey]:
        """The permits with the most life left."""
        return [sample for _, _, sample in sorted(self._samples, reverse=True)]

    def add(self, entry: PermitEntry, plan_id: bytes, sample: int) -> None:
        self.count += 1
        if entry.ttl_ms < 0:
            self.no_expiry.append(shown(entry.key))
        self._judge(read_permit(entry, self.gate, plan_id), entry)
        if sample > 0:
            rank = (entry.ttl_ms, entry.key, sample_of(entry))
            if len(self._samples) < sample:
                heappush(self._samples, rank)
            else:
                heappushpop(self._samples, rank)

    def _judge(self, permit: Permit | None, entry: PermitEntry) -> None:
        if permit is None:
            self.unreadable.append(shown(entry.key))
            return
        self.allow += permit.allow
        self.deny += not permit.allow
        if permit.issued_at_ms > 0:
            self.oldest_ms = min(self.oldest_ms or permit.issued_at_ms, permit.issued_at_ms)
            self.newest_ms = max(self.newest_ms or 0, permit.issued_at_ms)


@dataclass(slots=True)
class PermitAudit:
    """The whole audit. `partial` names the figures that are lower bounds."""

    now_ms: int
    window_ms: int
    sources: dict[GateName, SourceTally]
    unclassified: list[str] = field(default_factory=list)
    plans: int = 0
    newest_plan: str = ""
    undecodable_decisions: int = 0
    partial: list[str] = field(default_factory=list)

    @property
    def since_ms(self) -> int:
        return self.now_ms - self.window_ms

    @property
    def total(self) -> int:
        return sum(s.count for s in self.sources.values()) + len(self.unclassified)

    @property
    def status(self) -> str:
        return infrastructure_status(self.sources.values(), self.plans)


def infrastructure_status(sources: Collection[SourceTally], plans: int) -> str:
    """The one rule; see the module."""
    if all(source.is_active for source in sources):
        return "operational"
    if plans == 0 and all(source.is_alive for source in sources):
        return "idle"
    return "degraded"


class Budget:
    """How long an audit may read. What it had no time for, it says."""

    def __init__(self, clock: Clock, limit_ms: float = BUDGET_MS) -> None:
        self._clock = clock
        self._deadline = clock.monotonic_ms() + limit_ms
        self.cut: set[str] = set()

    @property
    def is_spent(self) -> bool:
        return self._clock.monotonic_ms() >= self._deadline

    async def spend_on(
        self, pages: AsyncGenerator[P, None], figure: str
    ) -> AsyncGenerator[P, None]:
        """The first page, and more while there is time; else `figure` is cut short."""
        is_first = True
        async with aclosing(pages):
            async for page in pages:
                if not is_first and self.is_spent:
                    self.cut.add(figure)
                    return
                is_first = False
                yield page


async def audit_permits(
    source: PermitSource, budget: Budget, *, window_ms: int, sample: int
) -> PermitAudit:
    """Read everything once, the cheap parts first."""
    now_ms = await source.now_ms()
    tallies = [_tally(gate, source.names) for gate in GateName]
    beats = await source.beats([GATE_SERVICES[tally.gate] for tally in tallies])
    for tally, beat in zip(tallies, beats, strict=True):
        tally.beat_ms = beat
    audit = PermitAudit(now_ms, window_ms, {tally.gate: tally for tally in tallies})
    for stream, lane in PLAN_LANES:
        plans = budget.spend_on(source.since(stream, audit.since_ms), "plans_in_window")
        async for page in plans:
            _count_plans(audit, page, lane)
    decisions = source.since(Stream.GATE_DECISION, audit.since_ms)
    async for page in budget.spend_on(decisions, "decisions_in_window"):
        _count_decisions(audit, page)
    families = Families(source.names)
    async for keys in budget.spend_on(source.permits(families.is_permit), "permits"):
        _count_permits(audit, families, keys, sample)
    audit.partial = sorted(budget.cut)
    return audit


def _tally(gate: GateName, names: Names) -> SourceTally:
    return SourceTally(gate, names.key(PERMIT_KEYS[gate], plan_id="*"))


def _count_plans(audit: PermitAudit, page: Sequence[StreamEntry], lane: Lane) -> None:
    """Plans that gates owe an answer; one that asks for no order is not owed any."""
    for _, raw in page:
        if _wants_order(raw, lane):
            audit.plans += 1
            audit.newest_plan = audit.newest_plan or shown(raw.get(b"plan_id", b""))


def _wants_order(raw: Mapping[bytes, bytes], lane: Lane) -> bool:
    try:
        return Plan.from_fields(decode_fields(raw), lane).decision.wants_order
    except DecodeError:
        return True


def _count_decisions(audit: PermitAudit, page: Sequence[StreamEntry]) -> None:
    for _, raw in page:
        try:
            record = DecisionRecord.from_fields(decode_fields(raw))
            if record.gate not in FEEDERS:
                audit.sources[GateName(record.gate)].decisions += 1
        except (DecodeError, ValueError):
            audit.undecodable_decisions += 1


def _count_permits(
    audit: PermitAudit, families: Families, page: Sequence[PermitEntry], sample: int
) -> None:
    for entry in page:
        found = families.classify(entry.key)
        if found is None:
            audit.unclassified.append(shown(entry.key))
        else:
            audit.sources[found[0]].add(entry, found[1], sample)


def read_permit(entry: PermitEntry, gate: GateName, plan_id: bytes) -> Permit | None:
    """The permit in any of its shapes; None when it is none of them."""
    try:
        match entry.value:
            case bytes() as text:
                return Permit.from_text(text.decode(), gate, plan_id.decode())
            case None:
                return None
            case fields:
                return Permit.from_hash(decode_fields(fields), gate, plan_id.decode())
    except (DecodeError, UnicodeDecodeError):
        return None


def sample_of(entry: PermitEntry) -> SampleKey:
    """The permit for people; its signature stays where it is."""
    match entry.value:
        case bytes() as text:
            value = shown(text)
        case None:
            value = f"({entry.kind})"
        case fields:
            value = canonical_json({shown(name): shown(text) for name, text in fields.items()})
    ttl_s = -1 if entry.ttl_ms < 0 else (entry.ttl_ms + 500) // 1000
    return SampleKey(shown(entry.key), ttl_s, _SIGNATURE.sub(r"\1***", value))


def shown(raw: bytes) -> str:
    """Bytes as text; what is not UTF-8 is spelled out."""
    return raw.decode("utf-8", "backslashreplace")
