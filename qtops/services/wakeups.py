"""Who waits for which plan's permits. The decision feed wakes them; nobody polls."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import GateName


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
