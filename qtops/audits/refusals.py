"""Why was there no trade in a window? Refusal reasons by gate, each with how many plans it met.

A plan refused by several gates counts once in each row. The executor's own reasons count where no
gate had refused the plan. Ids and counts are kept, entries are not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from qtops.audits.permits import PLAN_LANES, Budget, shown
from qtops.audits.trace_hops import LABELS, PATIENCE_MS
from qtops.contracts.codec import decode_fields, parse_bool
from qtops.contracts.registry import Stream
from qtops.contracts.result import Result
from qtops.contracts.vocabulary import Feeder, GateName, PlanDecision
from qtops.errors import DecodeError
from qtops.ports import PermitSource, StreamEntry

EXECUTOR: Final = "executor"
_ASKS_NOTHING: Final = frozenset(d.value.encode() for d in PlanDecision if not d.wants_order)
_BRIDGE: Final = "intent bridge"
_GATES: Final = {gate.value.encode(): LABELS[gate] for gate in GateName} | {
    Feeder.INTENT_BRIDGE.value.encode(): _BRIDGE
}
# Errors whose second part is a code or a gate; in others it is a symbol or a number.
_CODED: Final = ("permit_missing", "binance_error", "http_error", "undecodable_plan")


@dataclass(slots=True)
class Refusal:
    """One reason of one gate. `example` is the newest plan that met it."""

    gate: str
    reason: str
    example: str
    first_ms: int
    last_ms: int
    plan_ids: set[bytes] = field(default_factory=set)

    @property
    def plans(self) -> int:
        return len(self.plan_ids)


@dataclass(slots=True)
class Refusals:
    """The histogram of one window. `partial` names the streams that were cut short."""

    now_ms: int
    since_ms: int
    symbol: str = ""
    seen: set[bytes] = field(default_factory=set)
    executed: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    undecodable: int = 0
    partial: list[str] = field(default_factory=list)
    _unanswered: dict[bytes, bytes] = field(default_factory=dict)
    _rows: dict[tuple[str, str], Refusal] = field(default_factory=dict)

    @property
    def rows(self) -> list[Refusal]:
        """Most plans first."""
        return sorted(self._rows.values(), key=lambda r: (-r.plans, r.gate, r.reason))

    @property
    def undecided(self) -> set[bytes]:
        """Plans without decision and result that are old enough to have them."""
        young_ms = self.now_ms - PATIENCE_MS
        return {key for key, entry_id in self._unanswered.items() if _at_ms(entry_id) < young_ms}

    def add_plan(self, entry: StreamEntry) -> None:
        """A plan that asks for an order; it is undecided until somebody answers."""
        entry_id, raw = entry
        word = raw.get(b"decision", b"").strip().upper()
        if word in _ASKS_NOTHING or not self._is_wanted(raw):
            return
        plan_id = raw.get(b"plan_id", b"")
        self.seen.add(plan_id)
        self._unanswered[plan_id] = entry_id

    def add_decision(self, entry: StreamEntry) -> None:
        raw = entry[1]
        if not self._is_wanted(raw):
            return
        gate, plan_id = _GATES.get(raw.get(b"gate", b"")), raw.get(b"plan_id")
        allow = _allow(raw.get(b"allow", b""))
        if gate is None or not plan_id or allow is None:
            self.undecodable += 1
            return
        self.seen.add(plan_id)
        if allow and gate == _BRIDGE:
            return  # that made the plan; the gates' answers are still to come
        self._unanswered.pop(plan_id, None)
        if not allow:
            self._refuse(gate, shown(raw.get(b"reason", b"")), plan_id, _at_ms(entry[0]))

    def add_result(self, entry: StreamEntry) -> None:
        """After every decision: whether the plan traded, and if not whether a gate was why."""
        if not self._is_wanted(entry[1]):
            return
        try:
            result = Result.from_fields(decode_fields(entry[1]))
        except DecodeError:
            self.undecodable += 1
            return
        plan_id = result.plan_id.encode()
        self.seen.add(plan_id)
        self._unanswered.pop(plan_id, None)
        if result.executed:
            self.executed.add(plan_id)
        elif plan_id not in self.refused:
            self._refuse(EXECUTOR, reason_of(result.error), plan_id, _at_ms(entry[0]))

    def _refuse(self, gate: str, reason: str, plan_id: bytes, at_ms: int) -> None:
        self.refused.add(plan_id)
        row = self._rows.get((gate, reason))
        if row is None:  # entries come newest first
            row = self._rows[gate, reason] = Refusal(gate, reason, shown(plan_id), at_ms, at_ms)
        row.first_ms = min(row.first_ms, at_ms)
        row.last_ms = max(row.last_ms, at_ms)
        row.plan_ids.add(plan_id)

    def _is_wanted(self, raw: Mapping[bytes, bytes]) -> bool:
        return not self.symbol or shown(raw.get(b"symbol", b"")).upper() == self.symbol


def reason_of(error: str) -> str:
    """The part of a result's error that many plans can share."""
    head, _, rest = error.partition(":")
    is_coded = head in _CODED or head.endswith("_permit_denied")
    return (f"{head}:{rest.split(':')[0]}" if is_coded and rest else head) or "no reason given"


async def refusals_of(
    source: PermitSource, budget: Budget, *, window_ms: int, symbol: str = ""
) -> Refusals:
    """Read plans, decisions and results of the window, newest first."""
    now_ms = await source.now_ms()
    found = Refusals(now_ms, now_ms - window_ms, symbol)
    reading: Sequence[tuple[Stream, Callable[[StreamEntry], None]]] = (
        *((stream, found.add_plan) for stream, _ in PLAN_LANES),
        (Stream.GATE_DECISION, found.add_decision),
        (Stream.APPLY_RESULT, found.add_result),
    )
    for stream, add in reading:
        pages = source.since(stream, found.since_ms)
        async for page in budget.spend_on(pages, stream.value.name):
            for entry in page:
                add(entry)
    found.refused -= found.executed
    found.partial = sorted(budget.cut)
    return found


def _at_ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


@lru_cache(maxsize=64)
def _allow(word: bytes) -> bool | None:
    """None when the gate's answer cannot be read. There are few spellings, and many decisions."""
    try:
        return parse_bool(shown(word), "allow")
    except DecodeError:
        return None
