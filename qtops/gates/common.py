"""Checks that every gate runs the same way: the stop switches, and what the plan itself says."""

from typing import TypeVar

from qtops.contracts.decision import Deny
from qtops.contracts.facts import Facts
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import Action, DenyReason, FactName, Lane, TradingState
from qtops.gates.base import ALL, Check, Need, known

L = TypeVar("L")


def trading_state_admits(plan: Plan, facts: Facts, now_ms: int, limits: object) -> Deny | None:
    """HALTED stops every automated order; REDUCING stops opens. An operator may still reduce."""
    control = known(facts.control)
    by_operator = plan.lane is Lane.MANUAL and plan.reduce_only
    if control.trading_state is TradingState.HALTED and not by_operator:
        return Deny(DenyReason.KILL_SWITCH_ACTIVE, f"HALTED, epoch {control.epoch}")
    if control.trading_state is TradingState.REDUCING and not plan.reduce_only:
        return Deny(DenyReason.REDUCING_ONLY, f"REDUCING, epoch {control.epoch}")
    return None


def manual_lane_open(plan: Plan, facts: Facts, now_ms: int, limits: object) -> Deny | None:
    """A plan of the manual lane passes only while an operator holds the lane open."""
    if plan.lane is Lane.MANUAL and not known(facts.control).manual_lane:
        return Deny(DenyReason.MANUAL_LANE_DISABLED)
    return None


def order_is_market(plan: Plan, facts: Facts, now_ms: int, limits: object) -> Deny | None:
    """Only MARKET orders exist here: conditional orders would act outside every gate."""
    if plan.order_type != "MARKET":
        return Deny(DenyReason.ORDER_TYPE_NOT_ALLOWED, plan.order_type)
    return None


def action_agrees(plan: Plan, facts: Facts, now_ms: int, limits: object) -> Deny | None:
    """An entry is not reduce-only, a close is; a plan that says both is neither."""
    if plan.action is Action.HOLD:
        return Deny(DenyReason.ACTION_HOLD)
    is_entry = plan.action is Action.ENTRY_PROPOSED
    if plan.reduce_only == is_entry or (is_entry and plan.is_reconcile):
        said = "true" if plan.reduce_only else "false"
        return Deny(
            DenyReason.ACTION_CONTRADICTS_REDUCE_ONLY,
            f"{plan.decision.value} {plan.action.value} with reduceOnly={said}",
        )
    return None


# An unknown trading state is HALTED: here absence stops reductions too.
_CONTROL: Need[object] = Need(FactName.CONTROL, DenyReason.CONTROL_UNKNOWN, verifies=True)

COMMON_CHECKS: tuple[Check[object], ...] = (
    Check(trading_state_admits, ALL, (_CONTROL,)),
    Check(manual_lane_open, ALL, (_CONTROL,)),
    Check(order_is_market, ALL),
    Check(action_agrees, ALL),
)
