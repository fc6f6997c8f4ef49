"""One plan, at most one order, whatever crashes: the protocol against a hostile exchange and Redis.

A small model checker. The exchange may fill a request at once, at the last moment its recvWindow
(and clock error) allows, or never, and may lose its answer; a lookup sees an order only a while
after it was filled; the process may die before or after any command; Redis may come back without
its last writes. Every such world is visited. Asserted: never two orders, and never a result that
says "not executed" about an order.
"""

from dataclasses import dataclass, replace

import pytest

from qtops.contracts.claim import Claim, ClaimState
from qtops.errors import OutcomeClass
from qtops.gates import execution
from qtops.gates.execution import (
    CLOCK_BOUND_MS,
    Acknowledge,
    Admitted,
    Answered,
    AwaitAdmission,
    Lookup,
    LookupFailed,
    Mark,
    Marked,
    NotFound,
    Prepare,
    Prepared,
    Refused,
    Send,
    SendFailed,
    Settle,
)
from tests.strategies import order

RECV_MS = 5_000
VISIBLE_AFTER_MS = 400  # how long the exchange's query may lag behind its matching engine
FILLED, NEW = order("FILLED"), order("NEW")


@dataclass(frozen=True)
class Budget:
    """How much may go wrong in one life of a plan; every mix of it is tried."""

    sends: int
    crashes: int
    failed_lookups: int


BUDGETS = {
    "two-sends-two-crashes": Budget(2, 2, 0),
    "three-sends-one-crash": Budget(3, 1, 0),
    "two-sends-a-crash-and-a-failed-lookup": Budget(2, 1, 1),
}


@dataclass(frozen=True)
class World:
    """`fills` are the moments at which requests became, or will become, orders."""

    budget: Budget
    state: object
    command: object
    now: int = 0
    fills: tuple = ()
    sends: int = 0
    deadline: int = 0
    claims: tuple = (None,)  # what Redis held, oldest first; the last is what it holds
    crashes: int = 0
    faults: int = 0
    settled: bool = False
    lost_at: int = 0  # until when a request from before Redis' restart can still land

    def key(self):
        """Worlds that differ only in when they happen are one world."""

        def ahead(ms):
            return max(ms - self.now, -VISIBLE_AFTER_MS)

        state = self.state
        fence = ahead(state.fence_ms) if state.fence_ms else None
        return (
            replace(state, fence_ms=0, last_code="", failures=min(state.failures, 6)),
            fence,
            self.command,
            tuple(ahead(ms) for ms in self.fills),
            self.sends,
            ahead(self.deadline),
            tuple(c and (c.state, c.attempt, ahead(c.send_deadline_ms)) for c in self.claims),
            self.crashes,
            self.faults,
            self.settled,
            ahead(self.lost_at) if self.lost_at else None,
        )


def feed(world, event, **changes):
    state, command = execution.step(world.state, event)
    return replace(world, state=state, command=command, **changes)


def written(world, state):
    claim = Claim(state, "qt-1", world.sends, "h", "d", world.deadline)
    return (*world.claims, claim)


def carried_out(world):
    """Every way the world can answer the command; None as event where the process died after."""
    command = world.command
    if isinstance(command, AwaitAdmission):
        yield Refused("denied"), {}
        yield Admitted(), {"claims": written(world, ClaimState.CLAIMED)}
    elif isinstance(command, Prepare):
        yield Refused("no_position"), {}
        yield Prepared(), {}
    elif isinstance(command, Mark):
        marked = replace(world, deadline=world.now + RECV_MS)
        yield (
            Marked(marked.deadline),
            {"deadline": marked.deadline, "claims": written(marked, ClaimState.SENDING)},
        )
        yield Refused("epoch"), {}
    elif isinstance(command, Send) and world.sends < world.budget.sends:
        yield from sent(world)
    elif isinstance(command, Lookup):
        yield from looked_up(world)


