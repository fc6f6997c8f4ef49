"""Proofs as the product builds them: real dataclasses, judged and timed by the real functions."""

from dataclasses import replace
from decimal import Decimal

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.environment import Environment
from qtops.contracts.plan import client_order_id
from qtops.contracts.result import Result
from qtops.contracts.venue import VenueOrder, VenueTrade
from qtops.contracts.vocabulary import GateName, Side
from qtops.proofs.exit_payload import payload_of
from qtops.proofs.exit_proof import GATES, ExitProof, ProofRequest
from qtops.proofs.rounds import Round, RoundEvidence, RoundSpec, judge, plan_of, timeline

D = Decimal

STAMP = "20260127_013422"
START_US = 1_769_477_662_123_456
NAMESPACE = "quantum"
SECOND_US = 1_000_000
GATE_US = {GateName.GOVERNOR: 1003, GateName.PORTFOLIO: 871, GateName.POSITION: 1094}


def decision(gate, plan, at_us, *, allow=True, quantity="", reason="", detail=""):
    return DecisionRecord(
        plan_id=plan.plan_id,
        gate=gate.value,
        allow=allow,
        reason=reason or ("sanity_checks_passed" if allow else "no_position"),
        symbol=plan.symbol,
        side=plan.side.value,
        effect="close",
        decided_at_ms=at_us // 1000,
        decided_at_us=at_us,
        detail=detail,
        quantity=D(quantity) if quantity else None,
    )


def decisions(plan, since_us, quantity, gates=tuple(GateName)):
    return [decision(g, plan, since_us + GATE_US[g], quantity=quantity) for g in gates]


def hops(since_us, **ms):
    return {"hops_us": {name: since_us + int(D(at) * 1000) for name, at in ms.items()}}


def finished(spec, seen):
    return Round(spec, seen, judge(spec, seen), timeline(seen))


def evidence(spec, since_us, **seen):
    defaults = {
        "entry_id": f"{since_us // 1000}-0",
        "result": None,
        "decisions": [],
        "order": None,
        "trades": [],
        "position_before": D(0),
        "position_after": D(0),
    }
    plan = plan_of(spec, STAMP)
    return RoundEvidence(plan=plan, published_us=since_us, **(defaults | seen))


def exit_round(number, symbol, position, filled, order_id, price, *, side=Side.SELL):
    """A filled exit of half the position."""
    since_us = START_US + number * SECOND_US
    spec = RoundSpec(number, symbol, side, abs(D(position)) / 2, negative_control=False)
    plan = plan_of(spec, STAMP)
    client_id = client_order_id(NAMESPACE, plan.plan_id)
    result = Result(
        plan_id=plan.plan_id,
        symbol=symbol,
        executed=True,
        source="intent_executor",
        timestamp_ms=since_us // 1000,
        side=side.value,
        requested_quantity=spec.quantity,
        filled_quantity=D(filled),
        order_id=order_id,
        client_order_id=client_id,
        order_status="FILLED",
        details={
            "reduce_only": True,
            "submitted_qty": filled,
            "average_price": price,
            **hops(since_us, admitted="1.422", sent="1.731", answered="4.805", settled="6.012"),
        },
    )
    order = VenueOrder(
        order_id=order_id,
        client_order_id=client_id,
        symbol=symbol,
        side=side,
        status="FILLED",
        order_type="MARKET",
        reduce_only=True,
        original_quantity=D(filled),
        executed_quantity=D(filled),
        average_price=D(price),
        update_time_ms=since_us // 1000 + 4,
    )
    trades = [
        VenueTrade("1", order_id, D(price), D(filled) / 2, D("0.4"), "USDT", D("1.5"), 0),
        VenueTrade("2", order_id, D(price), D(filled) / 2, D("0.0007"), "BNB", D("1.5"), 0),
    ]
    seen = evidence(
        spec,
        since_us,
        result=Result.from_fields(result.to_fields()),
        decisions=decisions(plan, since_us, str(abs(D(position)))),
        order=order,
        trades=trades,
        position_before=D(position),
        position_after=D(position) + side.sign * D(filled),
    )
    return finished(spec, seen)


