"""Chains: whole, broken in every way, and two of one symbol that must not be mixed up."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qtops.contracts.exit_event import (
    CHAIN,
    ExitEvent,
    ExitStep,
    closing_events,
    margin_check_skipped,
)
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder
from qtops.contracts.vocabulary import Action, PlanDecision, Side
from qtops.proofs.exit_chain import ChainFilter, join_chains, venue_faults


def plan_called(name):
    return Plan(
        plan_id=name,
        decision=PlanDecision.EXECUTE,
        symbol="TRXUSDT",
        side=Side.SELL,
        quantity=Decimal(5),
        reduce_only=True,
        source="exit_monitor",
        action=Action.FULL_CLOSE_PROPOSED,
    )


def run_of(name="p1", order="71"):
    """The events and the result of an exit that went well."""
    plan, client = plan_called(name), f"qt-{name}"
    result = Result(
        plan_id=name,
        symbol="TRXUSDT",
        executed=True,
        source="exit_monitor",
        timestamp_ms=3,
        filled_quantity=Decimal(5),
        order_id=order,
        client_order_id=client,
        order_status="FILLED",
    )
    published = ExitEvent(ExitStep.EXIT_PUBLISH, name, client, "TRXUSDT", 1)
    skipped = margin_check_skipped(plan, client, 2)
    return [published, skipped, *closing_events(plan, result)], result


def only(events, result):
    (chain,) = join_chains(events, {result.plan_id: result} if result else {})
    return chain


def test_a_whole_chain():
    events, result = run_of()
    chain = only(events, result)
    assert chain.is_complete
    assert [e.marker for e in chain.events] == [
        "EXIT_PUBLISH",
        "MARGIN CHECK SKIPPED",
        "CLOSE_EXECUTED",
        "TERMINAL STATE: FILLED",
    ]
    assert [ExitEvent.from_fields(e.to_fields()) for e in events] == events


@pytest.mark.parametrize("step", CHAIN[1:])
def test_a_missing_step_is_named(step):
    events, result = run_of()
    chain = only([e for e in events if e.step is not step], result)
    assert chain.faults == (f"missing {step.value}",)


def test_a_chain_that_nobody_published_is_none():
    events, result = run_of()
    assert join_chains(events[1:], {"p1": result}) == []


def test_two_exits_of_one_symbol_stay_apart_however_they_interleave():
    one, first = run_of("p1", "71")
    two, second = run_of("p2", "72")
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    chains = join_chains(mixed[:-1], {"p1": first, "p2": second})
    assert [(c.order_id, c.faults) for c in chains] == [
        ("71", ()),
        ("72", ("missing TERMINAL_STATE",)),
    ]
    assert [c.plan_id for c in chains if ChainFilter(order_id="72").takes(c)] == ["p2"]
    assert [c.plan_id for c in chains if ChainFilter(order_id="qt-p1").takes(c)] == ["p1"]
    assert len([c for c in chains if ChainFilter(symbol="TRXUSDT").takes(c)]) == 2
    assert not [c for c in chains if ChainFilter(plan_id="p3").takes(c)]


def changed(at, **fields):
    def change(events, result):
        return [replace(e, **fields) if i == at else e for i, e in enumerate(events)], result

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda e, r: ([e[0], e[2], e[1], e[3]], r), "out of order"),
        (lambda e, r: ([*e, e[3]], r), "repeated TERMINAL_STATE"),
        (changed(2, order_id="99"), "contradictory order id"),
        (changed(1, client_order_id="qt-x"), "contradictory client order id"),
        (changed(1, symbol="ETHUSDT"), "contradictory symbol"),
        (changed(3, state="EXPIRED"), "ended as EXPIRED"),
        (lambda e, _: (e, None), "no apply.result"),
        (lambda e, r: (e, replace(r, order_id="5")), "apply.result says order 5"),
    ],
)
def test_what_speaks_against_a_chain_is_said(change, fault):
    chain = only(*change(*run_of()))
    assert any(fault in said for said in chain.faults)


def test_the_exchange_has_the_last_word():
    chain = only(*run_of())
    order = VenueOrder(
        "71",
        "qt-p1",
        "TRXUSDT",
        Side.SELL,
        "FILLED",
        "MARKET",
        True,
        Decimal(5),
        Decimal(5),
        None,
        3,
    )
    assert venue_faults(chain, order) == []
    assert venue_faults(chain, None) == ["the exchange does not know the order"]
    wrong = replace(order, order_id="1", status="NEW", reduce_only=False)
    assert len(venue_faults(chain, wrong)) == 3


def test_a_plan_that_opens_leaves_no_exit_events():
    opening = replace(plan_called("p"), reduce_only=False)
    assert margin_check_skipped(opening, "qt-p", 1) is None
    assert closing_events(opening, run_of()[1]) == ()
