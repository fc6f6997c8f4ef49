"""How large the order may be, at the moment of sending. Rounding never goes up."""

from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.decision import Deny
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.values import ZERO, floor_to_step, fmt_decimal, parse_decimal
from qtops.contracts.venue import Filters
from qtops.contracts.vocabulary import DenyReason, GateName, Side
from qtops.errors import DecodeError

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class SendFacts:
    """What the executor knows just before the request: the position now, the rules, the mark."""

    position_amount: Decimal | None
    filters: Filters
    mark_price: Decimal | None


def order_quantity(
    plan: Plan,
    permits: dict[GateName, Permit],
    send: SendFacts,
    min_notional_usdt: Decimal = ZERO,
) -> Decimal | Deny:
    """The quantity to send, or why there is none.

    A reduction is clamped to the position at send time, to the share that the portfolio gate
    allows, and to the position gate's safe quantity, then floored to the market lot step. An open
    is floored and then checked against the minimum quantity and notional; it never grows.
    """
    safe = permits[GateName.POSITION].quantity
    if plan.reduce_only:
        fraction = _fraction(permits)
        if fraction is None:
            return Deny(DenyReason.PERMIT_UNREADABLE, "p26: fraction is not between 0 and 1")
        return _reduction(plan, safe, fraction, send)
    return _open(min(plan.quantity, safe), send, min_notional_usdt)


def _fraction(permits: dict[GateName, Permit]) -> Decimal | None:
    """The share that the portfolio gate allows; None when it cannot be read."""
    portfolio = permits.get(GateName.PORTFOLIO)
    raw = portfolio.terms.get("fraction") if portfolio else None
    try:
        fraction = parse_decimal(raw) if raw else ONE
    except DecodeError:
        return None
    return fraction if ZERO <= fraction <= ONE else None


def _reduction(plan: Plan, safe: Decimal, fraction: Decimal, send: SendFacts) -> Decimal | Deny:
    amount = send.position_amount
    if amount is None:
        return Deny(DenyReason.NO_EXCHANGE_SNAPSHOT, "the position could not be read at send time")
    if amount == ZERO:
        return Deny(DenyReason.NO_POSITION, "flat at send time")
    if (amount > ZERO) == (plan.side is Side.BUY):
        return Deny(DenyReason.CLOSE_SIDE_MISMATCH, f"exchange position {fmt_decimal(amount)}")
    wanted = min(plan.quantity, safe, abs(amount) * fraction, send.filters.market_max)
    quantity = floor_to_step(wanted, send.filters.market_step)
    if quantity <= ZERO:
        return Deny(DenyReason.QUANTITY_BELOW_STEP, f"{fmt_decimal(wanted)} below one step")
    return quantity


def _open(wanted: Decimal, send: SendFacts, min_notional_usdt: Decimal) -> Decimal | Deny:
    filters = send.filters
    quantity = floor_to_step(wanted, filters.market_step)
    if quantity < filters.market_min or quantity <= ZERO:
        return Deny(
            DenyReason.MIN_QUANTITY,
            f"{fmt_decimal(quantity)} < {fmt_decimal(filters.market_min)}",
        )
    if quantity > filters.market_max:
        return Deny(
            DenyReason.MAX_QUANTITY,
            f"{fmt_decimal(quantity)} > {fmt_decimal(filters.market_max)}",
        )
    if send.mark_price is None:
        return Deny(DenyReason.MARK_PRICE_UNAVAILABLE)
    notional = quantity * send.mark_price
    floor = max(filters.min_notional, min_notional_usdt)
    if notional < floor:
        return Deny(DenyReason.MIN_NOTIONAL, f"{fmt_decimal(notional)} < {fmt_decimal(floor)} USDT")
    return quantity
