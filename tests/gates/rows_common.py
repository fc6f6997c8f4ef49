"""What a row of a gate's table is, and the rows that every gate shares."""

from dataclasses import dataclass, field, replace

from qtops.contracts.decision import Allow
from qtops.contracts.facts import Facts
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import Action, DenyReason, Lane, PlanDecision, TradingState
from tests.strategies import D, close, control, facts, holding, plan

HALTED, REDUCING = TradingState.HALTED, TradingState.REDUCING


@dataclass(frozen=True)
class Row:
    """A plan, a world, limits, and what the gate must say: a reason, or a quantity it allows."""

    plan: Plan
    facts: Facts
    expect: DenyReason | str
    limits: object = None
    terms: dict = field(default_factory=dict)


def said(decision):
    """A decision in the words of a row."""
    if isinstance(decision, Allow):
        return format(decision.quantity.normalize(), "f")
    return decision.reason


def _partial_rows():
    """The same for a partial close."""
    half = close(action=Action.PARTIAL_50, quantity=D(5))
    lane = {"control": control(HALTED, manual_lane=True)}
    return {
        "a-calm-half": Row(half, holding(10), "5"),
        "halted-stops-a-half": Row(
            half, holding(10, control=control(HALTED)), DenyReason.KILL_SWITCH_ACTIVE
        ),
        "halted-leaves-the-operator-a-half": Row(
            replace(half, lane=Lane.MANUAL), holding(10, **lane), "5"
        ),
        "the-lane-is-shut-for-a-half": Row(
            replace(half, lane=Lane.MANUAL), holding(10), DenyReason.MANUAL_LANE_DISABLED
        ),
        "a-stop-order-for-a-half": Row(
            replace(half, order_type="STOP"), holding(10), DenyReason.ORDER_TYPE_NOT_ALLOWED
        ),
    }


def common_rows():
    """The stop switches and the plan itself; the same in all gates."""
    manual_open, manual_close = plan(lane=Lane.MANUAL), close(lane=Lane.MANUAL)
    held_open = {"control": control(manual_lane=True)}
    return {
        **_partial_rows(),
        "a-calm-open": Row(plan(), facts(), "0.002"),
        "a-calm-close": Row(close(), holding(10), "10"),
        "halted-stops-an-open": Row(
            plan(), facts(control=control(HALTED)), DenyReason.KILL_SWITCH_ACTIVE
        ),
        "halted-stops-a-close": Row(
            close(), holding(10, control=control(HALTED)), DenyReason.KILL_SWITCH_ACTIVE
        ),
        "halted-stops-the-operators-open": Row(
            manual_open,
            facts(control=control(HALTED, manual_lane=True)),
            DenyReason.KILL_SWITCH_ACTIVE,
        ),
        "halted-leaves-the-operator-a-close": Row(
            manual_close, holding(10, control=control(HALTED, manual_lane=True)), "10"
        ),
        "reducing-stops-an-open": Row(
            plan(), facts(control=control(REDUCING)), DenyReason.REDUCING_ONLY
        ),
        "reducing-lets-a-close-through": Row(close(), holding(10, control=control(REDUCING)), "10"),
        "reducing-stops-the-operators-open": Row(
            manual_open,
            facts(control=control(REDUCING, manual_lane=True)),
            DenyReason.REDUCING_ONLY,
        ),
        "the-lane-is-shut-for-an-open": Row(manual_open, facts(), DenyReason.MANUAL_LANE_DISABLED),
        "the-lane-is-shut-for-a-close": Row(
            manual_close, holding(10), DenyReason.MANUAL_LANE_DISABLED
        ),
        "the-lane-is-open": Row(manual_open, facts(**held_open), "0.002"),
        "a-stop-order-to-open": Row(
            plan(order_type="STOP_MARKET"), facts(), DenyReason.ORDER_TYPE_NOT_ALLOWED
        ),
        "a-take-profit-to-close": Row(
            close(order_type="TAKE_PROFIT"), holding(10), DenyReason.ORDER_TYPE_NOT_ALLOWED
        ),
        "hold": Row(plan(action=Action.HOLD), facts(), DenyReason.ACTION_HOLD),
        "hold-and-reduce-only": Row(close(action=Action.HOLD), holding(10), DenyReason.ACTION_HOLD),
        "an-entry-that-is-reduce-only": Row(
            close(action=Action.ENTRY_PROPOSED),
            holding(10),
            DenyReason.ACTION_CONTRADICTS_REDUCE_ONLY,
        ),
        "a-close-that-is-not-reduce-only": Row(
            plan(action=Action.FULL_CLOSE_PROPOSED),
            facts(),
            DenyReason.ACTION_CONTRADICTS_REDUCE_ONLY,
        ),
        "a-partial-close-that-is-not-reduce-only": Row(
            plan(action=Action.PARTIAL_25), facts(), DenyReason.ACTION_CONTRADICTS_REDUCE_ONLY
        ),
        "an-entry-called-a-reconcile-close": Row(
            plan(decision=PlanDecision.RECONCILE_CLOSE),
            facts(),
            DenyReason.ACTION_CONTRADICTS_REDUCE_ONLY,
        ),
        "a-reconcile-close": Row(
            close(decision=PlanDecision.RECONCILE_CLOSE, quantity=D(4)), holding(10), "4"
        ),
    }