def sent(world):
    sends = world.sends + 1
    last_moment = world.deadline + CLOCK_BOUND_MS
    now = {"sends": sends, "fills": (*world.fills, world.now), "now": world.now + 5}
    late = {"sends": sends, "fills": (*world.fills, last_moment), "now": world.now + 5}
    never = {"sends": sends, "now": world.now + 5}
    yield Answered(FILLED), now
    yield Answered(NEW), now
    for fate in (now, late, never):
        yield SendFailed(OutcomeClass.UNKNOWN, "timeout"), fate
    for outcome in (OutcomeClass.RETRY, OutcomeClass.FINAL):
        yield SendFailed(outcome, "code", 100), never


def looked_up(world):
    asked = world.now + max(world.command.after_ms, 1)
    for now in (asked, asked + RECV_MS + CLOCK_BOUND_MS):
        filled = [ms for ms in world.fills if ms <= now]
        if filled:
            yield Answered(FILLED), {"now": now}
        lagging = all(now < ms + VISIBLE_AFTER_MS for ms in filled)
        if lagging or world.state.seen:
            yield NotFound(now, fresh=True), {"now": now}
            yield NotFound(now, fresh=False), {"now": now}
        if world.faults < world.budget.failed_lookups:
            yield LookupFailed("timeout"), {"now": now, "faults": world.faults + 1}


def restarted(world):
    """The process dies; Redis lives, or comes back with any of its earlier claims."""
    if world.crashes == world.budget.crashes:
        return
    died = replace(world, crashes=world.crashes + 1, now=world.now + 1)
    yield begun(died)
    lost_at = died.now + RECV_MS + CLOCK_BOUND_MS
    for kept in range(1, len(world.claims) + 1):
        yield begun(replace(died, claims=world.claims[:kept], lost_at=lost_at))


def begun(world):
    """A delivery after a crash; Redis remembers when it last came back without its last writes."""
    state, command = execution.start(world.claims[-1], suspicious=True, fence_ms=world.lost_at)
    return replace(world, state=state, command=command)


def ended(world):
    """The result is written; the process may still die before it knows."""
    if isinstance(world.command, Settle) and not world.settled:
        yield replace(world, settled=True, claims=written(world, ClaimState.DONE))


def after(world):
    yield from restarted(world)
    if isinstance(world.command, Settle | Acknowledge):
        yield from ended(world)
        return
    for event, changes in carried_out(world):
        yield from restarted(replace(world, **changes))
        yield feed(world, event, **changes)


def check(world):
    assert len(world.fills) <= 1, "two orders for one plan"
    if isinstance(world.command, Settle):
        assert (world.command.order is not None) == bool(world.fills), "a result that is not true"


def explore(budget=BUDGETS["two-sends-two-crashes"]):
    waiting = [World(budget, *execution.start(None, suspicious=False))]
    visited = set()
    while waiting:
        world = waiting.pop()
        key = world.key()
        if key in visited:
            continue
        visited.add(key)
        check(world)
        waiting.extend(after(world))
    return visited


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=BUDGETS.keys())
def test_no_crash_and_no_lost_answer_places_two_orders_or_denies_one(budget):
    assert len(explore(budget)) > 10_000


WEAKER = {
    "one-look-instead-of-two": ("SECOND_LOOK_MS", 1),
    "no-bound-on-clock-error": ("CLOCK_BOUND_MS", 0),
}


@pytest.mark.parametrize(("name", "value"), WEAKER.values(), ids=WEAKER.keys())
def test_the_model_finds_the_second_order_in_a_weaker_protocol(monkeypatch, name, value):
    monkeypatch.setattr(execution, name, value)
    with pytest.raises(AssertionError, match=r"two orders|not true"):
        explore()


def test_the_model_finds_the_second_order_when_a_lost_claim_is_trusted(monkeypatch):
    trusting = execution.start
    monkeypatch.setattr(execution, "start", lambda claim, **_: trusting(claim, suspicious=False))
    with pytest.raises(AssertionError, match=r"two orders|not true"):
        explore()
