"""One plan's permits: which gate issued, refused, or never answered, and what became of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from qtops.audits.permits import Budget, Families, SampleKey, read_permit, sample_of
from qtops.contracts.claim import Claim
from qtops.contracts.codec import decode_fields
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.permit import Permit
from qtops.contracts.registry import PERMIT_TTL_S, Key, Stream
from qtops.contracts.vocabulary import GateName
from qtops.errors import DecodeError
from qtops.ports import PermitEntry, PermitSource

CLAIM_LIFE_MS: Final = (Key.CLAIM.value.ttl_s or 0) * 1000
_NO_ORDER: Final = frozenset({"", "none"})


class Fate(StrEnum):
    """What became of one gate's permit for one plan."""

    LIVE = "live"  # issued, not used yet
    USED = "used"  # consumed at admission
    EXPIRED = "expired"  # issued, never used, its time is over
    GONE = "gone"  # issued and removed before its time, not by admission
    UNKNOWN = "unknown"  # issued so long ago that claims of then are forgotten
    REFUSED = "refused"
    UNREADABLE = "unreadable"  # a key is there that no gate of ours wrote
    SILENT = "silent"  # neither permit nor decision


ISSUED: Final = frozenset({Fate.LIVE, Fate.USED, Fate.EXPIRED, Fate.GONE, Fate.UNKNOWN})


@dataclass(slots=True)
class GateTrail:
    """One gate and one plan. `decided_at_ms` 0: no decision on record, so nobody signs for it."""

    gate: GateName
    fate: Fate
    reason: str = ""
    detail: str = ""
    quantity: str = ""
    decided_at_ms: int = 0
    decisions: int = 0
    keys: list[SampleKey] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PlanTrail:
    """One plan and its three gates, in the order of `GateName`, and the executor's claim."""

    plan_id: str
    gates: list[GateTrail]
    claim: Claim | None
    claim_unreadable: bool = False
    partial: bool = False

    @property
    def is_complete(self) -> bool:
        """All three gates said yes."""
        return all(gate.fate in ISSUED for gate in self.gates)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read about one plan and one gate."""

    gate: GateName
    permits: Sequence[PermitEntry]
    decisions: Sequence[DecisionRecord]  # newest first
    claim: Claim | None
    now_ms: int


async def trail_of(source: PermitSource, budget: Budget, plan_id: str) -> PlanTrail:
    """Everything Redis still knows about the plan's permits."""
    key = _stored(plan_id)
    families = Families(source.names)
    now_ms = await source.now_ms()
    entries = await source.permits_at(families.keys_of(key))
    raw_claim = await source.claim(key)
    decisions, partial = await _decisions(source, budget, key)
    claim = _claim(raw_claim)
    gates = []
    for gate in GateName:
        own = [e for e in entries if (families.classify(e.key) or (None,))[0] is gate]
        said = [record for record in decisions if record.gate == gate.value]
        gates.append(judge(Evidence(gate, own, said, claim, now_ms), plan_id))
    unreadable = bool(raw_claim) and claim is None
    return PlanTrail(plan_id, gates, claim, unreadable, partial)


async def _decisions(
    source: PermitSource, budget: Budget, plan_id: bytes
) -> tuple[list[DecisionRecord], bool]:
    """The plan's decisions, newest first; True when the stream was not read to its start."""
    found: list[DecisionRecord] = []
    every = source.since(Stream.GATE_DECISION, 0)
    async for page in budget.spend_on(every, "decisions"):
        for _, raw in page:
            if raw.get(b"plan_id") == plan_id:
                _keep(found, raw)
    return found, bool(budget.cut)


def _keep(found: list[DecisionRecord], raw: Mapping[bytes, bytes]) -> None:
    try:
        found.append(DecisionRecord.from_fields(decode_fields(raw)))
    except DecodeError:
        return  # nobody's decision


def _stored(plan_id: str) -> bytes:
    """The id as it stands in a key; what the shell could not decode comes back as it was."""
    return plan_id.encode("utf-8", "surrogateescape")


def _claim(raw: Mapping[bytes, bytes]) -> Claim | None:
    try:
        return Claim.from_fields(decode_fields(raw)) if raw else None
    except DecodeError:
        return None


def judge(evidence: Evidence, plan_id: str) -> GateTrail:
    """Pure: one gate's part, from what was read."""
    gate = evidence.gate
    read = [read_permit(entry, gate, _stored(plan_id)) for entry in evidence.permits]
    permit = next((p for p in read if p is not None), None)
    newest = evidence.decisions[0] if evidence.decisions else None
    trail = GateTrail(gate, _fate(evidence, permit, newest), decisions=len(evidence.decisions))
    trail.keys = [sample_of(entry) for entry in evidence.permits]
    _describe(trail, permit, newest)
    trail.remarks = list(_remarks(evidence, permit, plan_id))
    return trail


def _fate(evidence: Evidence, permit: Permit | None, newest: DecisionRecord | None) -> Fate:
    if permit is not None:
        return Fate.LIVE if permit.allow else Fate.REFUSED
    if evidence.permits:
        return Fate.UNREADABLE
    if _consumed(evidence.claim, evidence.gate):
        return Fate.USED
    if newest is None:
        return Fate.SILENT
    if not newest.allow:
        return Fate.REFUSED
    return _lapsed(evidence.now_ms - newest.decided_at_ms)


def _lapsed(age_ms: int) -> Fate:
    """An issued permit that is neither there nor in a claim."""
    if age_ms > CLAIM_LIFE_MS:
        return Fate.UNKNOWN
    return Fate.EXPIRED if age_ms >= PERMIT_TTL_S * 1000 else Fate.GONE


def _consumed(claim: Claim | None, gate: GateName) -> bool:
    """A claim with an order id went through admission, which consumes what it names."""
    if claim is None or claim.client_order_id in _NO_ORDER:
        return False
    if not claim.permits:
        return True
    try:
        return gate.value in json.loads(claim.permits)
    except (ValueError, TypeError):
        return True


def _describe(trail: GateTrail, permit: Permit | None, newest: DecisionRecord | None) -> None:
    if newest is not None:
        trail.decided_at_ms = newest.decided_at_ms
        trail.reason, trail.detail = newest.reason, newest.detail
        trail.quantity = str(newest.quantity) if newest.quantity is not None else ""
    if permit is not None:
        trail.reason = trail.reason or permit.reason
        trail.quantity = trail.quantity or (format(permit.quantity, "f") if permit.quantity else "")


def _remarks(evidence: Evidence, permit: Permit | None, plan_id: str) -> Sequence[str]:
    """What is odd about the permit that lies there."""
    found = []
    if any(entry.ttl_ms < 0 for entry in evidence.permits):
        found.append("it does not expire")
    if len(evidence.permits) > 1:
        found.append("it lies under two keys")
    if evidence.permits and not evidence.decisions:
        found.append("no decision of the gate is on record for it")
    if permit is not None and permit.plan_id != plan_id:
        found.append(f"it names another plan, {permit.plan_id[:60]}")
    if permit is not None and evidence.decisions and permit.allow != evidence.decisions[0].allow:
        found.append("the gate's last decision says otherwise")
    return found
