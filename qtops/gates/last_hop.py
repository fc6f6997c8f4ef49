"""The last hop: orders that the exchange shows against what was admitted here.

Pure. An order of ours has an id that follows from its plan, and a claim that was written before
it was sent; what has not both did not come from the executor.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from qtops.contracts.venue import VenueOrder

_OURS: Final = re.compile(r"qt-[a-z2-7]{28}")


class OrderFault(StrEnum):
    """What is wrong with an order."""

    UNCLAIMED = "order_unclaimed"
    FOREIGN = "order_foreign"
    OVERSIZED = "order_oversized"
    DOUBLED = "order_doubled"


class ForeignRule(StrEnum):
    """Which orders of unknown origin trip: all, those that may open a position, or none."""

    TRIP = "trip"
    OPENS = "opens"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a plan was allowed. `quantity` None: the claim does not say, and size is not judged."""

    plan_id: str
    quantity: Decimal | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """An order that admissions do not explain."""

    fault: OrderFault
    order: VenueOrder

    @property
    def text(self) -> str:
        order = self.order
        kind = "reduce-only " if order.reduce_only else ""
        what = f"{kind}{order.side.value} {order.original_quantity} {order.symbol}"
        return f"{self.fault.value} {order.client_order_id} ({what})"


def has_our_form(client_order_id: str) -> bool:
    """Whether the id is one that only qtops gives."""
    return _OURS.fullmatch(client_order_id) is not None


def unexplained(
    orders: Iterable[VenueOrder], admissions: Mapping[str, Admission], own_ids: frozenset[str]
) -> list[Suspect]:
    """Every fault of every order. `own_ids` are the operator's flattening orders.

    An id of ours may stand for one order only: the exchange takes an id again once its order ended.
    """
    by_id: dict[str, list[VenueOrder]] = defaultdict(list)
    for order in orders:
        by_id[order.client_order_id].append(order)
    found: list[Suspect] = []
    for client_id, same in by_id.items():
        found += _faults(client_id, same, admissions, own_ids)
    return found


def _faults(
    client_id: str,
    same: Sequence[VenueOrder],
    admissions: Mapping[str, Admission],
    own_ids: frozenset[str],
) -> Iterable[Suspect]:
    if client_id in own_ids:
        return
    if not has_our_form(client_id):
        yield from (Suspect(OrderFault.FOREIGN, order) for order in same)
        return
    admission = admissions.get(client_id)
    if admission is None:
        yield from (Suspect(OrderFault.UNCLAIMED, order) for order in same)
        return
    yield from (Suspect(OrderFault.DOUBLED, order) for order in same[1:])
    most = admission.quantity
    if most is not None:
        larger = (order for order in same if order.original_quantity > most)
        yield from (Suspect(OrderFault.OVERSIZED, order) for order in larger)


def trips(suspect: Suspect, rule: ForeignRule) -> bool:
    """Whether the order stops opens, or is only named.

    A foreign reduce-only order is most likely the operator's hand in the exchange's own app; one
    that may open a position has no good reason.
    """
    if suspect.fault is not OrderFault.FOREIGN or rule is ForeignRule.TRIP:
        return True
    return rule is ForeignRule.OPENS and not suspect.order.reduce_only
