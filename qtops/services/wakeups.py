"""Who waits for which plan's permits, or for news of which order. Feeds wake them."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qtops.contracts.account_event import AccountEvent, EventKind
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import GateName
from qtops.gates.execution import Lookup


class Wakeups:
    """Waiters by plan id. One is woken when the gates it misses have answered, or one refused."""

    def __init__(self) -> None:
        self._waiters: dict[str, _Waiter] = {}

    @contextmanager
    def waiting_for(self, plan_id: str) -> Iterator["_Waiter"]:
        """Register before reading the permits, so that no decision falls in between."""
        waiter = _Waiter()
        self._waiters[plan_id] = waiter
        try:
            yield waiter
        finally:
            del self._waiters[plan_id]

    def notify(self, record: DecisionRecord) -> None:
        waiter = self._waiters.get(record.plan_id)
        if waiter is not None:
            waiter.answered(record)


class _Waiter:
    """One plan's answers since it began to wait, and the gates it still waits for.

    A gate that a reading of the permits missed answers after that reading, hence after the waiter
    was registered: its record is seen here, before or after `expect`.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._answered: set[str] = set()
        self._expected: frozenset[str] = frozenset()
        self._denied = False

    def answered(self, record: DecisionRecord) -> None:
        self._answered.add(record.gate)
        self._denied = self._denied or not record.allow
        self._wake_if_due()

    def expect(self, gates: Iterable[GateName]) -> None:
        """These gates were missing from the last reading."""
        self._expected = frozenset(gate.value for gate in gates)
        self._wake_if_due()

    def _wake_if_due(self) -> None:
        if self._denied or (self._expected and self._expected <= self._answered):
            self.event.set()

    async def wait(self, timeout_s: float) -> bool:
        """False when nothing came in time."""
        try:
            await asyncio.wait_for(self.event.wait(), timeout_s)
        except TimeoutError:
            return False
        self.event.clear()
        self._denied = False
        self._answered.clear()
        return True


class OrderNews:
    """Whose next lookup an event brings forward. The event itself proves nothing."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    @contextmanager
    def following(self, client_order_id: str) -> Iterator[None]:
        """Register before the order is sent: its news may overtake the answer."""
        self._events[client_order_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._events[client_order_id]

    def notify(self, event: AccountEvent) -> None:
        """Wake the order's run; after a gap in the stream, every run, for its news may be lost.

        Not for an acceptance: what a MARKET order does next follows at once.
        """
        if event.kind is EventKind.CONNECTED:
            for waiting in self._events.values():
                waiting.set()
        elif event.order is not None and event.order.execution != "NEW":
            waiter = self._events.get(event.order.client_order_id)
            if waiter is not None:
                waiter.set()

    async def pause(self, client_order_id: str, lookup: Lookup) -> bool:
        """Sleep; true when news cut it short, which the lookup must allow. Past news count."""
        if not lookup.early:
            await asyncio.sleep(lookup.after_ms / 1000)
            return False
        waiter = self._events[client_order_id]
        try:
            await asyncio.wait_for(waiter.wait(), lookup.after_ms / 1000)
        except TimeoutError:
            return False
        waiter.clear()
        return True
