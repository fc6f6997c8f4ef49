"""Each Lua script of the executor and the gates against a real Redis: every answer it can give."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qtops.adapters.gate_store import RedisGateStore
from qtops.adapters.inbox import RedisInbox
from qtops.adapters.link import RedisLink
from qtops.adapters.plan_store import RedisPlanStore
from qtops.adapters.universe_store import Tiers
from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Reservation
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.registry import PERMIT_KEYS, Key, Service, Stream
from qtops.contracts.result import Result
from qtops.contracts.snapshot import decode_reservation
from qtops.contracts.vocabulary import GateName, Side
from qtops.gates.universe import UniverseAges
from qtops.ports import Delivery, Issue, Promise, Settlement
from qtops.sandbox.redis_server import EmbeddedRedis

PLAN = {
    "plan_id": "p1",
    "decision": "EXECUTE",
    "symbol": "TRXUSDT",
    "side": "SELL",
    "qty": "100",
    "reduceOnly": "true",
    "source": "s",
}
CLOSE = Plan.from_fields(PLAN)
OPEN = Plan.from_fields({**PLAN, "side": "BUY", "reduceOnly": "false"})
FAR = 9_000_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as running:
        yield running


class Desk:
    """Two executors' stores and one entry of the plan, delivered and pending."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        tiers = Tiers(None, UniverseAges(180_000, 300_000))
        self.one = RedisPlanStore(link, "one", tiers)
        self.two = RedisPlanStore(link, "two", tiers)
        self.inbox = RedisInbox(link, link, Stream.APPLY_PLAN, Service.EXECUTOR, "c")
        self.run_id = ""

    async def deliver(self) -> Delivery:
        await self.inbox.ensure_groups()
        await self.link.client.xadd(self.link.names.stream(Stream.APPLY_PLAN), dict(PLAN))
        [delivery] = await self.inbox.read(1, 100)
        self.run_id = (await self.one.claim("p1")).run_id
        return delivery

    async def permit(self, plan: Plan, *, reserve: bool = True) -> None:
        """As the gates leave it: three permits, and an open's reservation."""
        names, client = self.link.names, self.link.client
        await client.set(names.key(Key.KILL), "0")
        for gate in GateName:
            permit = Permit(gate=gate, plan_id="p1", allow=True, symbol=plan.symbol,
                            quantity=plan.quantity, plan_digest=plan.digest, epoch=0,
                            expires_at_ms=FAR)  # fmt: skip
            await client.set(names.key(PERMIT_KEYS[gate], plan_id="p1"), permit.to_json())
        if reserve and not plan.reduce_only:
            await self.reserve("p1", "issued")

    async def reserve(
        self, plan_id: str, state: str, symbol: str = "TRXUSDT", expires_at_ms: int = FAR
    ) -> None:
        record = {"plan_id": plan_id, "symbol": symbol, "side": "BUY", "quantity": "100",
                  "notional_usdt": "30", "state": state,
                  "expires_at_ms": expires_at_ms}  # fmt: skip
        key = self.link.names.key(Key.RESERVATIONS)
        await self.link.client.hset(key, plan_id, json.dumps(record))

    async def admit(self, store: RedisPlanStore, plan: Plan, run_id: str | None = None) -> str:
        reading = await store.admission(plan)
        return await store.admit(plan, reading, "qt-1", run_id or self.run_id)

    async def held(self) -> dict[str, str]:
        raw = await self.link.client.hgetall(self.link.names.key(Key.RESERVATIONS))
        return {k.decode(): json.loads(v)["state"] for k, v in raw.items()}

    async def count(self, stream: Stream) -> int:
        return int(await self.link.client.xlen(self.link.names.stream(stream)))

    async def pending(self) -> int:
        names = self.link.names
        group = names.group(Stream.APPLY_PLAN, Service.EXECUTOR)
        found = await self.link.client.xpending(names.stream(Stream.APPLY_PLAN), group)
        return int(found["pending"])

    async def get(self, key: Key, name: str, **parts: str) -> str | None:
        raw = await self.link.client.hget(self.link.names.key(key, **parts), name)
        return raw.decode() if raw is not None else None


