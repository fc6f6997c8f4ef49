"""Position gate (P3.3): does the exchange's own position allow this order, and for how much?"""

from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.facts import Facts, Known
from qtops.contracts.plan import Plan
from qtops.contracts.universe import Tier
from qtops.contracts.values import ZERO, floor_to_step, fmt_decimal
from qtops.contracts.vocabulary import DenyReason, FactName, GateName, Lane, Side
from qtops.gates.base import ALL, OPENS, REDUCTIONS, Check, Gate, Need, known
from qtops.gates.common import COMMON_CHECKS


@dataclass(frozen=True, slots=True)
class PositionLimits:
    """Times in ms, tolerance in per cent of the exchange position."""

    stale_after_ms: int = 10_000
    cooldown_ms: int = 15_000
    tolerance_pct: Decimal = Decimal(1)
    allow_increase: bool = False


def _age(limits: PositionLimits) -> int:
    return limits.stale_after_ms


_ALLOWLIST: Need[PositionLimits] = Need(FactName.ALLOWLIST, DenyReason.ALLOWLIST_UNKNOWN)
_POSITION: Need[PositionLimits] = Need(
    FactName.POSITION,
    DenyReason.NO_EXCHANGE_SNAPSHOT,
    stale=DenyReason.STALE_EXCHANGE_STATE,
    max_age_ms=_age,
    verifies=True,  # without it a reduction is a claim, not a fact
)
_BOOK: Need[PositionLimits] = Need(FactName.BOOK, DenyReason.RECONCILE_REQUIRED_QTY_MISMATCH)
_FILTERS: Need[PositionLimits] = Need(FactName.FILTERS, DenyReason.FILTERS_UNKNOWN)
_COOLDOWN: Need[PositionLimits] = Need(FactName.EXEC_COOLDOWN, DenyReason.COOLDOWN_UNKNOWN)
_HOLD: Need[PositionLimits] = Need(FactName.RECONCILE_HOLD, DenyReason.HOLD_UNKNOWN)


def symbol_listed(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """Only symbols on the allowlist trade; an unlisted one gets a written denial.

    The operator's own list (tier env) holds reductions too. The exchange's list holds opens alone:
    a position in what is no longer listed must be able to leave.
    """
    listed = known(facts.allowlist)
    if plan.symbol in listed.symbols or (plan.reduce_only and listed.tier is not Tier.ENV):
        return None
    return Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, f"{plan.symbol}, list {listed.tier.value}")


def open_fits_position(
    plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits
) -> Deny | None:
    """An open needs a flat symbol. Adding needs leave; an opposite order would flip it."""
    amount = known(facts.position).amount
    if amount == ZERO:
        return None
    if (amount > ZERO) != (plan.side is Side.BUY):
        return Deny(DenyReason.WOULD_FLIP, _held(amount))
    if not limits.allow_increase:
        return Deny(DenyReason.POSITION_EXISTS, _held(amount))
    return None


def position_exists(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """There must be something to reduce."""
    if known(facts.position).amount == ZERO:
        return Deny(DenyReason.NO_POSITION, "exchange position is 0")
    return None


def side_reduces(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """A long is reduced by selling, a short by buying."""
    amount = known(facts.position).amount
    if (amount > ZERO) == (plan.side is Side.BUY):
        return Deny(DenyReason.CLOSE_SIDE_MISMATCH, f"{plan.side.value}; {_held(amount)}")
    return None


def _is_way_out(plan: Plan) -> bool:
    """A reduction that repairs the book, or that an operator asked for by hand."""
    return plan.reduce_only and (plan.is_reconcile or plan.lane is Lane.MANUAL)


def book_side_agrees(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """Book and exchange must be on the same side, unless the plan is the way out of that."""
    amount, book = known(facts.position).amount, known(facts.book)
    if _is_way_out(plan) or book * amount >= ZERO:
        return None
    return Deny(
        DenyReason.RECONCILE_REQUIRED_SIDE_MISMATCH,
        f"exchange {fmt_decimal(amount)}, book {fmt_decimal(book)}",
    )


def book_quantity_agrees(
    plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits
) -> Deny | None:
    """|exchange - book| may not exceed max(lot step, tolerance % of the exchange position)."""
    if _is_way_out(plan):
        return None
    amount, book = known(facts.position).amount, known(facts.book)
    step = facts.filters.value.market_step if isinstance(facts.filters, Known) else ZERO
    tolerance = max(step, abs(amount) * limits.tolerance_pct / 100)
    if abs(amount - book) <= tolerance:
        return None
    return Deny(
        DenyReason.RECONCILE_REQUIRED_QTY_MISMATCH,
        f"exchange {fmt_decimal(amount)}, book {fmt_decimal(book)}, "
        f"tolerance {fmt_decimal(tolerance)}",
    )


def nothing_in_flight(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """After a fill the snapshot needs a moment; a second order in it would act on the old one."""
    last_ms = known(facts.exec_cooldown)
    if last_ms is not None and now_ms - last_ms < limits.cooldown_ms:
        left_ms = limits.cooldown_ms - (now_ms - last_ms)
        return Deny(DenyReason.COOLDOWN_IN_FLIGHT, f"{left_ms} ms left")
    return None


def not_on_hold(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Deny | None:
    """Reconciliation holds opens alone: a position whose book is in doubt must be able to leave."""
    holder = known(facts.reconcile_hold)
    if holder:
        return Deny(DenyReason.RECONCILE_HOLD_ACTIVE, holder[:80])
    return None


def grant(plan: Plan, facts: Facts, now_ms: int, limits: PositionLimits) -> Decision:
    """The quantity that is safe: a reduction clamped to the position, floored to the lot step.

    The step is the symbol's MARKET lot. Where filters are missing (reductions only) the quantity
    stays unfloored; the executor floors it with its own copy.
    """
    amount = known(facts.position).amount
    bound = plan.quantity if not plan.reduce_only else abs(amount) * plan.close_fraction
    quantity = min(plan.quantity, bound)
    if isinstance(facts.filters, Known):
        quantity = floor_to_step(quantity, facts.filters.value.market_step)
    if quantity <= ZERO:
        return Deny(DenyReason.QUANTITY_BELOW_STEP, f"asked {fmt_decimal(plan.quantity)}")
    terms = {"exchange_position_amt": fmt_decimal(amount), "sanity": "sanity_checks_passed"}
    if isinstance(facts.allowlist, Known):
        terms["allowlist"] = facts.allowlist.value.tier.value
    if isinstance(facts.book, Known):
        terms["ledger_amt"] = fmt_decimal(facts.book.value)
    return Allow(quantity, terms)


def _held(amount: Decimal) -> str:
    return f"exchange position {fmt_decimal(amount)}"


POSITION_GATE: Gate[PositionLimits] = Gate(
    name=GateName.POSITION,
    checks=(
        *COMMON_CHECKS,
        Check(symbol_listed, ALL, (_ALLOWLIST,)),
        Check(open_fits_position, OPENS, (_POSITION, _FILTERS)),
        Check(position_exists, REDUCTIONS, (_POSITION,)),
        Check(side_reduces, REDUCTIONS, (_POSITION,)),
        # Before the book: just after a fill it is ahead of the snapshot, and that is no mismatch.
        Check(nothing_in_flight, ALL, (_COOLDOWN,)),
        Check(book_side_agrees, REDUCTIONS, (_POSITION, _BOOK)),
        Check(book_quantity_agrees, REDUCTIONS, (_POSITION, _BOOK)),
        Check(not_on_hold, OPENS, (_HOLD,)),
    ),
    grant=grant,
    advice=(_FILTERS,),
)
