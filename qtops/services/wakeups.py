"""Who waits for which plan's permits. The decision feed wakes them; nobody polls."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import GateName


class Wakeups:
    """Waiters by plan id. A waiter is woken when all gates have answered, or one refused."""

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

    def notify_all(self) -> None:
        """After a gap in the feed everyone looks for himself."""
        for waiter in self._waiters.values():
            waiter.event.set()


class _Waiter:
    """One plan's answers so far."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._gates: set[str] = set()

    def answered(self, record: DecisionRecord) -> None:
        self._gates.add(record.gate)
        if not record.allow or len(self._gates) == len(GateName):
            self.event.set()

    async def wait(self, timeout_s: float) -> bool:
        """False when nothing came in time."""
        try:
            await asyncio.wait_for(self.event.wait(), timeout_s)
        except TimeoutError:
            return False
        self.event.clear()
        return True