@pytest.fixture
async def desk(server: EmbeddedRedis) -> AsyncIterator[Desk]:
    link = RedisLink.to(server.url, "scripts", purpose="writer")
    await link.client.flushall()
    yield Desk(link)
    await link.aclose()


def result(plan: Plan = CLOSE, *, executed: bool = False, at_ms: int = 5_000) -> Result:
    quantity = plan.quantity if executed else Decimal(0)
    return Result(plan_id="p1", symbol=plan.symbol, executed=executed, source="s",
                  timestamp_ms=at_ms, order_id="7" if executed else "",
                  filled_quantity=quantity)  # fmt: skip


def end(delivery: Delivery, plan: Plan = CLOSE, *, filled: bool = False, **more: Any) -> Settlement:
    return Settlement(delivery, plan, result(plan, executed=filled), filled, **more)


# --- admit --------------------------------------------------------------------------------------
async def test_admission_happens_once_and_consumes_the_permits(desk: Desk):
    await desk.deliver()
    await desk.permit(CLOSE)
    reading = await desk.one.admission(CLOSE)
    assert await desk.one.admit(CLOSE, reading, "qt-1", desk.run_id) == ""
    assert await desk.two.admit(CLOSE, reading, "qt-1", desk.run_id) == "claimed"
    assert await desk.get(Key.CLAIM, "owner", plan_id="p1") == "one"
    assert [k async for k in desk.link.client.scan_iter("*permit*")] == []
    assert await desk.held() == {"p1": "admitted"}


@pytest.mark.parametrize("key", [Key.KILL, Key.KILL_EPOCH, Key.MODE, Key.MANUAL_LANE])
async def test_a_switch_that_moved_after_the_reading_voids_it(desk: Desk, key: Key):
    await desk.deliver()
    await desk.permit(CLOSE)
    reading = await desk.one.admission(CLOSE)
    await desk.link.client.set(desk.link.names.key(key), "7")
    assert await desk.one.admit(CLOSE, reading, "qt-1", desk.run_id) == "changed"
    assert await desk.held() == {}


@pytest.mark.parametrize("gate", list(GateName))
async def test_a_permit_that_changed_or_went_voids_the_reading(desk: Desk, gate: GateName):
    await desk.deliver()
    await desk.permit(CLOSE)
    reading = await desk.one.admission(CLOSE)
    key = desk.link.names.key(PERMIT_KEYS[gate], plan_id="p1")
    await desk.link.client.append(key, " ")
    assert await desk.one.admit(CLOSE, reading, "qt-1", desk.run_id) == "changed"
    await desk.link.client.delete(key)
    assert await desk.one.admit(CLOSE, reading, "qt-1", desk.run_id) == "changed"
    assert (await desk.one.claim("p1")).claim is None


async def test_an_open_without_its_reservation_is_not_admitted(desk: Desk):
    await desk.deliver()
    await desk.permit(OPEN, reserve=False)
    assert await desk.admit(desk.one, OPEN) == "unreserved"
    assert (await desk.one.claim("p1")).claim is None
    await desk.reserve("p1", "issued")
    assert await desk.admit(desk.one, OPEN) == ""
    assert await desk.held() == {"p1": "admitted"}


async def test_a_permit_does_not_outlive_its_reservation(desk: Desk):
    """Read a moment before the end, admitted a moment after: the capacity may be another's."""
    await desk.deliver()
    await desk.permit(OPEN)
    await desk.reserve("p1", "issued", expires_at_ms=await desk.link.now_ms())
    assert await desk.admit(desk.one, OPEN) == "unreserved"
    assert await desk.held() == {"p1": "issued"}
    assert (await desk.one.claim("p1")).claim is None


