"""From a calibrated proposal to a plan, or why there is none.

The kill score is a reason to close and never one to refuse: the original blocked every close from
0.80 on (DOMAIN §2.9), which were those that mattered most.
"""

from dataclasses import dataclass

from qtops.contracts.decision import Deny
from qtops.contracts.environment import Environment
from qtops.contracts.episode import PlanFate
from qtops.contracts.facts import Fact, Known, Position
from qtops.contracts.harvest import SOURCE, CalibratedProposal
from qtops.contracts.plan import FRACTIONS, Plan
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import Action, ApplyMode, DenyReason, PlanDecision, Side


@dataclass(frozen=True, slots=True)
class ApplyLimits:
    """What the operator lets the apply layer do, and where its plans would be carried out.

    No executor takes up a plan older than `plan_life_ms` that nobody has claimed.
    """

    mode: ApplyMode = ApplyMode.DRY_RUN
    symbols: frozenset[str] = frozenset()
    kill_switch: bool = False
    environment: Environment = Environment.OTHER
    max_age_ms: int = 60_000
    max_position_age_ms: int = 10_000
    plan_life_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Earlier:
    """The last plan that was made for the same intent. `marker` is its record, as stored.

    A record that cannot be read stands for an executed plan: the step may have been done.
    """

    plan_id: str
    made_at_ms: int
    fate: PlanFate
    marker: bytes = b""


@dataclass(frozen=True, slots=True)
class ApplyFacts:
    """One reading for one proposal."""

    now_ms: int
    position: Fact[Position]
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A plan (it may ask for no order), and the refusal that it carries or stands for."""

    plan: Plan | None
    denial: Deny | None = None


def decide(proposal: CalibratedProposal, facts: ApplyFacts, limits: ApplyLimits) -> Verdict:
    """A duplicate, or a position that is gone, makes no plan; other refusals make a mute one."""
    duplicate = _duplicate(proposal, facts, limits)
    if duplicate is not None:
        return Verdict(None, duplicate)
    position = position_now(proposal, facts, limits)
    if isinstance(position, Deny):
        return Verdict(None, position)
    denial = _refusal(proposal, facts, limits)
    if denial is None:
        decision = PlanDecision.EXECUTE
    elif denial.reason is DenyReason.APPLY_DRY_RUN:
        decision = PlanDecision.SKIP
    else:
        decision = PlanDecision.BLOCKED
    return Verdict(_plan(proposal, position, facts, decision, denial), denial)


def _duplicate(proposal: CalibratedProposal, facts: ApplyFacts, limits: ApplyLimits) -> Deny | None:
    """One plan at a time for an intent, and none after it was carried out.

    A full close that left something over is no duplicate: the intent is to be flat.
    """
    earlier = facts.earlier
    if earlier is None:
        return None
    if earlier.plan_id == proposal.proposal.plan_id:
        return Deny(DenyReason.DUPLICATE_PLAN, "this plan was made before")
    is_full = proposal.proposal.action is Action.FULL_CLOSE_PROPOSED
    if earlier.fate is PlanFate.EXECUTED and not is_full:
        return Deny(DenyReason.DUPLICATE_PLAN, f"{earlier.plan_id} was executed")
    young = facts.now_ms - earlier.made_at_ms < limits.plan_life_ms
    if earlier.fate is PlanFate.OPEN or (earlier.fate is PlanFate.ABSENT and young):
        return Deny(DenyReason.DUPLICATE_PLAN, f"{earlier.plan_id} has no end yet")
    return None


def position_now(
    proposal: CalibratedProposal, facts: ApplyFacts, limits: ApplyLimits
) -> Position | Deny:
    """The snapshot's position; the proposal's own, seconds old, where there is no fresh one."""
    seen = proposal.proposal
    known = facts.position
    if not isinstance(known, Known) or (
        facts.now_ms - known.observed_at_ms > limits.max_position_age_ms
    ):
        return Position(seen.position_amt, seen.entry_price, seen.mark_price)
    amount = known.value.amount
    if amount == ZERO:
        return Deny(DenyReason.NO_POSITION, "flat by now")
    if (amount > ZERO) != (seen.position_amt > ZERO):
        return Deny(DenyReason.CLOSE_SIDE_MISMATCH, f"exchange position {fmt_decimal(amount)}")
    return known.value


def _refusal(proposal: CalibratedProposal, facts: ApplyFacts, limits: ApplyLimits) -> Deny | None:
    age_ms = facts.now_ms - proposal.proposal.computed_at_ms
    if age_ms > limits.max_age_ms:
        return Deny(DenyReason.PLAN_STALE, f"proposal {age_ms} ms old, limit {limits.max_age_ms}")
    if limits.kill_switch:
        return Deny(DenyReason.KILL_SWITCH_ACTIVE, "APPLY_KILL_SWITCH")
    if proposal.proposal.symbol not in limits.symbols:
        return Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, f"{proposal.proposal.symbol} (apply layer)")
    if limits.mode is ApplyMode.DRY_RUN:
        return Deny(DenyReason.APPLY_DRY_RUN, f"would be {proposal.action.value}")
    if not limits.environment.is_play_money:
        return Deny(DenyReason.MODE_FORBIDS, f"APPLY_MODE=testnet, venue {limits.environment}")
    return None


def _plan(
    calibrated: CalibratedProposal,
    position: Position,
    facts: ApplyFacts,
    decision: PlanDecision,
    denial: Deny | None,
) -> Plan:
    """A reduce-only order of the action's share of the position. The executor floors it."""
    proposal = calibrated.proposal
    said = calibrated.to_fields()
    extra = {name: said[name] for name in _CARRIED if name in said}
    if denial is not None:
        extra["reason_codes"] = ",".join((*proposal.reason_codes, denial.reason.value))
    return Plan(
        plan_id=proposal.plan_id,
        decision=decision,
        symbol=proposal.symbol,
        side=Side.SELL if position.amount > ZERO else Side.BUY,
        quantity=abs(position.amount) * FRACTIONS[calibrated.action],
        reduce_only=True,
        source=SOURCE,
        action=calibrated.action,
        kill_score=proposal.kill_score,
        timestamp_ms=facts.now_ms,
        extra=extra,
    )


# What of the proposal a plan says on, under the original's names.
_CARRIED = (
    *("trace_id", "R_net", "new_sl_proposed", "reason_codes", "original_action", "heat_value"),
    *("heat_bucket", "k_regime_flip", "k_sigma_spike", "k_ts_drop", "k_age_penalty"),
)
