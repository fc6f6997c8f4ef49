"""One plan, at most one order: the execution protocol as a transition table without I/O.

`step(state, event) -> (state, command)`. The executor carries commands out and feeds back what
happened. Source: EXECUTION, "Steps" and "Recovery". What keeps an order from being placed twice:

- `Send` is reached only from `Mark` (write ahead), and `Mark` only from `Prepare`;
- after a send of unknown outcome the only way back to `Prepare` leads through two lookups that
  find nothing, the first of them after the fence (timestamp + recvWindow + clock bound), beyond
  which the exchange refuses the earlier request;
- a lookup that fails proves nothing and is repeated;
- an order that the exchange has shown once is never sent again, even if it is not found later.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.venue import VenueOrder
from qtops.errors import OutcomeClass

CLOCK_BOUND_MS = 1_000  # the exchange accepts timestamps up to 1 s ahead of its clock
SECOND_LOOK_MS = 500
LOOKUP_BACKOFF_MS = (100, 200, 500, 1_000, 2_000, 5_000)
MAX_RESENDS = 3


class Phase(Enum):
    """Where the plan stands. Only SENT can have reached the exchange."""

    PROBING = auto()  # first send not made, but an earlier life may have made one
    PERMITS = auto()
    CLAIMED = auto()
    SENT = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Execution:
    """State of one plan. `fence_ms` is on the exchange's clock."""

    phase: Phase
    fence_ms: int = 0
    absent_after_fence: bool = False
    attempt: int = 0
    failures: int = 0
    last_code: str = ""
    held: bool = False  # whether we own a claim
    seen: bool = False  # the exchange has shown us the order: it can never be sent again


# --- commands -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class AwaitAdmission:
    """Wait for permits, then admit atomically; answer Admitted or Refused."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Read position and rules, size the order; answer Prepared or Refused."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Write `sending` with the fence, if the claim is ours and the epoch holds; then Marked."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request that was marked; answer Answered or SendFailed."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Wait `after_ms`, then ask for the order by our id; Answered, NotFound or LookupFailed.

    `early`: news of the order may cut the wait short. Never where the wait itself is part of the
    proof (the second look, the fence before a first send) or was asked for by the exchange.
    """

    after_ms: int = 0
    early: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """Write the result. `order` None means nothing was executed, for the reason in `error`."""

    order: VenueOrder | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The plan was settled before; only the entry is left to acknowledge."""


Command = AwaitAdmission | Prepare | Mark | Send | Lookup | Settle | Acknowledge


# --- events -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Admitted:
    """The permits are consumed and the claim is ours."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing will be sent, for this reason."""

    error: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Position and rules were read anew; there is a quantity."""


@dataclass(frozen=True, slots=True)
class Marked:
    """The write-ahead is in Redis. After `fence_ms` the request can no longer land."""

    fence_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The exchange showed us the order."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class SendFailed:
    """The exchange refused, or did not answer. `code` is for the result."""

    outcome: OutcomeClass
    code: str
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class NotFound:
    """The exchange does not know our id, at `now_ms` of its clock. `fresh`: may still be sent."""

    now_ms: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The question itself failed. It proves nothing."""

    code: str


Event = Admitted | Refused | Prepared | Marked | Answered | SendFailed | NotFound | LookupFailed


def start(claim: Claim | None, *, suspicious: bool, fence_ms: int = 0) -> tuple[Execution, Command]:
    """Where a delivered plan begins.

    Args:
        claim: what an earlier delivery left behind.
        suspicious: delivered before, or Redis restarted: look it up before the first send.
        fence_ms: until when (exchange clock) a request we know nothing of could still land. Not 0
            after a Redis restart, whatever the claim says: its last second may be lost.

    """
    if claim is None and not suspicious:
        return Execution(Phase.PERMITS), AwaitAdmission()
    if claim is None:
        return Execution(Phase.PROBING, fence_ms=fence_ms), Lookup()
    if claim.state is ClaimState.DONE:
        return Execution(Phase.DONE), Acknowledge()
    if claim.state is ClaimState.CLAIMED:
        state = Execution(Phase.PROBING, fence_ms=fence_ms, attempt=claim.attempt, held=True)
        return state, Lookup()
    fence = max(claim.send_deadline_ms + CLOCK_BOUND_MS, fence_ms)
    return Execution(Phase.SENT, fence_ms=fence, attempt=claim.attempt, held=True), Lookup()


def step(state: Execution, event: Event) -> tuple[Execution, Command]:
    """The next state and what to do. An event that does not fit the phase is a bug and raises."""
    transition = TRANSITIONS.get((state.phase, type(event)))
    if transition is None:
        message = f"{type(event).__name__} cannot happen in {state.phase.name}"
        raise ValueError(message)
    return transition(state, event)


def _admitted(state: Execution, event: Admitted) -> tuple[Execution, Command]:
    return replace(state, phase=Phase.CLAIMED, held=True), Prepare()


