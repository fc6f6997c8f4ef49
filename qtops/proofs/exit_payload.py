"""An exit proof as data: what JSON, Markdown and HTML are rendered from."""

from decimal import Decimal
from typing import Any

from qtops.contracts.codec import fmt_instant
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import GateName
from qtops.gates.admission import SHORT
from qtops.proofs.exit_proof import ExitProof
from qtops.proofs.rounds import Round, RoundEvidence, Verdict


def payload_of(proof: ExitProof) -> dict[str, Any]:
    """The whole proof. Quantities and prices are strings as the exchange writes them."""
    verdicts = [r.judgement.verdict for r in proof.rounds]
    return {
        "proof": "exit",
        "stamp": proof.stamp,
        "proven": proof.proven,
        "environment": proof.request.environment.value,
        "started_at": fmt_instant(proof.started_us // 1000),
        "duration_ms": (proof.finished_us - proof.started_us) // 1000,
        "rounds_requested": proof.request.rounds,
        "rounds_run": len(proof.rounds),
        "counts": {v.value: verdicts.count(v) for v in Verdict},
        "services": dict(proof.services),
        "bridge_resumed": proof.resumed,
        "rounds": [round_payload(r) for r in proof.rounds],
    }


def round_payload(finished: Round) -> dict[str, Any]:
    """One round: what was asked, what each hop said, what the exchange itself says."""
    spec, seen, judgement = finished.spec, finished.evidence, finished.judgement
    result = seen.result
    return {
        "round": spec.number,
        "symbol": spec.symbol,
        "side": spec.side.value,
        "requested_qty": fmt_decimal(spec.quantity),
        "negative_control": spec.negative_control,
        "verdict": judgement.verdict.value,
        "failed_step": judgement.step,
        "reason": judgement.reason,
        "plan_id": seen.plan.plan_id,
        "plan_entry_id": seen.entry_id,
        "plan": seen.plan.to_fields(),
        "filled_qty": fmt_decimal(result.filled_quantity) if result and result.executed else "",
        "order_id": result.order_id if result else "",
        "result": _result(seen),
        "permits": [_decision(d) for d in seen.decisions],
        "missing_permits": _silent_gates(seen),
        "exchange": _exchange(seen),
        "position_before": fmt_decimal(seen.position_before),
        "position_after": fmt_decimal(seen.position_after),
        "timeline_ms": {k: _ms(v) for k, v in finished.timeline_ms.items()},
    }


def _ms(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.001")), "f")


def _result(seen: RoundEvidence) -> dict[str, Any] | None:
    if seen.result is None:
        return None
    return {
        "executed": seen.result.executed,
        "order_status": seen.result.order_status,
        "error": seen.result.error,
        "client_order_id": seen.result.client_order_id,
        "details": dict(seen.result.details),
    }


def _silent_gates(seen: RoundEvidence) -> list[str]:
    answered = {d.gate for d in seen.decisions}
    return [SHORT[gate] for gate in GateName if gate.value not in answered]


def _decision(record: Any) -> dict[str, Any]:
    return {
        "gate": record.gate,
        "allow": record.allow,
        "reason": record.reason,
        "detail": record.detail,
        "quantity": fmt_decimal(record.quantity) if record.quantity is not None else "",
        "decided_at": fmt_instant(record.decided_at_ms),
        "terms": dict(record.terms),
    }


def _exchange(seen: RoundEvidence) -> dict[str, Any] | None:
    """The order as the exchange reports it now, with its fills; None when it knows none."""
    order = seen.order
    if order is None:
        return None
    fees: dict[str, Decimal] = {}
    for trade in seen.trades:
        asset = trade.commission_asset
        fees[asset] = fees.get(asset, ZERO) + trade.commission
    price = order.average_price
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "status": order.status,
        "type": order.order_type,
        "side": order.side.value,
        "reduce_only": order.reduce_only,
        "executed_qty": fmt_decimal(order.executed_quantity),
        "average_price": fmt_decimal(price) if price is not None else "",
        "trades": len(seen.trades),
        "fees": {asset: fmt_decimal(fee) for asset, fee in fees.items()},
        "realized_pnl": fmt_decimal(sum((t.realized_pnl for t in seen.trades), ZERO)),
        "time": fmt_instant(order.update_time_ms),
    }
