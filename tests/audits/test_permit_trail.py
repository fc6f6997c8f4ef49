"""What became of one plan's permits, by everything that Redis can still know about it."""

import json

import pytest

from qtops.audits.permit_trail import Evidence, Fate, judge, trail_of
from qtops.audits.permits import Budget
from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import GateName
from qtops.ports import PermitEntry

NOW_MS = 1_769_477_662_000
GATE = GateName.POSITION
SECOND, DAY = 1000, 86_400_000


def decision(*, allow=True, age_ms=2 * SECOND, reason="ok"):
    at = NOW_MS - age_ms
    return DecisionRecord("p1", GATE.value, allow, reason, "BTCUSDT", "SELL", "close", at)


def permit(value=b'{"allow":true,"plan_id":"p1"}', ttl_ms=50_000):
    return PermitEntry(b"quantum:permit:p33:p1", ttl_ms, "string", value)


def claim(permits="", order="qt-abc"):
    return Claim(ClaimState.DONE, order, 1, "executor", "digest", permits=permits)


USED = json.dumps({GATE.value: "{}"})
FATES = {
    "live": ([permit()], [decision()], None, Fate.LIVE),
    "bare-live": ([permit(b"1")], [], None, Fate.LIVE),
    "refused-in-writing": ([permit(b'{"allow":false}')], [], None, Fate.REFUSED),
    "refused-on-record": ([], [decision(allow=False)], None, Fate.REFUSED),
    "garbage": ([permit(b"?")], [decision()], None, Fate.UNREADABLE),
    "used": ([], [decision()], claim(USED), Fate.USED),
    "used-says-an-older-claim": ([], [decision()], claim(""), Fate.USED),
    "used-says-a-claim-nobody-can-read": ([], [decision()], claim("{"), Fate.USED),
    "used-though-the-decision-is-gone": ([], [], claim(USED), Fate.USED),
    "claim-of-other-gates": ([], [decision(age_ms=90 * SECOND)], claim("{}"), Fate.EXPIRED),
    "refused-before-admission": (
        [],
        [decision(age_ms=90 * SECOND)],
        claim(order="none"),
        Fate.EXPIRED,
    ),
    "expired": ([], [decision(age_ms=61 * SECOND)], None, Fate.EXPIRED),
    "gone": ([], [decision()], None, Fate.GONE),
    "forgotten": ([], [decision(age_ms=2 * DAY)], None, Fate.UNKNOWN),
    "silent": ([], [], None, Fate.SILENT),
    "newest-decision-counts": (
        [],
        [decision(allow=False), decision(age_ms=9000)],
        None,
        Fate.REFUSED,
    ),
}


@pytest.mark.parametrize(("permits", "said", "held", "fate"), FATES.values(), ids=FATES.keys())
def test_the_fate(permits, said, held, fate):
    assert judge(Evidence(GATE, permits, said, held, NOW_MS), "p1").fate is fate


REMARKS = {
    "no-expiry": ([permit(ttl_ms=-1)], [decision()], ["it does not expire"]),
    "nobody-signs": ([permit()], [], ["no decision of the gate is on record for it"]),
    "two-keys": ([permit(), permit()], [decision()], ["it lies under two keys"]),
    "another-plan": (
        [permit(b'{"allow":true,"plan_id":"p2"}')],
        [decision()],
        ["it names another plan, p2"],
    ),
    "changed-its-mind": (
        [permit()],
        [decision(allow=False)],
        ["the gate's last decision says otherwise"],
    ),
    "clean": ([permit()], [decision()], []),
    "absent": ([], [], []),
}


@pytest.mark.parametrize(("permits", "said", "remarks"), REMARKS.values(), ids=REMARKS.keys())
def test_what_is_odd_is_remarked(permits, said, remarks):
    assert judge(Evidence(GATE, permits, said, None, NOW_MS), "p1").remarks == remarks


def trail(source, clock, plan_id):
    return trail_of(source, Budget(clock), plan_id)


async def test_one_plan_is_joined_over_permits_decisions_and_claim(db, source, clock):
    now_ms = int(db.time()[0]) * 1000
    for gate, plan, allow in (
        (GateName.GOVERNOR, "p1", True),
        (GateName.PORTFOLIO, "p1", True),
        (GateName.POSITION, "p1", False),
        (GateName.POSITION, "p2", True),
    ):
        record = DecisionRecord(
            plan, gate.value, allow, "ok" if allow else "no_position", "X", "SELL", "close", now_ms
        )
        db.xadd("quantum:stream:gate.decision", record.to_fields())
    db.xadd("quantum:stream:gate.decision", {"plan_id": "p1", "gate": "governor"})
    db.set("quantum:permit:p26:p1", '{"allow":true}', ex=60)
    db.set("quantum:permit:p1:x", "1")
    fields = {
        "state": "sending",
        "client_order_id": "qt-1",
        "attempt": "1",
        "send_deadline_ms": "9",
    }
    db.hset("quantum:exec:claim:p1", mapping=fields | {"permits": '{"governor":"{}"}'})
    found = await trail(source, clock, "p1")
    assert [(g.gate, g.fate) for g in found.gates] == [
        (GateName.GOVERNOR, Fate.USED),
        (GateName.PORTFOLIO, Fate.LIVE),
        (GateName.POSITION, Fate.REFUSED),
    ]
    assert found.gates[2].reason == "no_position"
    assert [key.key for key in found.gates[1].keys] == ["quantum:permit:p26:p1"]
    assert (found.claim.client_order_id, found.is_complete) == ("qt-1", False)


async def test_a_plan_nobody_knows(source, clock):
    found = await trail(source, clock, "nobody")
    assert [gate.fate for gate in found.gates] == [Fate.SILENT] * 3
    assert (found.claim, found.is_complete, found.claim_unreadable) == (None, False, False)


async def test_hostile_plan_ids_find_only_their_own_keys(db, source, clock):
    db.set("quantum:permit:p26:x", "1", ex=60)
    assert [g.fate for g in (await trail(source, clock, "p26:x")).gates] == [Fate.SILENT] * 3
    db.set("quantum:permit:new\nline", "1", ex=60)
    assert (await trail(source, clock, "new\nline")).gates[0].fate is Fate.LIVE
    db.set(b"quantum:permit:p33:\xff", "0", ex=60)
    foreign = (await trail(source, clock, "\udcff")).gates[2]
    assert (foreign.fate, foreign.keys[0].key) == (Fate.UNREADABLE, r"quantum:permit:p33:\xff")


async def test_a_claim_that_cannot_be_read_is_said(db, source, clock):
    db.hset("quantum:exec:claim:p1", mapping={"state": "sending"})
    found = await trail(source, clock, "p1")
    assert (found.claim, found.claim_unreadable) == (None, True)


async def test_an_unread_rest_of_the_stream_is_said(db, source, ticking):
    pipe = db.pipeline(transaction=False)
    for _ in range(3000):
        pipe.xadd("quantum:stream:gate.decision", {"plan_id": "other"})
    pipe.execute()
    assert (await trail_of(source, Budget(ticking(1000), 500), "p1")).partial
