"""Exchange against book: what a difference means, and when it may be repaired. Pure.

A repair needs proof: our own fills since the book's last change add up to exactly the difference,
nobody else filled anything meanwhile, and the record of orders reaches back that far.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from qtops.contracts.codec import canonical_json
from qtops.contracts.reconcile import Book, ReconcileState, Standing, Witness
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import VenueOrder
from qtops.contracts.vocabulary import Side

OUR_ID: Final = re.compile(r"qt-[a-z2-7]{28}")
RECORD_MS: Final = 7 * 86_400_000  # how far back the exchange lists orders
NAMED: Final = 10  # orders that a text names


@dataclass(frozen=True, slots=True)
class ReconcileLimits:
    """How long a difference must stand before it counts, and before an operator is asked."""

    confirm_ms: int
    evidence_ms: int


@dataclass(frozen=True, slots=True)
class View:
    """One symbol in one reading. `exchange` None: not readable; `hedge` are LONG/SHORT legs.

    `clock_ahead_ms` is the exchange's clock minus the Redis server's.
    """

    symbol: str
    exchange: Decimal | None
    book: Book | None
    in_flight: bool
    step: Decimal
    now_ms: int
    clock_ahead_ms: int = 0
    hedge: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Orders that filled something after the base, by whose they are; `complete`: none can lack."""

    plans: tuple[VenueOrder, ...] = ()
    flattens: tuple[VenueOrder, ...] = ()
    foreign: tuple[VenueOrder, ...] = ()
    complete: bool = True

    @property
    def ours(self) -> tuple[VenueOrder, ...]:
        return self.plans + self.flattens

    def text(self) -> str:
        """Order ids and sums, as the event keeps them."""
        groups = {"plans": self.plans, "flatten": self.flattens, "foreign": self.foreign}
        said = {
            name: {
                "sum": fmt_decimal(signed_sum(orders)),
                "orders": [o.order_id for o in orders[:NAMED]],
                "client_ids": [o.client_order_id for o in orders[:NAMED]],
            }
            for name, orders in groups.items()
            if orders
        }
        return canonical_json({**said, "complete": self.complete})


def signed_sum(orders: Sequence[VenueOrder]) -> Decimal:
    """What these orders did to the position, in base units."""
    return sum(
        (o.executed_quantity * (1 if o.side is Side.BUY else -1) for o in orders),
        ZERO,
    )


def base_of(view: View, standing: Standing | None) -> Witness | None:
    """From what evidence counts on: the book, or a later moment at which it agreed. None: neither.

    The moment is on the exchange's clock. Where the book is gone, the last agreement stands in.
    """
    agreed = standing.witness if standing is not None else None
    if view.book is None:
        return agreed
    stamped_ms = view.book.updated_at_ms + view.clock_ahead_ms
    own = Witness(view.book.amount, view.book.version, stamped_ms)
    if agreed is not None and (agreed.amount, agreed.version) == (own.amount, own.version):
        return max(own, agreed, key=lambda witness: witness.at_ms)
    return own


def sort_evidence(
    orders: Sequence[VenueOrder],
    base: Witness,
    book: Book | None,
    flatten_ids: frozenset[str],
    *,
    reaches_back: bool,
) -> Evidence:
    """The orders after the base by whose they are. The order that wrote the book is in it."""
    booked = book.last_order_id if book is not None else ""
    filled = [
        o
        for o in orders
        if o.executed_quantity > ZERO and o.update_time_ms > base.at_ms and o.order_id != booked
    ]
    ours = [o for o in filled if OUR_ID.fullmatch(o.client_order_id)]
    return Evidence(
        plans=tuple(o for o in ours if o.client_order_id not in flatten_ids),
        flattens=tuple(o for o in ours if o.client_order_id in flatten_ids),
        foreign=tuple(o for o in filled if not OUR_ID.fullmatch(o.client_order_id)),
        complete=reaches_back,
    )


def agrees(view: View) -> bool:
    """Whether book and exchange say the same. Less than one lot step cannot be traded away.

    No percentage: one per cent of a large position is a fill that somebody should know of. Without
    a book a flat symbol agrees: its first fill starts the book.
    """
    if view.exchange is None or view.hedge:
        return False
    if view.book is None:
        return view.exchange == ZERO
    gap = abs(view.exchange - view.book.amount)
    return gap == ZERO or gap < view.step


