"""The hops from admission on: the claim, the order, its fills, the result, the book."""

from typing import Final

from qtops.audits.permit_trail import CLAIM_LIFE_MS
from qtops.audits.trace_gates import gate_hop
from qtops.audits.trace_hops import (
    Hop,
    HopState,
    absent,
    admitted,
    age_ms,
    asks_no_order,
    executed,
    hop_us,
    refusal,
)
from qtops.audits.trace_records import Records
from qtops.contracts.claim import ClaimState
from qtops.contracts.codec import fmt_instant
from qtops.contracts.registry import Service, Stream
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO

EXCHANGE_KEEPS_MS: Final = 90 * 86_400_000


def admission_hop(records: Records) -> Hop:
    """The executor's claim: with it the permits were consumed."""
    claim, name = records.claim, "admission"
    if claim is not None and admitted(records):
        detail = f"{claim.state.value}, attempt {claim.attempt}, by {claim.owner or 'nobody named'}"
        return Hop(name, HopState.SEEN, detail, hop_us(records, "admitted"))
    if records.claim_unreadable:
        return Hop(name, HopState.UNKNOWN, "the executor's claim cannot be read")
    if claim is None and executed(records) is not None:
        is_old = (age_ms(records) or CLAIM_LIFE_MS) >= CLAIM_LIFE_MS
        state = HopState.EXPIRED if is_old else HopState.MISSING
        return Hop(name, state, "the executor's claim is gone")
    why = "no heartbeat of the executor now" if Service.EXECUTOR in records.silent else ""
    return Hop(name, HopState.NOT_REACHED, why)


def order_hop(records: Records) -> Hop:
    """Our order at the exchange. One that nobody admitted must not be there."""
    view, order = records.exchange, records.exchange.order
    at_us = hop_us(records, "answered") or hop_us(records, "sent")
    if view.why_unknown:
        expected = admitted(records) or executed(records) is not None
        state = HopState.UNKNOWN if expected or view.was_asked else HopState.NOT_REACHED
        return Hop("order", state, f"the exchange: {view.why_unknown}", at_us)
    if order is None:
        return _no_order_hop(records)
    detail = f"{order.order_id} {order.status} {order.side.value} {order.original_quantity:f}"
    if not admitted(records) and not _claim_may_be_gone(records):
        detail += ", though nobody admitted the plan"
        return Hop("order", HopState.CONTRADICTORY, detail, at_us, breaks=True)
    if order.is_final and not order.executed_quantity:
        return refusal("order", order.status, f"{order.order_id}, nothing filled", at_us)
    return Hop("order", HopState.SEEN, detail, at_us)


def _claim_may_be_gone(records: Records) -> bool:
    age = age_ms(records)
    return records.claim is None and (age is None or age >= CLAIM_LIFE_MS)


def _no_order_hop(records: Records) -> Hop:
    detail = f"the exchange does not know {records.order_id}"
    if (result := executed(records)) is not None:
        if records.now_ms - result.timestamp_ms > EXCHANGE_KEEPS_MS:
            return Hop("order", HopState.EXPIRED, f"{detail}; it forgets after 90 days")
        return Hop("order", HopState.CONTRADICTORY, detail, breaks=True)
    if records.claim is not None and records.claim.state is ClaimState.SENDING:
        return Hop("order", HopState.UNKNOWN, f"{detail}; it may be on its way")
    return Hop("order", HopState.NOT_REACHED, detail)


def fills_hop(records: Records) -> Hop:
    """The trades must add up to what the order and the result say."""
    view, order = records.exchange, records.exchange.order
    if view.why_unknown:
        is_expected = view.was_asked or executed(records) is not None
        state = HopState.UNKNOWN if is_expected else HopState.NOT_REACHED
        return Hop("fills", state)
    if order is None or not order.executed_quantity:
        return Hop("fills", HopState.NOT_REACHED)
    total = sum((trade.quantity for trade in view.trades), ZERO)
    said = {f"the order {order.executed_quantity:f}": order.executed_quantity}
    if (result := executed(records)) is not None:
        said[f"the result {result.filled_quantity:f}"] = result.filled_quantity
    if wrong := [words for words, quantity in said.items() if quantity != total]:
        detail = f"trades add up to {total:f}, but {' and '.join(wrong)}"
        return Hop("fills", HopState.CONTRADICTORY, detail, breaks=True)
    last = fmt_instant(max(trade.time_ms for trade in view.trades))[11:]
    detail = f"{len(view.trades)} of {total:f}, the last at {last} by the exchange's clock"
    return Hop("fills", HopState.SEEN, detail)


def result_hop(records: Records) -> Hop:
    """What the executor wrote, held against the gates and the exchange."""
    if not records.results:
        return _no_result_hop(records)
    result = records.results[-1]
    at_us = hop_us(records, "settled") or result.timestamp_ms * 1000
    if problem := _disputed(records, result):
        return Hop("result", HopState.CONTRADICTORY, problem, at_us, breaks=True)
    if not result.executed:
        return refusal("result", result.error or "not executed, no reason given", "", at_us)
    detail = f"executed, {result.filled_quantity:f} filled, order {result.order_id}"
    return Hop("result", HopState.SEEN, detail, at_us)


def _no_result_hop(records: Records) -> Hop:
    if records.result_faults:
        return Hop("result", HopState.UNKNOWN, f"not readable: {records.result_faults[0]}")
    if not records.is_traced or (asks_no_order(records) and not records.letters):
        return Hop("result", HopState.NOT_REACHED)
    state, why = absent(records, Stream.APPLY_RESULT, "no result was written")
    return Hop("result", state, why, breaks=state is HopState.MISSING)


def _disputed(records: Records, result: Result) -> str:
    """What speaks against the result; empty when nothing does."""
    order = records.exchange.order
    filled = order.executed_quantity if order else None
    denied = [hop for hop in (gate_hop(records, trail) for trail in records.gates) if hop.refused]
    problems = {
        f"{len(records.results)} results": len(records.results) > 1,
        f"executed, though the {denied[0].name if denied else ''} refused": bool(denied)
        and result.executed,
        "executed without an order id": result.executed and not result.order_id,
        "executed, with nothing filled": result.executed and not result.filled_quantity,
        f"not executed, though the exchange filled {filled or 0:f}": not result.executed
        and bool(filled),
    }
    return next((words for words, holds in problems.items() if holds), "")


def book_hop(records: Records) -> Hop:
    """Whether the fill is in our book; a later fill writes over the mark."""
    result, book = executed(records), records.book
    if result is None:
        return Hop("book", HopState.NOT_REACHED)
    if not book:
        return Hop("book", HopState.MISSING, f"no book of {records.symbol}")
    updated = book.get("updated_at_ms", "")
    at_ms = int(updated) if updated.isascii() and updated.isdigit() else 0
    if book.get("last_plan_id") == records.plan_id:
        detail = f"position {book.get('position_amt', '?')}, version {book.get('version', '?')}"
        return Hop("book", HopState.SEEN, detail, at_ms * 1000 or None)
    later = book.get("last_plan_id") or "somebody"
    if at_ms >= result.timestamp_ms:
        return Hop("book", HopState.EXPIRED, f"written over by {later}")
    return Hop("book", HopState.MISSING, f"last written by {later}, before this result")
