"""Close every position of the account and prove it flat, with the exchange as the only witness.

The kill switch is set before this starts. Orders that were past the last look at it may still
land until their fence; flat counts only once those fences have passed or the orders are settled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Protocol, TypeVar

from qtops.contracts.plan import flatten_order_id
from qtops.contracts.venue import Filters, OrderRequest, VenueOrder, VenuePosition
from qtops.errors import OutcomeClass, VenueError
from qtops.gates.execution import CLOCK_BOUND_MS, SECOND_LOOK_MS
from qtops.ports import SendingOrder, Venue
from qtops.proofs.flatten_plan import (
    Close,
    Remainder,
    closes_of,
    last_foreign_ms,
)

POLL_S = 0.2
RECENT_ORDERS = 100

T = TypeVar("T")


class FlattenVenue(Venue, Protocol):
    """What closing everything needs of the exchange beyond what services need."""

    async def open_orders(self) -> list[VenueOrder]: ...

    async def cancel_all(self, symbol: str) -> None: ...


@dataclass(frozen=True, slots=True)
class FlattenRequest:
    """What is asked. `killed_at_s` is the event loop's time when the switch was acknowledged.

    `symbols` are asked for orders that landed after the kill, besides those that had a position.
    `on_their_way` answers which orders may still land; it raises nothing.
    """

    namespace: str
    epoch: str
    killed_at_s: float
    timeout_s: float
    symbols: tuple[str, ...]
    on_their_way: Callable[[], Awaitable[Sequence[SendingOrder]]]


@dataclass(frozen=True, slots=True)
class ClosingOrder:
    """One order of ours at the exchange."""

    symbol: str
    client_order_id: str
    order_id: str
    status: str
    quantity: Decimal
    filled: Decimal


@dataclass(slots=True)
class Flattening:
    """What was done and what the exchange shows. Times in ms from the kill; None is not known."""

    before: dict[str, Decimal] = field(default_factory=dict)
    after: dict[str, Decimal] | None = None
    orders: dict[str, ClosingOrder] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    rest: list[Remainder] = field(default_factory=list)
    waiting: list[SendingOrder] = field(default_factory=list)
    still_open: int = 0
    faults: list[str] = field(default_factory=list)
    error: str = ""
    flat: bool = False
    time_to_flat_ms: int | None = None
    time_to_last_order_ms: int | None = None


async def flatten(request: FlattenRequest, venue: FlattenVenue) -> Flattening:
    """Cancel and close until flat or out of time. Faults of the exchange end up in the result."""
    run = _Run(request, venue)
    try:
        await run.until_flat()
    except VenueError as error:
        run.seen.error = error.message
        run.seen.after = run.seen.time_to_flat_ms = None
    run.seen.time_to_last_order_ms = await run.last_order_ms()
    return run.seen


class _Run:
    def __init__(self, request: FlattenRequest, venue: FlattenVenue) -> None:
        self._request = request
        self._venue = venue
        self._loop = asyncio.get_running_loop()
        self._deadline_s = self._loop.time() + request.timeout_s
        self._rules: Mapping[str, Filters] = {}
        self._next_number: dict[str, int] = {}
        self.seen = Flattening()

    async def until_flat(self) -> None:
        await self._insist(self._venue.sync_clock)
        positions = await self._positions()
        self.seen.before = self.seen.after or {}
        self._rules = await self._insist(self._venue.filters) if positions else {}
        await self._cancel_open_orders()
        while not await self._is_settled(positions):
            if self._is_late():
                return
            positions = await self._positions()
        self.seen.flat = not self.seen.rest

    async def _is_settled(self, positions: Sequence[VenuePosition]) -> bool:
        """Close what can be closed; True when nothing is left to do, which needs three readings."""
        if positions and not self._rules:
            self._rules = await self._insist(self._venue.filters)
        closes, self.seen.rest = closes_of(positions, self._rules)
        self._note_flatness(is_flat=not positions)
        if closes:
            await asyncio.gather(*(self._close(close) for close in closes))
            return False
        self.seen.waiting = await self._may_still_land()
        if self.seen.waiting:
            await asyncio.sleep(POLL_S)
            return False
        await self._cancel_open_orders()
        if self.seen.still_open:
            await asyncio.sleep(POLL_S)
            return False
        # A position may have come between its reading and the last of the others.
        return {p.symbol: p.amount for p in await self._positions()} == {
            p.symbol: p.amount for p in positions
        }

    def _note_flatness(self, *, is_flat: bool) -> None:
        """Flat since the first reading after which it stayed so."""
        if not is_flat:
            self.seen.time_to_flat_ms = None
        elif self.seen.time_to_flat_ms is None:
            self.seen.time_to_flat_ms = self._since_kill_ms()

    async def _positions(self) -> list[VenuePosition]:
        positions = await self._insist(lambda: self._venue.positions(urgent=True))
        self.seen.after = {p.symbol: p.amount for p in positions}
        return positions

    async def _may_still_land(self) -> list[SendingOrder]:
        now_ms = self._venue.timestamp_ms()
        return [o for o in await self._request.on_their_way() if o.send_deadline_ms > now_ms]

    async def _cancel_open_orders(self) -> None:
        orders = await self._insist(self._venue.open_orders)
        self.seen.still_open = len(orders)
        for symbol in sorted({order.symbol for order in orders}):
            try:
                await self._venue.cancel_all(symbol)
            except VenueError as error:
                await self._note(error)
        known = set(self.seen.cancelled)
        self.seen.cancelled += [o.order_id for o in orders if o.order_id not in known]

    async def _close(self, close: Close) -> None:
        """Send one order for each quantity; whatever goes wrong, the position is read anew."""
        for quantity in close.quantities:
            client_id = await self._unused_id(close.symbol)
            order = OrderRequest(close.symbol, close.side, quantity, True, client_id)
            is_filled = await self._send(order)
            self._next_number[close.symbol] += 1
            if not is_filled:
                return

    async def _unused_id(self, symbol: str) -> str:
        """The next id that the exchange does not know; an earlier run may have used some."""
        number = self._next_number.get(symbol, 1)
        while True:
            client_id = flatten_order_id(
                self._request.namespace, self._request.epoch, symbol, number
            )
            found = await self._insist(partial(self._venue.find_order, symbol, client_id))
            if found is None:
                self._next_number[symbol] = number
                return client_id
            self._keep(found)
            number += 1

    async def _send(self, order: OrderRequest) -> bool:
        """False when the position must be read before anything else is sent for the symbol."""
        sent_ms = self._venue.timestamp_ms()
        try:
            answer = await self._venue.place_order(order, sent_ms)
        except VenueError as error:
            if error.outcome is not OutcomeClass.UNKNOWN:
                await self._note(error)
                return False
            self.seen.faults.append(error.message)
            found = await self._look_up(order, sent_ms)
            if found is None:
                return False
            answer = found
        self._keep(answer)
        return answer.status == "FILLED"

    async def _look_up(self, order: OrderRequest, sent_ms: int) -> VenueOrder | None:
        """The order of unknown outcome: asked for until it shows, or can no longer land."""
        fence_ms = sent_ms + self._venue.recv_window_ms + CLOCK_BOUND_MS
        absent_after_fence = False
        while not self._is_late():
            is_after = self._venue.timestamp_ms() > fence_ms
            try:
                found = await self._venue.find_order(order.symbol, order.client_order_id)
            except VenueError as error:
                await self._note(error)
                continue
            if found is not None or (is_after and absent_after_fence):
                return found
            absent_after_fence = is_after
            await asyncio.sleep(SECOND_LOOK_MS / 1000 if is_after else POLL_S)
        return None

    def _keep(self, order: VenueOrder) -> None:
        self.seen.orders[order.client_order_id] = ClosingOrder(
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            status=order.status,
            quantity=order.original_quantity,
            filled=order.executed_quantity,
        )

    async def _insist(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask again until it is answered or the time is up; only a bad key ends it at once."""
        while True:
            try:
                return await question()
            except VenueError as error:
                if self._is_late():
                    raise
                await self._note(error)

    async def _note(self, error: VenueError) -> None:
        """Remember the fault and wait as the exchange asks. A refused key cannot get better."""
        if error.outcome is OutcomeClass.HALT:
            raise error
        if error.message not in self.seen.faults:
            self.seen.faults.append(error.message)
        wait_s = POLL_S if error.retry_after_s is None else error.retry_after_s
        left_s = self._deadline_s - self._loop.time()
        await asyncio.sleep(max(POLL_S, min(wait_s, left_s)))

    def _is_late(self) -> bool:
        return self._loop.time() >= self._deadline_s

    def _since_kill_ms(self) -> int:
        return round((self._loop.time() - self._request.killed_at_s) * 1000)

    async def last_order_ms(self) -> int | None:
        """How long after the kill an order that is not ours still acted; 0 is none did."""
        killed_ms = self._venue.timestamp_ms() - self._since_kill_ms()
        own = frozenset(self.seen.orders)
        last_ms = killed_ms
        for symbol in sorted({*self._request.symbols, *self.seen.before}):
            try:
                orders = await self._venue.recent_orders(symbol, RECENT_ORDERS)
            except VenueError as error:
                if error.outcome is OutcomeClass.FINAL:  # not listed there: no order either
                    continue
                self.seen.faults.append(error.message)
                return None
            last_ms = max(last_ms, last_foreign_ms(orders, own, killed_ms))
        return last_ms - killed_ms
