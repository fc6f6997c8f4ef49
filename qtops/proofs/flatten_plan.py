"""What closes a position, decided from what the exchange shows. Pure.

Every order is reduce-only MARKET, so one too many can only be refused: it cannot open anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.values import ZERO, floor_to_step, fmt_decimal
from qtops.contracts.venue import Filters, VenueOrder, VenuePosition
from qtops.contracts.vocabulary import Side

ONE_WAY = "BOTH"


@dataclass(frozen=True, slots=True)
class Close:
    """One position and the quantities, in base units, of the orders that close it."""

    symbol: str
    side: Side
    quantities: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Remainder:
    """What no order can close, and why."""

    symbol: str
    amount: Decimal
    why: str


def closes_of(
    positions: Sequence[VenuePosition], rules: Mapping[str, Filters]
) -> tuple[list[Close], list[Remainder]]:
    """How to get flat from here, and what of it cannot be done by order."""
    closes: list[Close] = []
    rest: list[Remainder] = []
    for position in positions:
        if position.amount == ZERO:
            continue
        if why := _obstacle(position, rules):
            rest.append(Remainder(position.symbol, position.amount, why))
            continue
        quantities, left = _split(abs(position.amount), rules[position.symbol])
        side = Side.SELL if position.amount > ZERO else Side.BUY
        if quantities:
            closes.append(Close(position.symbol, side, quantities))
        elif left:
            least = max(rules[position.symbol].market_min, rules[position.symbol].market_step)
            why = f"dust, below the least order of {fmt_decimal(least)}"
            rest.append(Remainder(position.symbol, position.amount, why))
    return closes, rest


def _obstacle(position: VenuePosition, rules: Mapping[str, Filters]) -> str:
    if position.position_side != ONE_WAY:
        return f"a {position.position_side} position of a hedge-mode account: close it by hand"
    if position.symbol not in rules:
        return "the exchange publishes no trading rules for it"
    return ""


def _split(amount: Decimal, rules: Filters) -> tuple[tuple[Decimal, ...], Decimal]:
    """Orders of at most the market maximum, each a multiple of the step, and what is left over."""
    largest = floor_to_step(rules.market_max, rules.market_step)
    quantities: list[Decimal] = []
    left = amount
    while True:
        quantity = floor_to_step(min(left, largest), rules.market_step)
        if quantity <= ZERO or quantity < rules.market_min:
            return tuple(quantities), left
        quantities.append(quantity)
        left -= quantity


def last_foreign_ms(orders: Sequence[VenueOrder], own_ids: frozenset[str], since_ms: int) -> int:
    """When the newest order that is not ours was last touched at the exchange; `since_ms` if none.

    A cancelled order is touched by our own cancelling, so it does not count.
    """
    times = [
        order.update_time_ms
        for order in orders
        if order.client_order_id not in own_ids
        and order.executed_quantity > ZERO
        and order.status != "CANCELED"
    ]
    return max([since_ms, *times])
