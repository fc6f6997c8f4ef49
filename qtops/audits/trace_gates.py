"""The hops up to admission: the intent, the plan, the three gates, their permits."""

from collections.abc import Sequence
from typing import Final

from qtops.audits.permit_trail import Fate, GateTrail
from qtops.audits.trace_hops import (
    LABELS,
    Hop,
    HopState,
    absent,
    asks_no_order,
    bridge_refusal,
    refusal,
)
from qtops.audits.trace_records import Records
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import GATE_SERVICES, Stream
from qtops.contracts.vocabulary import DenyReason, Lane

UNDECODABLE: Final = DenyReason.UNDECODABLE_PLAN.value


def intent_hop(records: Records) -> Hop:
    """A plan need not come from an intent, so its absence proves nothing."""
    if said := bridge_refusal(records):
        return refusal("intent", said.reason, said.detail, said.decided_at_us)
    if records.intent_id:
        at_us = int(records.intent_id.partition("-")[0]) * 1000
        return Hop("intent", HopState.SEEN, records.intent_id, at_us)
    if not records.plans:
        return Hop("intent", HopState.UNKNOWN, "the plan's entry is not there to compare with")
    source = next((entry.plan.source for entry in records.plans if entry.plan), "")
    words = "no intent that is left hashes to this plan's id"
    return Hop("intent", HopState.UNKNOWN, f"{words}; source {source}" if source else words)


def plan_hop(records: Records) -> Hop:
    """One plan under the id, that can be decoded; anything else ends here."""
    if not records.plans and bridge_refusal(records):
        return Hop("plan", HopState.NOT_REACHED)
    if not records.plans:
        state, why = absent(records, Stream.APPLY_PLAN, "no plan of this id")
        is_trimmed = state is HopState.UNKNOWN and Stream.APPLY_PLAN in records.trimmed
        return Hop("plan", HopState.EXPIRED if is_trimmed else state, why)
    entry = records.plans[0]
    at_us = entry.at_ms * 1000
    letter = records.letters[0] if records.letters else None
    if entry.plan is None:
        buried = "in the dead letters" if letter else "not in the dead letters"
        return refusal("plan", UNDECODABLE, f"{entry.fault}; {buried}", at_us)
    if letter is not None or len({e.plan.digest for e in records.plans if e.plan}) > 1:
        why = f"{letter.reason}: {letter.message}" if letter else "entries that differ"
        detail = f"{len(records.plans)} entries under this id; {why}"
        return Hop("plan", HopState.CONTRADICTORY, detail, at_us, breaks=True)
    plan = entry.plan
    lane = ", manual lane" if entry.lane is Lane.MANUAL else ""
    detail = f"{plan.action.value} {plan.side.value} {plan.quantity:f} {plan.symbol}{lane}"
    if not plan.decision.wants_order:
        why = plan.extra.get("reason_codes", "")[:120]
        detail = f"{plan.decision.value}: it asks for no order" + (f" ({why})" if why else "")
    return Hop("plan", HopState.SEEN, detail, at_us)


def gate_hop(records: Records, trail: GateTrail) -> Hop:
    """The gate's decision that counted."""
    name = LABELS[trail.gate]
    said = [record for record in records.decisions if record.gate == trail.gate.value]
    if not said:
        return _silent_gate_hop(records, trail)
    record = _decisive(said, trail)
    at_us = record.decided_at_us or record.decided_at_ms * 1000
    if problem := _permit_disagrees(trail, said[-1]):
        return Hop(name, HopState.CONTRADICTORY, problem, at_us, breaks=True)
    if not record.allow:
        return refusal(name, record.reason, record.detail, at_us)
    allowed = f"allowed up to {record.quantity:f}" if record.quantity is not None else "allowed"
    return Hop(name, HopState.SEEN, allowed, at_us)


def _permit_disagrees(trail: GateTrail, newest: DecisionRecord) -> str:
    """The permit that lies there and the gate's last word must be one; empty when they are."""
    is_written = bool(trail.keys) and trail.fate in {Fate.LIVE, Fate.REFUSED}
    if is_written and (trail.fate is Fate.LIVE) is not newest.allow:
        return "; ".join(trail.remarks)
    return ""


def _decisive(said: Sequence[DecisionRecord], trail: GateTrail) -> DecisionRecord:
    """The newest decision; for a permit that was used, the newest that can have issued it."""
    allows = [record for record in said if record.allow]
    return allows[-1] if trail.fate is Fate.USED and allows else said[-1]


def _silent_gate_hop(records: Records, trail: GateTrail) -> Hop:
    name = LABELS[trail.gate]
    if asks_no_order(records) or not records.is_traced:
        return Hop(name, HopState.NOT_REACHED)
    if trail.keys:
        detail = "a permit lies there that no decision on record signs for"
        is_gone = Stream.GATE_DECISION in records.trimmed
        state = HopState.EXPIRED if is_gone else HopState.CONTRADICTORY
        return Hop(name, state, detail, breaks=not is_gone)
    state, why = absent(records, Stream.GATE_DECISION, "it never decided")
    if GATE_SERVICES[trail.gate] in records.silent:
        why += "; no heartbeat now"
    return Hop(name, state, why, breaks=state is HopState.MISSING)


def permits_hop(records: Records, gates: Sequence[Hop]) -> Hop:
    """Issued permits that were never used and are gone have expired: their decisions say so."""
    by_fate: dict[Fate, list[str]] = {}
    for trail in records.gates:
        by_fate.setdefault(trail.fate, []).append(LABELS[trail.gate])
    where = "; ".join(f"{fate.value}: {', '.join(names)}" for fate, names in by_fate.items())
    if Fate.UNREADABLE in by_fate:
        return Hop("permits", HopState.CONTRADICTORY, where, breaks=True)
    if asks_no_order(records) or Fate.REFUSED in by_fate:
        return Hop("permits", HopState.NOT_REACHED, where if Fate.REFUSED in by_fate else "")
    if Fate.SILENT in by_fate:
        is_unknown = any(hop.state is HopState.UNKNOWN for hop in gates)
        why = "expired or never issued" if is_unknown else "never issued"
        state = HopState.UNKNOWN if is_unknown else HopState.MISSING
        return Hop("permits", state, f"{why}: {', '.join(by_fate[Fate.SILENT])}")
    refused_later = any(not r.error.startswith("permit_") for r in records.results)
    for fate, state in _FATE_STATES:
        if fate in by_fate:
            breaks = state in {HopState.EXPIRED, HopState.MISSING} and not refused_later
            return Hop("permits", state, where, breaks=breaks)
    return Hop("permits", HopState.SEEN, where)


_FATE_STATES: Final = (
    (Fate.EXPIRED, HopState.EXPIRED),
    (Fate.GONE, HopState.MISSING),
    (Fate.UNKNOWN, HopState.UNKNOWN),
)