def first_look(view: View, standing: Standing | None, limits: ReconcileLimits) -> Standing | None:
    """The verdict that needs no evidence; None when the difference is confirmed and needs some."""
    if view.exchange is None:
        return _unread(view, standing)
    if view.hedge:
        text = f"hedge_position: {', '.join(view.hedge)}"
        return _stand(view, standing, ReconcileState.MANUAL_REQUIRED, text)
    if agrees(view):
        return _agreed(view, standing)
    since_ms = _since(view, standing)
    if view.in_flight or view.now_ms - since_ms < limits.confirm_ms:
        why = "order_in_flight" if view.in_flight else "unconfirmed"
        return _waiting(view, standing, why)
    if standing is not None and since_ms != view.now_ms and _is_final(standing):
        return replace(standing, seen_at_ms=view.now_ms)
    return None


def conclude(
    view: View,
    standing: Standing | None,
    evidence: Evidence | None,
    limits: ReconcileLimits,
) -> Standing:
    """The verdict on a confirmed difference. REPAIRED asks for the book to be written."""
    base = base_of(view, standing)
    if evidence is None:
        return _waiting(view, standing, "evidence_unread")
    said = evidence.text()
    if evidence.foreign:
        total = fmt_decimal(signed_sum(evidence.foreign))
        reason = f"foreign_orders: {len(evidence.foreign)}, together {total}"
        return _stand(view, standing, ReconcileState.MANUAL_REQUIRED, reason, said)
    if base is None:
        return _stand(view, standing, ReconcileState.MANUAL_REQUIRED, "position_without_book", said)
    if evidence.complete and base.amount + signed_sum(evidence.ours) == view.exchange:
        reason = "own_fills" if evidence.ours else "last_agreement"
        return _stand(view, standing, ReconcileState.REPAIRED, reason, said)
    is_late = view.now_ms - _since(view, standing) >= limits.evidence_ms
    state = ReconcileState.MANUAL_REQUIRED if is_late else ReconcileState.HOLD
    return _stand(view, standing, state, "unexplained", said)


def _is_final(standing: Standing) -> bool:
    """An operator decides: looking again at the same two numbers would find the same."""
    return standing.state is ReconcileState.MANUAL_REQUIRED


def _since(view: View, standing: Standing | None) -> int:
    """Since when exchange and book read as they do now."""
    if standing is None or agrees_then(standing):
        return view.now_ms
    book = None if view.book is None else view.book.amount
    version = 0 if view.book is None else view.book.version
    now = (view.exchange, book, version)
    return standing.since_ms if now == _pair(standing) else view.now_ms


def agrees_then(standing: Standing) -> bool:
    """Whether the last look found no difference."""
    return standing.state in {ReconcileState.OK, ReconcileState.REPAIRED}


def _pair(standing: Standing) -> tuple[Decimal | None, Decimal | None, int]:
    return (standing.exchange, standing.book, standing.book_version)


def _unread(view: View, standing: Standing | None) -> Standing:
    """Nothing changes but the word: a hold stays what it is, and since when."""
    if standing is not None:
        return standing
    return _stand(view, None, ReconcileState.UNKNOWN, "exchange_unread")


def _agreed(view: View, standing: Standing | None) -> Standing:
    amount = view.exchange or ZERO
    version = 0 if view.book is None else view.book.version
    # Where the agreement is for a rest below one step, the book is what fills are added to.
    if view.book is not None:
        amount = view.book.amount
    witness = Witness(amount, version, view.now_ms + view.clock_ahead_ms)
    repaired = standing is not None and standing.state is ReconcileState.REPAIRED
    if repaired and standing is not None and standing.book_version == version:
        return replace(standing, seen_at_ms=view.now_ms, witness=witness)
    return replace(_stand(view, standing, ReconcileState.OK, ""), witness=witness)


def _waiting(view: View, standing: Standing | None, reason: str) -> Standing:
    """A difference that does not count yet; a hold that stands goes on standing."""
    held = standing is not None and standing.state.holds
    if held and standing is not None:
        kept = _stand(view, standing, standing.state, standing.reason, standing.evidence)
        return replace(kept, state=ReconcileState.HOLD) if _changed(view, standing) else kept
    return _stand(view, standing, ReconcileState.DRIFT, reason)


def _changed(view: View, standing: Standing) -> bool:
    return _since(view, standing) == view.now_ms


def _stand(
    view: View,
    standing: Standing | None,
    state: ReconcileState,
    reason: str,
    evidence: str = "",
) -> Standing:
    same = standing is not None and agrees(view) and agrees_then(standing)
    since_ms = standing.since_ms if same and standing is not None else _since(view, standing)
    return Standing(
        symbol=view.symbol,
        state=state,
        reason=reason,
        exchange=view.exchange,
        book=None if view.book is None else view.book.amount,
        book_version=0 if view.book is None else view.book.version,
        since_ms=since_ms,
        seen_at_ms=view.now_ms,
        evidence=evidence,
        witness=standing.witness if standing is not None else None,
    )