def refused(spec, error, said, position, **settled):
    """A round whose plan came back with this error and these decisions."""
    since_us = START_US + spec.number * SECOND_US
    plan = plan_of(spec, STAMP)
    result = Result(
        plan_id=plan.plan_id,
        symbol=spec.symbol,
        executed=False,
        source="intent_executor",
        timestamp_ms=since_us // 1000,
        side=spec.side.value,
        client_order_id=client_order_id(NAMESPACE, plan.plan_id),
        error=error,
        details=hops(since_us, **settled),
    )
    seen = evidence(
        spec,
        since_us,
        result=Result.from_fields(result.to_fields()),
        decisions=said(plan, since_us),
        position_before=D(position),
        position_after=D(position),
    )
    return finished(spec, seen)


def control_round(number=3, symbol="BTCUSDT"):
    """A negative control, refused by the position gate as it should be."""

    def said(plan, since_us):
        return [
            *decisions(plan, since_us, "0.001", (GateName.GOVERNOR, GateName.PORTFOLIO)),
            decision(GateName.POSITION, plan, since_us + 912, allow=False, detail="exchange 0"),
        ]

    spec = RoundSpec(number, symbol, Side.SELL, D("0.001"), negative_control=True)
    return refused(spec, "p33_permit_denied:no_position", said, "0", settled="2.207")


def silent_governor_round(number=2, symbol="ETHUSDT"):
    """The governor said nothing, so the executor gave up waiting."""

    def said(plan, since_us):
        return decisions(plan, since_us, "6.678", (GateName.PORTFOLIO, GateName.POSITION))

    spec = RoundSpec(number, symbol, Side.SELL, D("3.339"), negative_control=False)
    return refused(spec, "permit_missing:governor", said, "6.678", settled="8003.214")


def denied_round(number=1, symbol="TRXUSDT"):
    """An exit that the position gate refused."""

    def said(plan, since_us):
        detail = "snapshot 31 s old, limit 10 s"
        reason = "stale_exchange_state"
        return [
            *decisions(plan, since_us, "8944", (GateName.GOVERNOR, GateName.PORTFOLIO)),
            decision(
                GateName.POSITION, plan, since_us + 990, allow=False, reason=reason, detail=detail
            ),
        ]

    spec = RoundSpec(number, symbol, Side.SELL, D("8944.5"), negative_control=False)
    return refused(spec, "p33_permit_denied:stale_exchange_state", said, "17889", settled="2.1")


def lost_round(number=2, symbol="ETHUSDT"):
    """No result at all."""
    spec = RoundSpec(number, symbol, Side.SELL, D("3.339"), negative_control=False)
    since_us = START_US + number * SECOND_US
    said, held = decisions(plan_of(spec, STAMP), since_us, "6.678"), D("6.678")
    return finished(
        spec, evidence(spec, since_us, decisions=said, position_before=held, position_after=held)
    )


def disagreeing_round(number=1):
    """The result claims more than the exchange has."""
    good = trx_round(number)
    order = replace(good.evidence.order, executed_quantity=D(5000))
    seen = replace(good.evidence, order=order, position_after=D(12889))
    return finished(good.spec, seen)


def trx_round(number=1):
    return exit_round(number, "TRXUSDT", "17889", "8944", "633416228", "0.3356")


def eth_round(number=2):
    return exit_round(number, "ETHUSDT", "6.678", "3.339", "8206037964", "2891.17")


def short_round(number=1):
    return exit_round(number, "SOLUSDT", "-120", "60", "77001", "121.4", side=Side.BUY)


def proof_of(*rounds, asked=None, silent=(), resumed=True):
    request = ProofRequest(
        rounds=asked or len(rounds),
        allowed=("TRXUSDT", "ETHUSDT", "BTCUSDT"),
        fraction=D("0.5"),
        namespace=NAMESPACE,
        environment=Environment.TESTNET,
    )
    return ExitProof(
        stamp=STAMP,
        request=request,
        started_us=START_US,
        rounds=list(rounds),
        services={s.value: s.value not in silent for s in GATES},
        resumed=resumed,
        finished_us=START_US + 2_140_000,
    )


def payload(*rounds, **more):
    return payload_of(proof_of(*rounds, **more))


def proven():
    return payload(trx_round(), eth_round(), control_round())


def governor_silent():
    return payload(trx_round(), silent_governor_round(), control_round(), silent=("governor",))