async def test_nothing_is_admitted_marked_or_refused_on_what_another_server_life_said(desk: Desk):
    delivery = await desk.deliver()
    await desk.permit(CLOSE)
    old = "0" * 40
    assert await desk.admit(desk.one, CLOSE, old) == "restarted"
    assert await desk.one.settle(end(delivery, run_id=old)) == "restarted"
    assert await desk.admit(desk.one, CLOSE) == ""
    assert await desk.one.mark_sending(CLOSE, 9, Decimal(1), old) == "restarted"
    assert await desk.one.settle(end(delivery, run_id=old)) == "restarted"
    assert await desk.get(Key.CLAIM, "state", plan_id="p1") == "claimed"
    assert await desk.count(Stream.APPLY_RESULT) == 0


# --- mark, take over ----------------------------------------------------------------------------
async def test_only_the_owner_writes_ahead_and_each_time_counts(desk: Desk):
    await desk.deliver()
    await desk.permit(CLOSE)
    assert await desk.one.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == "lost"
    await desk.admit(desk.one, CLOSE)
    assert await desk.two.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == "lost"
    for attempt in ("1", "2"):
        assert await desk.one.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == ""
        assert await desk.get(Key.CLAIM, "attempt", plan_id="p1") == attempt
    await desk.link.client.incr(desk.link.names.key(Key.KILL_EPOCH))
    assert await desk.one.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == "epoch"


async def test_a_take_over_fails_when_the_owner_moved_on_meanwhile(desk: Desk):
    await desk.deliver()
    await desk.permit(CLOSE)
    await desk.admit(desk.one, CLOSE)
    seen = (await desk.two.claim("p1")).claim
    assert seen is not None
    await desk.one.mark_sending(CLOSE, 9, Decimal(1), desk.run_id)
    assert not await desk.two.take_over("p1", seen)
    now = (await desk.two.claim("p1")).claim
    assert now is not None
    assert await desk.two.take_over("p1", now)
    assert not await desk.two.take_over("p1", now)
    assert await desk.one.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == "lost"
    assert await desk.two.mark_sending(CLOSE, 9, Decimal(1), desk.run_id) == ""


async def test_what_is_gone_or_done_is_not_taken_over(desk: Desk):
    delivery = await desk.deliver()
    claim = Claim(ClaimState.CLAIMED, "qt-1", 0, "one", "")
    assert not await desk.two.take_over("p1", claim)
    await desk.one.settle(end(delivery))
    assert not await desk.two.take_over("p1", claim)


# --- mark unknown -------------------------------------------------------------------------------
async def test_an_unknown_outcome_is_reserved_while_the_plan_is_ours_and_open(desk: Desk):
    delivery = await desk.deliver()
    await desk.permit(OPEN)
    await desk.admit(desk.one, OPEN)
    await desk.two.mark_unknown(OPEN, 4)
    assert await desk.held() == {"p1": "admitted"}
    await desk.one.mark_unknown(OPEN, 4)
    await desk.one.mark_unknown(OPEN, 4)
    assert await desk.held() == {"p1": "unknown"}
    assert await desk.one.settle(end(delivery, OPEN)) == "settled"
    assert await desk.held() == {}
    await desk.one.mark_unknown(OPEN, 5)  # a late word must not bring it back
    assert await desk.held() == {}


async def test_without_a_claim_the_worst_case_is_reserved_all_the_same(desk: Desk):
    await desk.one.mark_unknown(CLOSE, 4)
    assert await desk.held() == {"p1": "unknown"}


# --- settle -------------------------------------------------------------------------------------
async def test_settling_twice_writes_one_result(desk: Desk):
    delivery = await desk.deliver()
    await desk.permit(CLOSE)
    await desk.admit(desk.one, CLOSE)
    assert await desk.two.settle(end(delivery)) == "lost"
    assert await desk.one.settle(end(delivery)) == "settled"
    assert await desk.one.settle(end(delivery)) == "already"
    assert await desk.two.settle(end(delivery)) == "already"
    assert await desk.count(Stream.APPLY_RESULT) == 1
    assert await desk.pending() == 0
    assert await desk.held() == {}


