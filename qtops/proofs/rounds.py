"""What an exit proof does in each round, and how a round is judged. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO
from qtops.contracts.venue import Filters, VenueOrder, VenuePosition, VenueTrade
from qtops.contracts.vocabulary import Action, GateName, PlanDecision, Side
from qtops.gates.admission import SHORT

EXPECTED_REFUSAL = "p33_permit_denied:no_position"
SOURCE = "intent_bridge"


class Verdict(StrEnum):
    """How a round ended. Only FAILED speaks against the system."""

    FILLED = "FILLED"
    REJECTED_EXPECTED = "REJECTED_EXPECTED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RoundSpec:
    """One round before it is run. A negative control expects to be refused."""

    number: int
    symbol: str
    side: Side
    quantity: Decimal
    negative_control: bool


@dataclass(frozen=True, slots=True)
class RoundEvidence:
    """Everything seen of a round; the exchange's side was asked of the exchange itself."""

    plan: Plan
    entry_id: str
    published_us: int
    result: Result | None
    decisions: Sequence[DecisionRecord]
    order: VenueOrder | None
    trades: Sequence[VenueTrade]
    position_before: Decimal
    position_after: Decimal


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and for a failure the step that broke and why."""

    verdict: Verdict
    step: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round."""

    spec: RoundSpec
    evidence: RoundEvidence
    judgement: Judgement
    timeline_ms: Mapping[str, Decimal] = field(default_factory=dict)


def plan_rounds(
    positions: Sequence[VenuePosition],
    filters: Mapping[str, Filters],
    allowed: Sequence[str],
    rounds: int,
    fraction: Decimal,
) -> list[RoundSpec]:
    """One round for each allowed position, smallest notional first, then negative controls.

    The quantity is exactly fraction times the position: flooring it is what the gates must do. A
    control asks for the smallest lot of a symbol that has no position.
    """
    allowed = list(dict.fromkeys(allowed))
    held = {p.symbol: p for p in positions if p.amount != ZERO and p.symbol in allowed}
    by_size = sorted(held.values(), key=lambda p: (abs(p.amount) * p.mark_price, p.symbol))
    specs = [
        RoundSpec(
            number=0,
            symbol=p.symbol,
            side=Side.SELL if p.amount > ZERO else Side.BUY,
            quantity=abs(p.amount) * fraction,
            negative_control=False,
        )
        for p in by_size
    ]
    flat = [s for s in allowed if s not in held and s in filters]
    specs += [RoundSpec(0, s, Side.SELL, filters[s].market_min, True) for s in flat]
    return [
        RoundSpec(i, s.symbol, s.side, s.quantity, s.negative_control)
        for i, s in enumerate(specs[:rounds], start=1)
    ]


def plan_of(spec: RoundSpec, stamp: str) -> Plan:
    """The round's plan in the standard format of `apply.plan`."""
    plan = Plan(
        plan_id=f"exit_hardproof_{spec.symbol}_R{spec.number}_{stamp}",
        decision=PlanDecision.EXECUTE,
        symbol=spec.symbol,
        side=spec.side,
        quantity=spec.quantity,
        reduce_only=True,
        source=SOURCE,
        action=Action.FULL_CLOSE_PROPOSED,
    )
    return Plan.from_fields(plan.to_fields())


def judge(spec: RoundSpec, seen: RoundEvidence) -> Judgement:
    """Hold the result against the exchange. What was not seen does not count as done."""
    if seen.result is None:
        return Judgement(Verdict.FAILED, "result", "no result arrived in time")
    if spec.negative_control:
        return _judge_control(seen, seen.result)
    return _judge_exit(spec, seen, seen.result)


def _judge_control(seen: RoundEvidence, result: Result) -> Judgement:
    if seen.order is not None:
        return Judgement(Verdict.FAILED, "exchange", f"order {seen.order.order_id} exists")
    if seen.position_after != seen.position_before:
        return Judgement(Verdict.FAILED, "exchange", "the position changed")
    if result.executed or result.error != EXPECTED_REFUSAL:
        why = result.error or "executed"
        return Judgement(Verdict.FAILED, "gates", f"expected {EXPECTED_REFUSAL}, got {why}")
    return Judgement(Verdict.REJECTED_EXPECTED, reason="no_position")


def _judge_exit(spec: RoundSpec, seen: RoundEvidence, result: Result) -> Judgement:
    if not result.executed:
        return Judgement(Verdict.FAILED, _refusing_step(seen, result), result.error)
    order = seen.order
    if order is None:
        return Judgement(Verdict.FAILED, "exchange", "the exchange does not know the order")
    moved = seen.position_after - seen.position_before
    wanted_move = spec.side.sign * order.executed_quantity
    faults = [
        (order.order_id != result.order_id, f"order id {order.order_id} != {result.order_id}"),
        (not order.reduce_only, "the order is not reduce-only"),
        (order.side is not spec.side, f"the order's side is {order.side}"),
        (order.status != "FILLED", f"the order's status is {order.status}"),
        (order.executed_quantity <= ZERO, "nothing was executed"),
        (order.executed_quantity != result.filled_quantity, "result and exchange disagree"),
        (moved != wanted_move, f"the position moved by {moved}, not {wanted_move}"),
    ]
    for broken, reason in faults:
        if broken:
            return Judgement(Verdict.FAILED, "exchange", reason)
    return Judgement(Verdict.FILLED)


def _refusing_step(seen: RoundEvidence, result: Result) -> str:
    """Which hop stopped the plan: the gates that answered, or the one that did not."""
    if result.error.startswith("permit_missing"):
        return "permits"
    denied = [d.gate for d in seen.decisions if not d.allow]
    return SHORT[GateName(denied[0])] if denied else "executor"


def timeline(seen: RoundEvidence) -> dict[str, Decimal]:
    """Milliseconds from the plan's publication to each hop, on the Redis server's clock."""
    hops: dict[str, int] = {}
    for record in seen.decisions:
        if record.decided_at_us:
            hops[SHORT[GateName(record.gate)]] = record.decided_at_us
    if len(hops) == len(GateName):
        hops["permits"] = max(hops.values())
    if seen.result is not None:
        recorded = seen.result.details.get("hops_us")
        if isinstance(recorded, Mapping):
            hops |= {str(name): int(at) for name, at in recorded.items()}
    return {
        name: Decimal(at - seen.published_us) / 1000
        for name, at in sorted(hops.items(), key=lambda item: item[1])
    }
