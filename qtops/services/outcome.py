"""What a plan's run saw, and the result made of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from qtops.contracts.claim import Claim
from qtops.contracts.codec import parse_json_object, text_of
from qtops.contracts.decision import Deny
from qtops.contracts.exit_event import ExitEvent
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.contracts.venue import VenueOrder
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.errors import DecodeError, VenueError
from qtops.gates.admission import SHORT, AwaitPermits
from qtops.ports import AdmissionReading

CLOCKS_AGREE_MS = 1_000  # how far two processes' ideas of the Redis server's clock may differ
OLDEST_SNAPSHOT_MS = 11_000  # the snapshot that a permit of the position gate may rest on


@dataclass(slots=True)
class Evidence:
    """Collected on the way. `hops_us` are times on the Redis server's clock."""

    hops_us: dict[str, int] = field(default_factory=dict)
    permits: dict[GateName, Permit] = field(default_factory=dict)
    position_before: Decimal | None = None
    position_read_ms: int = 0
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


def readable_permits(reading: AdmissionReading) -> dict[GateName, Permit | Deny | None]:
    """The permits of a reading; one that cannot be read is a refusal."""
    return {
        gate: Deny(permit, SHORT[gate]) if isinstance(permit, DenyReason) else permit
        for gate, permit in reading.permits.items()
    }


def missing_text(verdict: AwaitPermits) -> str:
    """Which gates did not answer in time."""
    gates = ",".join(SHORT[gate] for gate in verdict.missing)
    return f"{DenyReason.PERMIT_MISSING.value}:{gates}"


def position_before(seen: Evidence) -> tuple[Decimal | None, int]:
    """(position before the order, since when it was so), for a book that starts with this order.

    A reduction read it itself; for an open it stands in the position gate's permit.
    """
    if seen.position_before is not None:
        return seen.position_before, max(1, seen.position_read_ms - CLOCKS_AGREE_MS)
    permit = seen.permits.get(GateName.POSITION)
    held = permit.terms.get("exchange_position_amt") if permit is not None else None
    if permit is None or held is None:
        return None, 0
    try:
        return parse_decimal(held), max(1, permit.issued_at_ms - OLDEST_SNAPSHOT_MS)
    except DecodeError:
        return None, 0


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


def log_markers(log: Any, events: Iterable[ExitEvent]) -> None:
    """The steps of an exit in the words that operators search their logs for."""
    for event in events:
        log.info(event.marker, client_order_id=event.client_order_id, order_id=event.order_id)


def venue_error_text(error: VenueError) -> str:
    """The original's form: binance_error:-2019, or the HTTP status where there is no code."""
    if error.venue_code is not None:
        return f"binance_error:{error.venue_code}"
    return f"http_error:{error.http_status}" if error.http_status else "no_answer"
