"""Why was there (no) trade? One plan's life, hop by hop, judged from its records.

A hop that said no is `seen` and `refused`. The first hop that `breaks` is where the plan ended.
What could not be read is unknown, and what is too old to be there still is expired; neither is
taken for missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from qtops.audits.trace_gates import gate_hop, intent_hop, permits_hop, plan_hop
from qtops.audits.trace_hops import LABELS, Hop, HopState, asks_no_order, executed, is_young
from qtops.audits.trace_order import admission_hop, book_hop, fills_hop, order_hop, result_hop
from qtops.audits.trace_records import Records


class Outcome(StrEnum):
    """How the plan ended."""

    FILLED = "filled"
    REFUSED = "refused"
    LOST = "lost"
    CONTRADICTORY = "contradictory"
    NO_ORDER_ASKED = "no_order_asked"
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Life:
    """A plan's hops in the order of the data's flow."""

    plan_id: str
    symbol: str
    hops: Sequence[Hop]
    outcome: Outcome

    @property
    def first_break(self) -> Hop | None:
        """Where the plan ended, or where two records cannot both be true."""
        return next((hop for hop in self.hops if hop.breaks), None)

    def hop(self, name: str) -> Hop:
        return next(hop for hop in self.hops if hop.name == name)

    def since_plan_us(self, hop: Hop) -> int | None:
        """µs from the plan's entry to the hop; None where either has no time."""
        start = self.hop("plan").at_us
        return None if start is None or hop.at_us is None else max(0, hop.at_us - start)


def life_of(records: Records) -> Life:
    """Judge every hop, then the whole."""
    gates = [gate_hop(records, trail) for trail in records.gates]
    hops = [
        intent_hop(records),
        plan_hop(records),
        *gates,
        permits_hop(records, gates),
        admission_hop(records),
        order_hop(records),
        fills_hop(records),
        result_hop(records),
        book_hop(records),
    ]
    return Life(records.plan_id, records.symbol, _with_latencies(hops), _outcome(records, hops))


def _outcome(records: Records, hops: Sequence[Hop]) -> Outcome:
    stop = next((hop for hop in hops if hop.breaks), None)
    if not records.is_traced:
        outcome = Outcome.NOT_FOUND
    elif any(hop.state is HopState.CONTRADICTORY for hop in hops):
        outcome = Outcome.CONTRADICTORY
    elif executed(records) is not None:
        outcome = Outcome.FILLED
    elif stop is not None:
        outcome = Outcome.REFUSED if stop.refused else Outcome.LOST
    elif asks_no_order(records):
        outcome = Outcome.NO_ORDER_ASKED
    else:
        outcome = Outcome.IN_FLIGHT if is_young(records) else Outcome.UNKNOWN
    return outcome


def _with_latencies(hops: Sequence[Hop]) -> list[Hop]:
    """Gates run side by side from the plan on; every other hop waits for all before it."""
    gates = set(LABELS.values())
    plan_us = next((hop.at_us for hop in hops if hop.name == "plan"), None)
    reached_us, timed = plan_us, []
    for hop in hops:
        since_us = plan_us if hop.name in gates else reached_us
        if hop.at_us is None or since_us is None or hop.name == "plan":
            timed.append(hop)
            continue
        timed.append(replace(hop, latency_us=max(0, hop.at_us - since_us)))
        reached_us = max(reached_us or 0, hop.at_us)
    return timed


# Who said no, where the hop is called by what it is.
_ANSWERING = {
    "intent": "the intent bridge",
    "plan": "the decoder",
    "order": "the exchange",
    "result": "executor",
}


def verdict_of(life: Life) -> str:
    """The life in one line."""
    stop, result = life.first_break, life.hop("result")
    odd = next((hop for hop in life.hops if hop.state is HopState.CONTRADICTORY), result)
    dark = next((hop for hop in life.hops[1:] if hop.state is HopState.UNKNOWN), result)
    words = {
        Outcome.FILLED: f"filled: {result.detail}",
        Outcome.CONTRADICTORY: f"contradictory at {odd.name}: {odd.detail}",
        Outcome.NO_ORDER_ASKED: life.hop("plan").detail,
        Outcome.IN_FLIGHT: f"in flight: {dark.name} {dark.detail}",
        Outcome.UNKNOWN: f"unknown: {dark.name} {dark.detail}",
        Outcome.NOT_FOUND: f"no trace of plan {life.plan_id}",
    }
    if stop is not None:
        who = _ANSWERING.get(stop.name, stop.name)
        words_of_no = stop.words if stop.name == "plan" else stop.reason
        words[Outcome.REFUSED] = f"refused by {who}: {words_of_no}"
        words[Outcome.LOST] = f"lost at {stop.name}: {stop.detail}"
    return words[life.outcome]
