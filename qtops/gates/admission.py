"""Admission: do these permits, now, let this plan become an order?

Pure counterpart of `admit.lua`: this decides on what was read, the script applies the decision only
if every byte it rested on is still there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from qtops.contracts.control import mode_admits
from qtops.contracts.decision import Deny
from qtops.contracts.environment import Environment
from qtops.contracts.facts import NOT_REQUESTED, ControlState, Fact, Known, Missing
from qtops.contracts.permit import Permit, check_permit
from qtops.contracts.plan import Plan
from qtops.contracts.universe import Allowlist
from qtops.contracts.vocabulary import DenyReason, GateName, Lane, TradingState


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """What the executor accepts at all. `permit_key` is the HMAC key, empty when unsigned."""

    sources: frozenset[str]
    symbols: frozenset[str]
    environment: Environment
    required: tuple[GateName, ...] = tuple(GateName)
    permit_key: str = ""
    plan_max_age_ms: int = 60_000

    def __post_init__(self) -> None:
        if GateName.POSITION not in self.required:
            message = "the position gate's permit is always required: it bounds the quantity"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Admit:
    """Go ahead under these permits."""

    permits: dict[GateName, Permit]


@dataclass(frozen=True, slots=True)
class AwaitPermits:
    """Not refused, not complete: these gates have not answered."""

    missing: tuple[GateName, ...]


def check_plan(
    plan: Plan, age_ms: int, limits: AdmissionLimits, universe: Fact[Allowlist] = NOT_REQUESTED
) -> Deny | None:
    """What can be refused before any permit is looked at. Nothing has been sent then.

    The executor's own list bounds everything. The universe can only take opens away from it: what
    the exchange does not list is not opened, and where the universe cannot be had the own list
    stands alone.
    """
    if plan.order_type != "MARKET":
        return Deny(DenyReason.ORDER_TYPE_NOT_ALLOWED, plan.order_type)
    if plan.lane is Lane.AUTOMATED and plan.source not in limits.sources:
        return Deny(DenyReason.SOURCE_NOT_ALLOWED, plan.source[:60])
    if plan.symbol not in limits.symbols:
        return Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, plan.symbol)
    if isinstance(universe, Known) and not plan.reduce_only:
        listed = universe.value
        if plan.symbol not in listed.symbols:
            detail = f"{plan.symbol}, list {listed.tier.value}"
            return Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, detail)
    if age_ms > limits.plan_max_age_ms:
        return Deny(DenyReason.PLAN_STALE, f"{age_ms} ms old, limit {limits.plan_max_age_ms} ms")
    return None


def check_control(
    plan: Plan, control: Known[ControlState] | Missing, limits: AdmissionLimits
) -> Deny | None:
    """The stop switches as the executor applies them; unreadable is HALTED."""
    if isinstance(control, Missing):
        return Deny(DenyReason.KILL_SWITCH_ACTIVE, f"kill switch {control.why}")
    state = control.value
    by_operator = plan.lane is Lane.MANUAL and plan.reduce_only
    if state.trading_state is TradingState.HALTED and not by_operator:
        return Deny(DenyReason.KILL_SWITCH_ACTIVE, f"HALTED, epoch {state.epoch}")
    if state.trading_state is TradingState.REDUCING and not plan.reduce_only:
        return Deny(DenyReason.REDUCING_ONLY, f"REDUCING, epoch {state.epoch}")
    if not mode_admits(state.mode, limits.environment):
        mode, venue = state.mode or "not set", limits.environment.value
        return Deny(DenyReason.MODE_FORBIDS, f"mode {mode}, venue {venue}")
    if plan.lane is Lane.MANUAL and not state.manual_lane:
        return Deny(DenyReason.MANUAL_LANE_DISABLED)
    return None


def admit(
    plan: Plan,
    permits: Mapping[GateName, Permit | Deny | None],
    control: Known[ControlState] | Missing,
    now_ms: int,
    limits: AdmissionLimits,
) -> Admit | AwaitPermits | Deny:
    """Decide on one reading. A refusal by any gate ends the wait; silence does not."""
    denial = check_control(plan, control, limits)
    if denial is not None:
        return denial
    good: dict[GateName, Permit] = {}
    missing: list[GateName] = []
    for gate in limits.required:
        permit = permits.get(gate)
        if permit is None:
            missing.append(gate)
        elif isinstance(permit, Deny):
            return permit
        else:
            refusal = _refusal(gate, permit, plan, control, now_ms, limits)
            if refusal is not None:
                return refusal
            good[gate] = permit
    return AwaitPermits(tuple(missing)) if missing else Admit(good)


def _refusal(
    gate: GateName,
    permit: Permit,
    plan: Plan,
    control: Known[ControlState] | Missing,
    now_ms: int,
    limits: AdmissionLimits,
) -> Deny | None:
    reason = check_permit(permit, plan.plan_id, plan.digest, now_ms=now_ms, key=limits.permit_key)
    if reason == DenyReason.PERMIT_DENIED:
        return Deny(DenyReason.PERMIT_DENIED, f"{SHORT[gate]}_permit_denied:{permit.reason}")
    if reason:
        return Deny(DenyReason(reason), SHORT[gate])
    if isinstance(control, Known) and permit.epoch != control.value.epoch:
        detail = f"{SHORT[gate]}: issued in epoch {permit.epoch}, now {control.value.epoch}"
        return Deny(DenyReason.KILL_EPOCH_CHANGED, detail)
    return None


# The names operators use for the gates in reasons and reports.
SHORT = {GateName.GOVERNOR: "governor", GateName.PORTFOLIO: "p26", GateName.POSITION: "p33"}


def error_text(denial: Deny) -> str:
    """The `error` of a result. A gate's refusal keeps the original's form p33_permit_denied:why."""
    if denial.reason is DenyReason.PERMIT_DENIED:
        return denial.detail
    return f"{denial.reason.value}:{denial.detail}" if denial.detail else denial.reason.value
