"""Every state that a hop can be in, from records alone."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qtops.audits.permit_trail import Evidence, judge
from qtops.audits.permits import shown
from qtops.audits.trace import Outcome, life_of, verdict_of
from qtops.audits.trace_records import ExchangeView, PlanEntry, Records
from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Service, Stream
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.contracts.vocabulary import GateName, Lane, Side
from qtops.errors import DecodeError
from qtops.ports import PermitEntry

NOW_MS = 1_769_477_662_000
PLAN_MS = NOW_MS - 30_000
SECOND, DAY = 1000, 86_400_000
GATES = ("governor", "portfolio gate", "position gate")
FIELDS = {
    "plan_id": "p1",
    "decision": "EXECUTE",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "qty": "2",
    "reduceOnly": "true",
    "source": "intent_bridge",
    "action": "FULL_CLOSE_PROPOSED",
}


def entry(at_ms=PLAN_MS, **changes):
    fields = FIELDS | changes
    raw = {name.encode(): value.encode() for name, value in fields.items()}
    try:
        plan, fault = Plan.from_fields(fields), ""
    except DecodeError as error:
        plan, fault = None, error.message
    return PlanEntry(f"{at_ms}-0", Lane.AUTOMATED, shown(raw[b"symbol"]), raw, plan, fault)


def decision(gate, *, allow=True, reason="ok", at_ms=PLAN_MS):
    return DecisionRecord(
        "p1", gate.value, allow, reason, "BTCUSDT", "SELL", "close", at_ms, "", Decimal(2), {},
        at_ms * 1000 + 900,
    )  # fmt: skip


def claim(state=ClaimState.DONE, order="qt-1"):
    return Claim(state, order, 1, "executor:1", "digest")


def result(*, executed=True, filled="2", order="77", error="", at_ms=PLAN_MS + 5):
    hops = {"admitted": PLAN_MS * 1000 + 2000, "answered": PLAN_MS * 1000 + 4000}
    return Result(
        "p1", "BTCUSDT", executed, "intent_bridge", at_ms, filled_quantity=Decimal(filled),
        order_id=order, error=error, details={"hops_us": hops},
    )  # fmt: skip


def order(status="FILLED", filled="2"):
    return VenueOrder(
        "77", "qt-1", "BTCUSDT", Side.SELL, status, "MARKET", True, Decimal(2), Decimal(filled),
        None, NOW_MS,
    )  # fmt: skip


def seen_at_exchange(*quantities, **changes):
    trades = [
        VenueTrade(str(n), "77", Decimal(9), Decimal(q), Decimal(0), "USDT", Decimal(0), PLAN_MS)
        for n, q in enumerate(quantities)
    ]
    return ExchangeView(order=order(**changes), trades=trades)


FILLED = Records(
    "p1",
    "quantum",
    NOW_MS,
    plans=[entry()],
    decisions=[decision(gate) for gate in GateName],
    claim=claim(),
    results=[result()],
    exchange=seen_at_exchange("1.5", "0.5"),
    book={"position_amt": "0", "version": "4", "last_plan_id": "p1", "updated_at_ms": str(NOW_MS)},
)
NOBODY = Records("p1", "quantum", NOW_MS, plans=[entry()])


def with_trails(records, permits=()):
    """As the reading adds what became of each permit."""
    trails = []
    for gate in GateName:
        mine = [d for d in reversed(records.decisions) if d.gate == gate.value]
        own = [p for g, p in permits if g is gate]
        evidence = Evidence(gate, own, mine, records.claim, records.now_ms)
        trails.append(judge(evidence, records.plan_id))
    return replace(records, gates=trails)


def life(base=FILLED, permits=(), **changes):
    return life_of(with_trails(replace(base, **changes), permits))


def denied(gate=GateName.POSITION, reason="no_position"):
    others = [decision(g) for g in GateName if g is not gate]
    return [*others, decision(gate, allow=False, reason=reason)]


def old(age_ms):
    return [entry(NOW_MS - age_ms)]


def buried(message="no"):
    return [DeadLetter("apply.plan", "1-0", "g", "reused_plan_id", "plan_id", message, FIELDS, 9)]


def live(gate=GateName.GOVERNOR, value=b'{"allow":true,"plan_id":"p1"}'):
    return [(gate, PermitEntry(b"quantum:permit:p1", 40_000, "string", value))]


LAPSED = [decision(gate, at_ms=NOW_MS - 90 * SECOND) for gate in GateName]
REFUSED = result(executed=False, filled="0", order="", error="binance_error:-2019")
RECENT = {"plans": old(500), "claim": None, "results": ()}
DECISIONS = frozenset({Stream.GATE_DECISION})
RESULTS = frozenset({Stream.APPLY_RESULT})
AWAY = ExchangeView("connection refused")

# hop, what differs from a filled plan, its state, and a word of its detail
HOPS = [
    ("intent", {"intent_id": "1769477631000-0"}, "seen", "1769477631000-0"),
    ("intent", {}, "unknown", "hashes to this plan's id"),
    ("plan", {}, "seen", "SELL 2 BTCUSDT"),
    ("plan", {"plans": (), "trimmed": frozenset({Stream.APPLY_PLAN})}, "expired", "trimmed"),
    ("plan", {"plans": ()}, "missing", "no plan of this id"),
    ("plan", {"plans": (), "unread": frozenset({"apply.plan"})}, "unknown", "the time was up"),
    ("plan", {"plans": [entry(), entry(qty="3")]}, "contradictory", "entries that differ"),
    ("plan", {"letters": buried("used before")}, "contradictory", "used before"),
    ("plan", {"plans": [entry(), entry()]}, "seen", "SELL 2 BTCUSDT"),
    ("governor", {}, "seen", "allowed up to 2"),
    ("governor", {"decisions": (), "claim": None}, "missing", "it never decided"),
    ("governor", {"decisions": (), "trimmed": DECISIONS}, "unknown", "was trimmed since"),
    ("governor", {"decisions": (), "unread": frozenset({"gate.decision"})}, "unknown", "time"),
    ("governor", {**RECENT, "decisions": ()}, "unknown", "not yet"),
    ("governor", {"decisions": (), "silent": frozenset(Service)}, "missing", "no heartbeat now"),
    ("governor", {"plans": [entry(decision="SKIP")], "decisions": ()}, "not reached", ""),
    ("permits", {}, "seen", "used: governor"),
    ("permits", {"decisions": LAPSED, "claim": None, "results": ()}, "expired", "expired: "),
    ("permits", {**RECENT, "decisions": FILLED.decisions}, "missing", "gone: "),
    ("permits", {"decisions": (), "claim": None}, "missing", "never issued"),
    (
        "permits",
        {"decisions": (), "claim": None, "trimmed": DECISIONS},
        "unknown",
        "expired or never issued",
    ),
    ("permits", {"decisions": denied(), "claim": None}, "not reached", "refused: position gate"),
    ("admission", {}, "seen", "done, attempt 1"),
    ("admission", {"claim": claim(order="none"), "results": [REFUSED]}, "not reached", ""),
    ("admission", {"claim": None}, "missing", "claim is gone"),
    ("admission", {"claim": None, "plans": old(2 * DAY)}, "expired", "claim is gone"),
    ("admission", {"claim": None, "claim_unreadable": True}, "unknown", "cannot be read"),
    ("order", {}, "seen", "77 FILLED"),
    ("order", {"exchange": AWAY}, "unknown", "connection refused"),
    ("order", {"exchange": ExchangeView()}, "contradictory", "does not know"),
    ("order", {"claim": None}, "contradictory", "though nobody admitted the plan"),
    ("order", {"claim": None, "plans": old(2 * DAY)}, "seen", "77"),
    (
        "order",
        {"exchange": ExchangeView(), "results": [result(at_ms=NOW_MS - 91 * DAY)]},
        "expired",
        "90 days",
    ),
    (
        "order",
        {"exchange": ExchangeView(), "claim": claim(ClaimState.SENDING), "results": ()},
        "unknown",
        "on its way",
    ),
    ("order", {"exchange": ExchangeView(), "results": [REFUSED]}, "not reached", "not know"),
    ("fills", {}, "seen", "2 of 2"),
    ("fills", {"exchange": seen_at_exchange("1.5")}, "contradictory", "add up to 1.5"),
    ("fills", {"results": [result(filled="1")]}, "contradictory", "but the result 1"),
    ("fills", {"exchange": AWAY}, "unknown", ""),
    ("fills", {"exchange": ExchangeView(), "results": [REFUSED]}, "not reached", ""),
    ("result", {}, "seen", "executed, 2 filled"),
    ("result", {"results": ()}, "missing", "no result was written"),
    ("result", {"results": (), "trimmed": RESULTS}, "unknown", "was trimmed since"),
    ("result", {"results": (), "result_faults": ["bad"]}, "unknown", "not readable: bad"),
    ("result", {"results": [result(), result()]}, "contradictory", "2 results"),
    ("result", {"decisions": denied()}, "contradictory", "though the position gate refused"),
    ("result", {"results": [result(order="")]}, "contradictory", "without an order id"),
    ("result", {"results": [result(filled="0")]}, "contradictory", "nothing filled"),
    ("result", {"results": [REFUSED]}, "contradictory", "the exchange filled 2"),
    ("book", {}, "seen", "position 0, version 4"),
    ("book", {"book": {}}, "missing", "no book of BTCUSDT"),
    (
        "book",
        {"book": {"last_plan_id": "p2", "updated_at_ms": str(NOW_MS)}},
        "expired",
        "written over by p2",
    ),
    ("book", {"book": {"last_plan_id": "p0", "updated_at_ms": "1"}}, "missing", "before"),
    ("book", {"results": [REFUSED], "exchange": ExchangeView()}, "not reached", ""),
]


@pytest.mark.parametrize(("name", "changes", "state", "words"), HOPS)
def test_the_state_of_a_hop(name, changes, state, words):
    hop = life(**changes).hop(name)
    assert (hop.state, words in hop.detail) == (state, True), hop


OUTCOMES = {
    "filled": ({}, Outcome.FILLED, None),
    "a-gate-refused": (
        {"decisions": denied(), "claim": None, "results": [REFUSED], "exchange": ExchangeView()},
        Outcome.REFUSED,
        "position gate",
    ),
    "the-exchange-refused": (
        {"results": [REFUSED], "exchange": ExchangeView()},
        Outcome.REFUSED,
        "result",
    ),
    "the-order-died": (
        {"exchange": seen_at_exchange(status="EXPIRED", filled="0"), "results": [REFUSED]},
        Outcome.REFUSED,
        "order",
    ),
    "undecodable": (
        {"plans": [entry(qty="x")], "decisions": (), "claim": None, "results": [REFUSED]}
        | {"exchange": ExchangeView(), "letters": buried()},
        Outcome.REFUSED,
        "plan",
    ),
    "nobody-answered": (
        {"decisions": (), "claim": None, "results": (), "exchange": ExchangeView()},
        Outcome.LOST,
        "governor",
    ),
    "expired-permits": (
        {"decisions": LAPSED, "claim": None, "results": (), "exchange": ExchangeView()},
        Outcome.LOST,
        "permits",
    ),
    "two-results": ({"results": [result(), result()]}, Outcome.CONTRADICTORY, "result"),
    "skip": (
        {"plans": [entry(decision="SKIP")], "decisions": (), "claim": None, "results": ()}
        | {"exchange": ExchangeView()},
        Outcome.NO_ORDER_ASKED,
        None,
    ),
    "young": (
        {**RECENT, "decisions": (), "exchange": ExchangeView()},
        Outcome.IN_FLIGHT,
        None,
    ),
    "trimmed": (
        {"decisions": (), "claim": None, "results": (), "exchange": ExchangeView()}
        | {"trimmed": DECISIONS | RESULTS},
        Outcome.UNKNOWN,
        None,
    ),
    "nothing": (
        {"plans": (), "decisions": (), "claim": None, "results": (), "exchange": ExchangeView()},
        Outcome.NOT_FOUND,
        None,
    ),
}


@pytest.mark.parametrize(("changes", "outcome", "stop"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_the_outcome_and_where_it_ended(changes, outcome, stop):
    found = life(**changes)
    broken = found.first_break.name if found.first_break else None
    assert (found.outcome, broken) == (outcome, stop)
    assert verdict_of(found)


def test_a_permit_that_contradicts_its_gates_last_word_is_a_contradiction():
    permits = live(GateName.POSITION)
    found = life(NOBODY, permits, decisions=denied())
    assert found.hop("position gate").state == "contradictory"
    assert verdict_of(found).startswith("contradictory at position gate: ")


def test_a_permit_nobody_signs_for_is_forged_unless_its_decision_was_trimmed():
    assert life(NOBODY, live()).hop("governor").state == "contradictory"
    assert life(NOBODY, live(), trimmed=DECISIONS).hop("governor").state == "expired"


def test_a_permit_that_cannot_be_read_is_a_contradiction():
    found = life(NOBODY, live(value=b"?"), decisions=FILLED.decisions)
    assert found.hop("permits").state == "contradictory"


def test_a_denial_after_the_permit_was_used_does_not_count():
    late = [*FILLED.decisions, decision(GateName.GOVERNOR, allow=False, reason="late")]
    found = life(decisions=late)
    assert (found.hop("governor").refused, found.outcome) == (False, Outcome.FILLED)


def test_gates_are_timed_from_the_plan_and_steps_from_what_they_waited_for():
    found = life()
    assert [found.hop(gate).latency_us for gate in GATES] == [900, 900, 900]
    assert found.hop("admission").latency_us == 1100
    assert found.hop("order").latency_us == 2000
    assert found.since_plan_us(found.hop("order")) == 4000


def test_a_plan_that_asks_for_no_order_says_why_where_it_knows():
    mute = [entry(decision="SKIP", reason_codes="r_ladder,dry_run")]
    hops = life(plans=mute, decisions=(), claim=None, results=(), exchange=ExchangeView()).hops
    [plan] = [hop for hop in hops if hop.name == "plan"]
    assert plan.detail == "SKIP: it asks for no order (r_ladder,dry_run)"
