"""Which rounds a proof runs, and how each is judged: every branch, on plain values."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.venue import Filters, VenueOrder, VenuePosition
from qtops.contracts.vocabulary import Action, GateName, PlanDecision, Side
from qtops.proofs.exit_proof import stamp_of
from qtops.proofs.rounds import (
    EXPECTED_REFUSAL,
    Judgement,
    RoundEvidence,
    RoundSpec,
    Verdict,
    judge,
    plan_of,
    plan_rounds,
    timeline,
)

D = Decimal
START_US = 1_769_477_662_123_456
HALF = D("0.5")


def position(symbol, amount, mark="1"):
    return VenuePosition(
        symbol=symbol,
        amount=D(amount),
        entry_price=D(mark),
        mark_price=D(mark),
        unrealized_pnl=D(0),
        update_time_ms=0,
    )


def filters(symbol, market_min="0.001"):
    return Filters(
        symbol=symbol,
        status="TRADING",
        contract_type="PERPETUAL",
        price_tick=D("0.01"),
        lot_step=D(market_min),
        lot_min=D(market_min),
        lot_max=D(1000),
        market_step=D(market_min),
        market_min=D(market_min),
        market_max=D(1000),
        min_notional=D(5),
        quantity_precision=3,
        price_precision=2,
    )


RULES = {name: filters(name) for name in ("TRXUSDT", "ETHUSDT", "BTCUSDT", "SOLUSDT")}
ALLOWED = ("BTCUSDT", "ETHUSDT", "TRXUSDT")
REFERENCE = (
    position("ETHUSDT", "6.678", "3000"),
    position("TRXUSDT", "17889", "0.3"),
    position("BTCUSDT", "0"),
)


def planned(positions=REFERENCE, allowed=ALLOWED, rounds=3, fraction=HALF):
    return [
        (s.number, s.symbol, s.side.value, str(s.quantity), s.negative_control)
        for s in plan_rounds(positions, RULES, allowed, rounds, fraction)
    ]


def test_the_reference_scenario_is_two_exits_smallest_first_and_a_control():
    assert planned() == [
        (1, "TRXUSDT", "SELL", "8944.5", False),
        (2, "ETHUSDT", "SELL", "3.3390", False),
        (3, "BTCUSDT", "SELL", "0.001", True),
    ]


def test_a_short_is_closed_by_buying():
    assert planned([position("ETHUSDT", "-4")]) == [
        (1, "ETHUSDT", "BUY", "2.0", False),
        (2, "BTCUSDT", "SELL", "0.001", True),
        (3, "TRXUSDT", "SELL", "0.001", True),
    ]


def test_fewer_rounds_keep_the_exits():
    assert [row[1] for row in planned(rounds=1)] == ["TRXUSDT"]
    assert [row[1] for row in planned(rounds=2)] == ["TRXUSDT", "ETHUSDT"]


def test_more_rounds_than_symbols_are_not_made_up():
    assert len(planned(rounds=100)) == 3


def test_a_symbol_that_is_not_allowed_is_left_alone():
    assert [row[1] for row in planned(allowed=("ETHUSDT",))] == ["ETHUSDT"]


def test_a_symbol_named_twice_is_one_round():
    assert [row[1] for row in planned(allowed=("BTCUSDT", "ETHUSDT", "BTCUSDT"))] == [
        "ETHUSDT",
        "BTCUSDT",
    ]


def test_a_symbol_without_filters_is_no_control():
    assert [row[1] for row in planned(positions=(), allowed=("NOSUCHUSDT", "SOLUSDT"))] == [
        "SOLUSDT"
    ]


def test_the_whole_position_can_be_asked_for():
    assert planned(rounds=1, fraction=D(1))[0][3] == "17889"


def test_two_proofs_of_one_second_have_plan_ids_of_their_own():
    assert stamp_of(START_US) == "20260127_013422_123456"
    assert stamp_of(START_US + 1) != stamp_of(START_US)


# --- judging ------------------------------------------------------------------------------------

EXIT = RoundSpec(1, "TRXUSDT", Side.SELL, D("8944.5"), negative_control=False)
SHORT_EXIT = RoundSpec(1, "TRXUSDT", Side.BUY, D("8944.5"), negative_control=False)
CONTROL = RoundSpec(3, "BTCUSDT", Side.SELL, D("0.001"), negative_control=True)
STAMP = "20260127_013422_123456"


def result(spec=EXIT, **changes):
    plan = plan_of(spec, STAMP)
    filled = Result(
        plan_id=plan.plan_id,
        symbol=spec.symbol,
        executed=True,
        source="intent_executor",
        timestamp_ms=START_US // 1000,
        side=spec.side.value,
        requested_quantity=spec.quantity,
        filled_quantity=D(8944),
        order_id="633416228",
        client_order_id="qt-1",
        order_status="FILLED",
    )
    return replace(filled, **changes)


def refused(error, spec=EXIT):
    return result(
        spec,
        executed=False,
        error=error,
        order_id="",
        order_status="",
        filled_quantity=D(0),
    )


def order(**changes):
    filled = VenueOrder(
        symbol="TRXUSDT",
        order_id="633416228",
        client_order_id="qt-1",
        status="FILLED",
        side=Side.SELL,
        order_type="MARKET",
        original_quantity=D(8944),
        executed_quantity=D(8944),
        reduce_only=True,
        average_price=D("0.3"),
        update_time_ms=START_US // 1000,
    )
    return replace(filled, **changes)


def decision(gate, *, allow=True, at_us=START_US + 1000, reason=""):
    return DecisionRecord(
        plan_id="p",
        gate=gate.value,
        allow=allow,
        reason=reason,
        symbol="TRXUSDT",
        side="SELL",
        effect="close",
        decided_at_ms=at_us // 1000,
        decided_at_us=at_us,
    )


def seen(spec=EXIT, **changes):
    good = RoundEvidence(
        plan=plan_of(spec, STAMP),
        entry_id="1-0",
        published_us=START_US,
        result=result(spec),
        decisions=[decision(gate) for gate in GateName],
        order=order(side=spec.side),
        trades=[],
        position_before=D(17889),
        position_after=D(17889) + spec.side.sign * 8944,
    )
    return replace(good, **changes)


@pytest.mark.parametrize("spec", [EXIT, SHORT_EXIT], ids=["long", "short"])
def test_a_filled_exit_that_the_exchange_confirms(spec):
    assert judge(spec, seen(spec)) == Judgement(Verdict.FILLED)


FAILURES = {
    "no result": ({"result": None}, "result", "no result arrived in time"),
    "unknown order": ({"order": None}, "exchange", "the exchange does not know the order"),
    "another order": ({"order": order(order_id="7")}, "exchange", "order id 7 != 633416228"),
    "not reduce-only": ({"order": order(reduce_only=False)}, "exchange", "is not reduce-only"),
    "wrong side": ({"order": order(side=Side.BUY)}, "exchange", "the order's side is BUY"),
    "still open": ({"order": order(status="NEW")}, "exchange", "the order's status is NEW"),
    "nothing filled": (
        {"order": order(executed_quantity=D(0))},
        "exchange",
        "nothing was executed",
    ),
    "less filled": (
        {"order": order(executed_quantity=D(8943))},
        "exchange",
        "result and exchange disagree",
    ),
    "position moved too far": (
        {"position_after": D(0)},
        "exchange",
        "the position moved by -17889, not -8944",
    ),
    "position did not move": ({"position_after": D(17889)}, "exchange", "moved by 0, not -8944"),
    "refused by the executor": ({"result": refused("kill_halted")}, "executor", "kill_halted"),
    "missing permit": (
        {"result": refused("permit_missing:governor")},
        "permits",
        "permit_missing:governor",
    ),
}


@pytest.mark.parametrize(("change", "step", "reason"), FAILURES.values(), ids=FAILURES)
def test_an_exit_fails_at_the_step_that_broke(change, step, reason):
    judgement = judge(EXIT, seen(**change))
    assert (judgement.verdict, judgement.step) == (Verdict.FAILED, step)
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("gate", "step"),
    [(GateName.GOVERNOR, "governor"), (GateName.PORTFOLIO, "p26"), (GateName.POSITION, "p33")],
)
def test_a_denied_exit_names_the_gate(gate, step):
    decisions = [decision(g, allow=g is not gate) for g in GateName]
    change = {"result": refused("denied", EXIT), "decisions": decisions, "order": None}
    assert judge(EXIT, seen(**change)) == Judgement(Verdict.FAILED, step, "denied")


def control(**changes):
    good = {
        "result": refused(EXPECTED_REFUSAL, CONTROL),
        "order": None,
        "position_before": D(0),
        "position_after": D(0),
    }
    return seen(CONTROL, **(good | changes))


def test_a_control_refused_for_want_of_a_position_is_as_expected():
    expected = Judgement(Verdict.REJECTED_EXPECTED, reason="no_position")
    assert judge(CONTROL, control()) == expected


CONTROL_FAILURES = {
    "no result": ({"result": None}, "result", "no result arrived in time"),
    "an order exists": ({"order": order()}, "exchange", "order 633416228 exists"),
    "position changed": ({"position_after": D(1)}, "exchange", "the position changed"),
    "executed": ({"result": result(CONTROL)}, "gates", "got executed"),
    "other reason": (
        {"result": refused("p33_permit_denied:symbol_not_allowed", CONTROL)},
        "gates",
        "got p33_permit_denied:symbol_not_allowed",
    ),
    "claims execution": (
        {"result": replace(refused(EXPECTED_REFUSAL, CONTROL), executed=True)},
        "gates",
        "expected",
    ),
}


@pytest.mark.parametrize(
    ("change", "step", "reason"), CONTROL_FAILURES.values(), ids=CONTROL_FAILURES
)
def test_a_control_that_is_not_refused_as_expected_fails(change, step, reason):
    judgement = judge(CONTROL, control(**change))
    assert (judgement.verdict, judgement.step) == (Verdict.FAILED, step)
    assert reason in judgement.reason


# --- the plan and the timeline ------------------------------------------------------------------


def test_the_plan_is_in_the_standard_format():
    plan = plan_of(EXIT, STAMP)
    assert plan.plan_id == f"exit_hardproof_TRXUSDT_R1_{STAMP}"
    assert (plan.action, plan.decision) == (Action.FULL_CLOSE_PROPOSED, PlanDecision.EXECUTE)
    assert (plan.source, plan.reduce_only) == ("intent_bridge", True)
    assert (plan.side, plan.quantity) == (Side.SELL, D("8944.5"))
    assert Plan.from_fields(plan.to_fields()) == plan


def test_the_timeline_is_in_order_and_in_milliseconds():
    at = {GateName.GOVERNOR: 1200, GateName.PORTFOLIO: 800, GateName.POSITION: 1500}
    decisions = [decision(gate, at_us=START_US + us) for gate, us in at.items()]
    details = {"hops_us": {"answered": START_US + 9000, "sent": START_US + 2500}}
    times = timeline(seen(decisions=decisions, result=result(details=details)))
    assert list(times.items()) == [
        ("p26", D("0.8")),
        ("governor", D("1.2")),
        ("p33", D("1.5")),
        ("permits", D("1.5")),
        ("sent", D("2.5")),
        ("answered", D(9)),
    ]


def test_without_all_gates_there_is_no_time_of_the_permits():
    assert "permits" not in timeline(seen(decisions=[decision(GateName.GOVERNOR)]))


@pytest.mark.parametrize("details", [{}, {"hops_us": None}, {"hops_us": "soon"}])
def test_a_result_without_readable_hops_still_has_the_gates(details):
    assert set(timeline(seen(result=result(details=details)))) == {
        "governor",
        "p26",
        "p33",
        "permits",
    }


def test_nothing_seen_is_an_empty_timeline():
    assert timeline(seen(decisions=[decision(GateName.GOVERNOR, at_us=0)], result=None)) == {}
