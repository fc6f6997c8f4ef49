"""What every hop of a trace is, and the questions that several of them ask of the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qtops.audits.trace_records import Records
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Stream
from qtops.contracts.result import Result
from qtops.contracts.vocabulary import Feeder, GateName

PATIENCE_MS: Final = 10_000  # a plan younger than this may still be on its way
NO_ORDER: Final = frozenset({"", "none"})
LABELS: Final = {
    GateName.GOVERNOR: "governor",
    GateName.PORTFOLIO: "portfolio gate",
    GateName.POSITION: "position gate",
}


class HopState(StrEnum):
    """What is known of one hop."""

    SEEN = "seen"
    MISSING = "missing"
    EXPIRED = "expired"
    CONTRADICTORY = "contradictory"
    UNKNOWN = "unknown"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop. Times are the Redis server's µs; `latency_us` from what it waited for.

    `reason` is the code of a refusal, `detail` what else is known.
    """

    name: str
    state: HopState
    detail: str = ""
    at_us: int | None = None
    reason: str = ""
    refused: bool = False
    breaks: bool = False
    latency_us: int | None = None

    @property
    def words(self) -> str:
        """Reason and detail."""
        return ": ".join(filter(None, (self.reason, self.detail)))


def age_ms(records: Records) -> int | None:
    """How old the plan's first entry is."""
    return records.now_ms - records.plans[0].at_ms if records.plans else None


def is_young(records: Records) -> bool:
    """Not long enough ago for its silence to mean anything."""
    age = age_ms(records)
    return age is not None and age < PATIENCE_MS


def bridge_refusal(records: Records) -> DecisionRecord | None:
    """Why the intent never became a plan; None where it did, or where nobody says so."""
    said = [r for r in records.decisions if r.gate == Feeder.INTENT_BRIDGE.value]
    return said[-1] if said and not records.plans and not said[-1].allow else None


def asks_no_order(records: Records) -> bool:
    """Undecodable plans ask for nothing, nor does an intent that was refused."""
    if bridge_refusal(records) is not None:
        return True
    read = [entry.plan for entry in records.plans]
    return bool(read) and not any(plan and plan.decision.wants_order for plan in read)


def admitted(records: Records) -> bool:
    """The claim went through admission: it names our order."""
    return records.claim is not None and records.claim.client_order_id not in NO_ORDER


def executed(records: Records) -> Result | None:
    """The result that says so."""
    return next((result for result in records.results if result.executed), None)


def hop_us(records: Records, name: str) -> int | None:
    """When the executor passed a step, as the result recorded it."""
    for result in records.results:
        times = result.details.get("hops_us")
        at_us = times.get(name) if isinstance(times, Mapping) else None
        if isinstance(at_us, int):
            return at_us
    return None


def absent(records: Records, stream: Stream, missing: str) -> tuple[HopState, str]:
    """Why a record that should be in the stream was not read there."""
    name = stream.value.name
    if name in records.unread:
        return HopState.UNKNOWN, f"{name} was not read to its start, the time was up"
    if stream in records.trimmed:
        return HopState.UNKNOWN, f"{missing}, or {name} was trimmed since"
    if is_young(records):
        return HopState.UNKNOWN, f"not yet; the plan is {age_ms(records)} ms old"
    return HopState.MISSING, missing


def refusal(name: str, reason: str, detail: str, at_us: int | None) -> Hop:
    """A hop that answered no; the plan ends there."""
    return Hop(name, HopState.SEEN, detail, at_us, reason, refused=True, breaks=True)
