"""Whether exits ran their whole course: published, not asked for margin, executed, filled.

Steps are joined by plan and by the order's own id, never by symbol: two exits of one symbol are
two chains. A chain that the monitor did not begin (the operator's close, a proof) is not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qtops.contracts.exit_event import CHAIN, ExitEvent, ExitStep
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder

FILLED: Final = "FILLED"


@dataclass(frozen=True, slots=True)
class ChainFilter:
    """Which chains; None takes all. `order_id` is the exchange's or the client's."""

    plan_id: str | None = None
    order_id: str | None = None
    symbol: str | None = None

    def takes(self, chain: "Chain") -> bool:
        orders = {event.order_id for event in chain.events} | {chain.client_order_id}
        return (
            self.plan_id in {None, chain.plan_id}
            and self.symbol in {None, chain.symbol}
            and (self.order_id is None or self.order_id in orders)
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """One exit's steps in the order of the stream, and everything that speaks against it."""

    plan_id: str
    symbol: str
    client_order_id: str
    events: tuple[ExitEvent, ...]
    faults: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        return not self.faults

    @property
    def order_id(self) -> str:
        return next((event.order_id for event in self.events if event.order_id), "")


def join_chains(events: Sequence[ExitEvent], results: Mapping[str, Result]) -> list[Chain]:
    """The chains that a publication began, oldest first, each held against its plan's result."""
    by_plan: dict[str, list[ExitEvent]] = {}
    for event in events:
        if event.step in CHAIN:
            by_plan.setdefault(event.plan_id, []).append(event)
    return [
        _chain(steps, results.get(plan_id))
        for plan_id, steps in by_plan.items()
        if any(step.step is ExitStep.EXIT_PUBLISH for step in steps)
    ]


def _chain(events: Sequence[ExitEvent], result: Result | None) -> Chain:
    first = next(event for event in events if event.step is ExitStep.EXIT_PUBLISH)
    faults = [*_order_faults(events), *_identity_faults(events), *_result_faults(events, result)]
    return Chain(first.plan_id, first.symbol, first.client_order_id, tuple(events), tuple(faults))


def _order_faults(events: Sequence[ExitEvent]) -> list[str]:
    """Missing steps, repeated ones, and steps that come before the one they follow."""
    steps = [event.step for event in events]
    faults = [f"missing {step.value}" for step in CHAIN if step not in steps]
    faults += [f"repeated {step.value}" for step in CHAIN if steps.count(step) > 1]
    known = sorted(set(steps), key=steps.index)
    if known != [step for step in CHAIN if step in known]:
        faults.append(f"out of order: {' '.join(step.value for step in known)}")
    return faults


def _identity_faults(events: Sequence[ExitEvent]) -> list[str]:
    """All steps must name one symbol, one client order id and, where they know it, one order."""
    named = {
        "symbol": {event.symbol for event in events},
        "client order id": {event.client_order_id for event in events},
        "order id": {event.order_id for event in events if event.order_id},
    }
    return [
        f"contradictory {what}: {', '.join(sorted(values))}"
        for what, values in named.items()
        if len(values) > 1
    ]


def _result_faults(events: Sequence[ExitEvent], result: Result | None) -> list[str]:
    end = next((event for event in events if event.step is ExitStep.TERMINAL_STATE), None)
    if end is None:
        return []
    reason = end.details.get("error", "")
    faults = [] if end.state == FILLED else [f"ended as {end.state} {reason}".rstrip()]
    if result is None:
        return [*faults, "no apply.result"]
    if (result.order_id, result.executed) != (end.order_id, end.state == FILLED):
        said = f"order {result.order_id or 'none'}, executed {result.executed}"
        faults.append(f"apply.result says {said}")
    return faults


def venue_faults(chain: Chain, order: VenueOrder | None) -> list[str]:
    """What the exchange's own record says against a chain that looks complete."""
    if order is None:
        return ["the exchange does not know the order"]
    faults = []
    if order.order_id != chain.order_id:
        faults.append(f"the exchange knows it as order {order.order_id}")
    if order.status != FILLED:
        faults.append(f"the exchange shows it {order.status}")
    if not order.reduce_only:
        faults.append("the exchange shows it without reduce-only")
    return faults