async def test_another_plan_of_the_same_id_does_not_pass_for_settled(desk: Desk):
    delivery = await desk.deliver()
    assert await desk.one.settle(end(delivery)) == "settled"
    assert await desk.one.settle(end(await desk.deliver(), OPEN)) == "lost"
    assert await desk.pending() == 1
    assert await desk.count(Stream.APPLY_RESULT) == 1


async def test_a_filled_open_keeps_its_capacity_and_a_refused_one_gives_it_back(desk: Desk):
    delivery = await desk.deliver()
    await desk.permit(OPEN)
    await desk.admit(desk.one, OPEN)
    assert await desk.one.settle(end(delivery, OPEN, filled=True)) == "settled"
    assert await desk.held() == {"p1": "filled"}


async def test_a_fill_is_dated_by_the_server_and_not_by_a_lagging_executor(desk: Desk):
    """The result says 5 s after 1970; a snapshot asked for before the fill must not outdate it."""
    delivery = await desk.deliver()
    await desk.permit(OPEN)
    await desk.admit(desk.one, OPEN)
    asked_before_ms = await desk.link.now_ms()
    await desk.one.settle(end(delivery, OPEN, filled=True))
    key = desk.link.names.key(Key.RESERVATIONS)
    held = decode_reservation((await desk.link.client.hget(key, "p1")).decode())
    assert asked_before_ms <= held.filled_at_ms <= await desk.link.now_ms()


async def test_the_book_moves_only_from_the_version_that_was_read(desk: Desk):
    delivery = await desk.deliver()
    book = desk.link.names.key(Key.BOOK, symbol="TRXUSDT")
    await desk.link.client.hset(book, mapping={"position_amt": "500", "version": "3"})
    stale = end(delivery, filled=True, book_amount=Decimal(400), expected_book_version=2)
    assert await desk.one.settle(stale) == "book"
    assert await desk.count(Stream.APPLY_RESULT) == 0
    assert await desk.one.settle(replace(stale, expected_book_version=3)) == "settled"
    assert await desk.get(Key.BOOK, "position_amt", symbol="TRXUSDT") == "400"
    assert await desk.get(Key.BOOK, "version", symbol="TRXUSDT") == "4"


@pytest.mark.parametrize(
    ("other", "symbol", "last_fill_ms", "starts"),
    [
        (None, "", 0, True),
        ("issued", "TRXUSDT", 0, True),
        ("filled", "TRXUSDT", 0, True),
        ("admitted", "ETHUSDT", 0, True),
        ("admitted", "TRXUSDT", 0, False),
        ("unknown", "TRXUSDT", 0, False),
        (None, "", 3_000, True),
        (None, "", 4_500, False),
    ],
)
async def test_a_new_book_starts_only_where_no_other_fill_can_lie_between(
    desk: Desk, other, symbol, last_fill_ms, starts
):
    delivery = await desk.deliver()
    if other:
        await desk.reserve("p9", other, symbol)
    if last_fill_ms:
        key = desk.link.names.key(Key.EXEC_COOLDOWN, symbol="TRXUSDT")
        await desk.link.client.set(key, str(last_fill_ms))
    done = end(delivery, filled=True, book_amount=Decimal(400), book_read_ms=4_000)
    assert await desk.one.settle(done) == "settled"
    held = await desk.get(Key.BOOK, "position_amt", symbol="TRXUSDT")
    assert held == ("400" if starts else None)


# --- bury ---------------------------------------------------------------------------------------
def letter(delivery: Delivery) -> DeadLetter:
    return DeadLetter("apply.plan", delivery.entry_id, "g", "bad", "qty", "m", {"a": "b"}, 1)


