"""What a plan's run saw, and the result made of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from qtops.contracts.claim import Claim
from qtops.contracts.codec import parse_json_object, text_of
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import VenueOrder
from qtops.contracts.vocabulary import GateName
from qtops.errors import VenueError
from qtops.gates.admission import SHORT


@dataclass(slots=True)
class Evidence:
    """Collected on the way. `hops_us` are times on the Redis server's clock."""

    hops_us: dict[str, int] = field(default_factory=dict)
    permits: dict[GateName, Permit] = field(default_factory=dict)
    position_before: Decimal | None = None
    quantity: Decimal | None = None


def kept_permits(claim: Claim, plan_id: str) -> dict[GateName, Permit]:
    """The permits that an earlier owner of the claim consumed."""
    if not claim.permits:
        return {}
    kept = parse_json_object(claim.permits, "permits")
    return {
        gate: Permit.from_text(text_of(kept[gate.value]), gate, plan_id)
        for gate in GateName
        if gate.value in kept
    }


def result_of(
    plan: Plan,
    order_id: str,
    order: VenueOrder | None,
    error: str,
    now_ms: int,
    seen: Evidence,
) -> Result:
    """The one result of a plan. Executed means that the exchange filled something."""
    executed = order is not None and order.executed_quantity > ZERO
    if order is not None and not executed:
        error = f"order_{order.status.lower()}"
    return Result(
        plan_id=plan.plan_id,
        symbol=plan.symbol,
        executed=executed,
        source=plan.source,
        timestamp_ms=now_ms,
        side=plan.side.value,
        requested_quantity=plan.quantity,
        filled_quantity=order.executed_quantity if order else ZERO,
        order_id=order.order_id if order else "",
        client_order_id=order_id,
        order_status=order.status if order else "",
        error="" if executed else error,
        details=_details(plan, order, seen),
    )


def _details(plan: Plan, order: VenueOrder | None, seen: Evidence) -> dict[str, Any]:
    details: dict[str, Any] = {
        "reduce_only": plan.reduce_only,
        "hops_us": dict(seen.hops_us),
        "permits": {SHORT[g]: _summary(p) for g, p in seen.permits.items()},
        "plan_extra": dict(plan.extra),
    }
    if seen.quantity is not None:
        details["submitted_qty"] = fmt_decimal(seen.quantity)
    if seen.position_before is not None:
        details["position_before"] = fmt_decimal(seen.position_before)
    if order is not None and order.average_price is not None:
        details["average_price"] = fmt_decimal(order.average_price)
    governor = seen.permits.get(GateName.GOVERNOR)
    if governor is not None and "computed_notional" in governor.terms:
        details["notional_usdt"] = governor.terms["computed_notional"]
    return details


def _summary(permit: Permit) -> dict[str, Any]:
    return {
        "allow": permit.allow,
        "reason": permit.reason,
        "quantity": fmt_decimal(permit.quantity),
        "issued_at_ms": permit.issued_at_ms,
        **permit.terms,
    }


def venue_error_text(error: VenueError) -> str:
    """The original's form: binance_error:-2019, or the HTTP status where there is no code."""
    if error.venue_code is not None:
        return f"binance_error:{error.venue_code}"
    return f"http_error:{error.http_status}" if error.http_status else "no_answer"