def _prepared(state: Execution, event: Prepared) -> tuple[Execution, Command]:
    return state, Mark()


def _marked(state: Execution, event: Marked) -> tuple[Execution, Command]:
    sent = replace(
        state,
        phase=Phase.SENT,
        fence_ms=event.fence_ms + CLOCK_BOUND_MS,
        absent_after_fence=False,
        attempt=state.attempt + 1,
    )
    return sent, Send()


def _refused(state: Execution, event: Refused) -> tuple[Execution, Command]:
    return replace(state, phase=Phase.DONE), Settle(None, event.error)


def _lookup_failed(state: Execution, event: LookupFailed) -> tuple[Execution, Command]:
    failed = replace(state, failures=state.failures + 1, last_code=event.code)
    return failed, Lookup(_backoff(state.failures), early=state.seen)


def _backoff(failures: int) -> int:
    return LOOKUP_BACKOFF_MS[min(failures, len(LOOKUP_BACKOFF_MS) - 1)]


def _answered(state: Execution, event: Answered) -> tuple[Execution, Command]:
    if event.order.is_final:
        return replace(state, phase=Phase.DONE), Settle(event.order)
    polling = replace(state, phase=Phase.SENT, failures=state.failures + 1, seen=True)
    return polling, Lookup(_backoff(state.failures), early=True)


def _send_failed(state: Execution, event: SendFailed) -> tuple[Execution, Command]:
    failed = replace(state, last_code=event.code, failures=0)
    match event.outcome:
        case OutcomeClass.FINAL | OutcomeClass.HALT | OutcomeClass.ALREADY:
            return replace(failed, phase=Phase.DONE), Settle(None, event.code)
        case OutcomeClass.RESYNC | OutcomeClass.RETRY if state.attempt <= MAX_RESENDS:
            # Nothing was executed; whether the plan is still fresh is asked after the wait.
            again = replace(failed, phase=Phase.SENT, fence_ms=0, absent_after_fence=True)
            return again, Lookup(event.wait_ms)
        case OutcomeClass.RESYNC | OutcomeClass.RETRY:
            return replace(failed, phase=Phase.DONE), Settle(None, event.code)
        case OutcomeClass.UNKNOWN:
            return failed, Lookup(_backoff(0), early=True)


def _probe_found_nothing(state: Execution, event: NotFound) -> tuple[Execution, Command]:
    if event.now_ms < state.fence_ms:
        return state, Lookup(state.fence_ms - event.now_ms)
    if state.fence_ms and not state.absent_after_fence:
        return replace(state, absent_after_fence=True), Lookup(SECOND_LOOK_MS)
    if not event.fresh:
        return replace(state, phase=Phase.DONE), Settle(None, "not_sent_expired")
    if state.held:
        return replace(state, phase=Phase.CLAIMED, failures=0), Prepare()
    return replace(state, phase=Phase.PERMITS, failures=0), AwaitAdmission()


def _sent_but_not_found(state: Execution, event: NotFound) -> tuple[Execution, Command]:
    if state.seen:  # an order that was there is not undone by an answer that forgets it
        again = replace(state, failures=state.failures + 1)
        return again, Lookup(_backoff(state.failures), early=True)
    if event.now_ms < state.fence_ms:
        wait_ms = min(_backoff(state.failures), state.fence_ms - event.now_ms)
        return replace(state, failures=state.failures + 1), Lookup(wait_ms, early=True)
    if not state.absent_after_fence:
        return replace(state, absent_after_fence=True), Lookup(SECOND_LOOK_MS)
    if not event.fresh:
        return replace(state, phase=Phase.DONE), Settle(None, _expired(state))
    return replace(state, phase=Phase.CLAIMED, failures=0), Prepare()


def _expired(state: Execution) -> str:
    return f"not_sent_expired:{state.last_code}" if state.last_code else "not_sent_expired"


Transition = Callable[[Execution, Any], tuple[Execution, Command]]

# The protocol. What is not in this table cannot happen; docs/execution.md is drawn from it.
TRANSITIONS: dict[tuple[Phase, type[Event]], Transition] = {
    (Phase.PERMITS, Admitted): _admitted,
    (Phase.PERMITS, Refused): _refused,
    (Phase.CLAIMED, Prepared): _prepared,
    (Phase.CLAIMED, Marked): _marked,
    (Phase.CLAIMED, Refused): _refused,
    (Phase.PROBING, Answered): _answered,
    (Phase.PROBING, NotFound): _probe_found_nothing,
    (Phase.PROBING, LookupFailed): _lookup_failed,
    (Phase.SENT, Answered): _answered,
    (Phase.SENT, SendFailed): _send_failed,
    (Phase.SENT, NotFound): _sent_but_not_found,
    (Phase.SENT, LookupFailed): _lookup_failed,
}