async def test_an_entry_is_buried_once_and_its_id_has_had_its_result(desk: Desk):
    delivery = await desk.deliver()
    for _ in range(2):  # the second call: the answer to the first was lost
        await desk.inbox.dead_letter(delivery, letter(delivery), result())
    again = await desk.deliver()
    await desk.inbox.dead_letter(again, letter(again), result())
    assert await desk.count(Stream.DLQ) == 2
    assert await desk.count(Stream.APPLY_RESULT) == 1
    claim = (await desk.one.claim("p1")).claim
    assert claim is not None
    assert claim.state is ClaimState.DONE
    assert await desk.pending() == 0


async def test_a_burial_without_a_result_claims_nothing(desk: Desk):
    delivery = await desk.deliver()
    await desk.inbox.dead_letter(delivery, letter(delivery), None)
    assert await desk.count(Stream.DLQ) == 1
    assert await desk.count(Stream.APPLY_RESULT) == 0
    assert (await desk.one.claim("p1")).claim is None


# --- issue, prune -------------------------------------------------------------------------------
def issue(delivery: Delivery, version: int, following: int = 1) -> Issue:
    permit = Permit(gate=GateName.GOVERNOR, plan_id="p1", allow=True, symbol="TRXUSDT",
                    quantity=Decimal(100), plan_digest="d", epoch=0, issued_at_ms=1_000,
                    expires_at_ms=61_000)  # fmt: skip
    record = DecisionRecord(plan_id="p1", gate="governor", allow=True, reason="",
                            symbol="TRXUSDT", side="BUY", effect="open",
                            decided_at_ms=1_000)  # fmt: skip
    promise = Reservation(plan_id="p1", symbol="TRXUSDT", side=Side.BUY, quantity=Decimal(100),
                          notional_usdt=Decimal(30), state="issued",
                          expires_at_ms=61_000)  # fmt: skip
    return Issue(delivery, permit, record, Promise(promise, version, following))


async def test_a_promise_is_made_only_on_the_reservations_that_were_read(desk: Desk):
    delivery = await desk.deliver()
    store = RedisGateStore(desk.link, Service.GOVERNOR)
    assert await store.issue([issue(delivery, 1)]) == [False]
    assert await desk.held() == {}
    assert await desk.count(Stream.GATE_DECISION) == 0
    assert await store.issue([issue(delivery, 0), issue(delivery, 0)]) == [True, False]
    assert await desk.held() == {"p1": "issued"}


async def test_a_promise_that_was_not_made_takes_those_that_build_on_it_along(desk: Desk):
    delivery = await desk.deliver()
    store = RedisGateStore(desk.link, Service.GOVERNOR)
    assert await store.issue([issue(delivery, 0, 4711)]) == [True]
    batch = [issue(delivery, 0, 5), issue(delivery, 5, 6), issue(delivery, 6, 7)]
    assert await store.issue(batch) == [False, False, False]
    assert await store.issue([issue(delivery, 4711, 5), issue(delivery, 5, 6)]) == [True, True]


@pytest.mark.parametrize("state", ["admitted", "unknown", "filled"])
async def test_a_repeated_promise_does_not_take_back_what_is_held(desk: Desk, state: str):
    delivery = await desk.deliver()
    await desk.reserve("p1", state)
    store = RedisGateStore(desk.link, Service.GOVERNOR)
    assert await store.issue([issue(delivery, 0)]) == [True]
    assert await desk.held() == {"p1": state}


async def test_pruning_drops_only_what_is_still_as_it_was_judged(desk: Desk):
    store = RedisGateStore(desk.link, Service.GOVERNOR)
    await desk.reserve("p1", "admitted")
    await desk.reserve("p2", "filled")
    assert await store.prune({"p1": "issued", "p2": "filled", "p3": "issued"}) == 1
    assert await store.prune({"p2": "filled"}) == 0
    assert await desk.held() == {"p1": "admitted"}
