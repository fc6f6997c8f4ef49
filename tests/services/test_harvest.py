"""The harvest chain on a real Redis and the sandbox exchange: from a price to one filled order."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest

from qtops.contracts.facts import Portfolio, Position
from qtops.contracts.market import INTERVAL_MS, Kline, encode_klines
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.snapshot import encode_portfolio, encode_position, encode_volatility
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.gates.harvest_world import CALIBRATED, PROPOSAL, proposal
from tests.services.conftest import EVERYTHING, SYMBOLS, System, running_system

CHAIN = (Service.HARVEST, Service.HEAT_CALIBRATION, Service.APPLY_LAYER)
FAST = {
    "HARVEST_POLL_SECONDS": "0.05",
    "SNAPSHOT_POSITIONS_SECONDS": "0.05",
}
# Where the sandbox's own prices are read, their walk is not what the test is about.
CALM = {"HARVEST_KILL_THRESHOLD": "1"}
TRADING = {
    "APPLY_MODE": "testnet",
    "APPLY_ALLOWLIST": SYMBOLS,
    "INTENT_EXECUTOR_SOURCE_ALLOWLIST": "intent_bridge,apply_layer",
    "P33_COOLDOWN_SEC": "0",
    **FAST,
}


async def until(found: Callable[[], Awaitable[object]], what: str, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not await found():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


class Chain:
    """What the chain left behind, in plain strings."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.client = system.link.client
        self.names = system.names

    async def stream(self, stream: Stream) -> list[dict[str, str]]:
        rows = await self.client.xrange(self.names.stream(stream))
        return [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in rows]

    async def seen(self, symbol: str = "TRXUSDT") -> dict[str, str]:
        raw = await self.client.hgetall(self.names.key(Key.HARVEST_PROPOSAL, symbol=symbol))
        return {k.decode(): v.decode() for k, v in raw.items()}

    async def says(self, reason: str) -> bool:
        return reason in (await self.seen()).get("reason_codes", "")

    async def looks(self, count: int) -> None:
        """Wait until the kernel has looked again that often."""
        key = self.names.key(Key.HARVEST_EPISODES)
        assert await self.client.exists(key)
        for _ in range(count):
            before = (await self.seen())["computed_at_ms"]

            async def moved(before: str = before) -> bool:
                return (await self.seen())["computed_at_ms"] != before

            await until(moved, "another look")

    async def price(self, symbol: str, mark: str) -> None:
        await self.system.control("POST", "prices", symbol=symbol, mark_price=mark)

    async def portfolio(self, amount: str = "10", equity: str | None = None) -> None:
        """A portfolio of one position, as the snapshot publisher writes it."""
        now_ms = await self.system.link.now_ms()
        position = Position(Decimal(amount), Decimal(100), Decimal(101))
        whole = Portfolio(
            {"BTCUSDT": position} if position.amount else {}, Decimal(equity) if equity else None
        )
        fields = encode_portfolio(whole, now_ms)
        await self.client.hset(self.names.key(Key.PORTFOLIO), mapping=fields)
        one = encode_position("BTCUSDT", position, now_ms)
        await self.client.hset(self.names.key(Key.POSITION, symbol="BTCUSDT"), mapping=one)
        sigma = encode_volatility({"BTCUSDT": Decimal("0.1")}, now_ms)
        await self.client.hset(self.names.key(Key.VOLATILITY), mapping=sigma)

    async def closes(self, symbol: str, *prices: str) -> None:
        first = await self.system.link.now_ms() - len(prices) * INTERVAL_MS
        rows = [Kline(first + i * INTERVAL_MS, Decimal(p)) for i, p in enumerate(prices)]
        await self.client.set(self.names.key(Key.KLINES, symbol=symbol), encode_klines(rows))

    async def fresh(self, **changes: object) -> dict[str, str]:
        now_ms = await self.system.link.now_ms()
        return proposal(computed_at_ms=now_ms, **changes).to_fields()


@pytest.fixture
async def chain(redis_server: EmbeddedRedis) -> AsyncIterator[Chain]:
    async with running_system(redis_server.url, "exit-proof", **TRADING) as system:
        yield Chain(system)


async def test_a_step_is_proposed_permitted_filled_once_and_then_the_next(chain: Chain):
    system = chain.system
    await system.start(*EVERYTHING, *CHAIN, **CALM)
    await until(lambda: chain.says("hold"), "a first look")
    assert await chain.stream(Stream.HARVEST_PROPOSAL) == []
    await chain.price("TRXUSDT", "0.3123")  # (0.0123 - 0.0003) / 0.006 = 2 R
    await until(lambda: chain.says("step_executed"), "the first step")
    [proposed] = await chain.stream(Stream.HARVEST_PROPOSAL)
    result = await system.result(proposed["plan_id"])
    assert (result.executed, result.filled_quantity) == (True, Decimal(4472))  # 17889 / 4
    [calibrated] = await chain.stream(Stream.HARVEST_CALIBRATED)
    [plan] = await chain.stream(Stream.APPLY_PLAN)
    for hop in (calibrated, plan):
        assert (hop["plan_id"], hop["trace_id"]) == (proposed["plan_id"], proposed["trace_id"])
    assert (plan["source"], plan["reduceOnly"], plan["action"]) == (
        *("apply_layer", "true", "PARTIAL_25"),
    )
    await chain.looks(5)
    assert len(await system.orders()) == 1
    await chain.price("TRXUSDT", "0.3243")  # 4 R
    await until(lambda: _rows(chain, Stream.APPLY_RESULT, 2), "the second step")
    second = (await chain.stream(Stream.HARVEST_PROPOSAL))[1]
    assert second["harvest_action"] == "PARTIAL_50"
    assert (await system.result(second["plan_id"])).filled_quantity == Decimal(6708)  # 13417 / 2
    await chain.looks(3)
    assert len(await system.orders()) == 2


async def _rows(chain: Chain, stream: Stream, count: int) -> bool:
    return len(await chain.stream(stream)) >= count


async def test_a_dry_run_writes_what_it_would_have_done_and_sends_nothing(chain: Chain):
    system = chain.system
    await system.start(*EVERYTHING, *CHAIN, APPLY_MODE="dry_run", **CALM)
    await chain.price("TRXUSDT", "0.3123")
    await until(lambda: _rows(chain, Stream.APPLY_PLAN, 1), "a mute plan")
    [plan] = await chain.stream(Stream.APPLY_PLAN)
    assert (plan["decision"], plan["action"], plan["qty"]) == ("SKIP", "PARTIAL_25", "4472.25")
    assert plan["reason_codes"] == "r_ladder,dry_run"
    records = await chain.stream(Stream.GATE_DECISION)
    [refused] = [row for row in records if row["gate"] == "apply_layer"]
    assert (refused["allow"], refused["reason"]) == ("false", "dry_run")
    assert refused["detail"] == "would be PARTIAL_25"
    await until(lambda: _nothing_pending(system), "the plan was read by all")
    await chain.looks(3)
    assert len(await chain.stream(Stream.APPLY_PLAN)) == 1
    assert await system.orders() == []
    assert await chain.stream(Stream.APPLY_RESULT) == []


async def _nothing_pending(system: System) -> bool:
    return not await system.pending(Stream.APPLY_PLAN, Service.EXECUTOR)


async def test_a_turn_of_the_trend_proposes_a_full_close(chain: Chain):
    rising = [str(100 + i) for i in range(61)]
    await chain.closes("BTCUSDT", *rising, *(str(159 - i) for i in range(60)))
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    [sent] = await chain.stream(Stream.HARVEST_PROPOSAL)
    assert sent["harvest_action"] == "FULL_CLOSE_PROPOSED"
    # sigmoid(1 + 0.5 * 0.5 + spike): the two halves differ a little
    assert Decimal("0.777") < Decimal(sent["kill_score"]) < Decimal("0.80")
    assert (sent["k_regime_flip"], sent["k_ts_drop"]) == ("1", "0.25")


async def test_without_klines_it_says_so_and_holds(chain: Chain):
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    seen = await chain.seen("BTCUSDT")
    assert seen["harvest_action"] == "HOLD"
    assert seen["reason_codes"] == "klines_absent,hold"
    assert "k_regime_flip" not in seen
    assert "plan_id" not in seen


async def test_no_position_is_no_proposal_and_ends_the_episode(chain: Chain):
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    assert await chain.seen("BTCUSDT")
    await chain.portfolio(amount="0")
    episodes = chain.names.key(Key.HARVEST_EPISODES)

    async def ended() -> bool:
        return not await chain.client.exists(episodes)

    await until(ended, "the end of the episode")
    assert await chain.seen("BTCUSDT") == {}


async def test_a_restart_keeps_the_episode_and_what_was_proposed(chain: Chain):
    await chain.portfolio()
    await chain.closes("BTCUSDT", *(str(300 - i) for i in range(121)))
    await chain.system.start(Service.HARVEST)
    await chain.system.stop()
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    assert len(await chain.stream(Stream.HARVEST_PROPOSAL)) == 1
    assert "retry_later" in (await chain.seen("BTCUSDT"))["reason_codes"]


async def test_an_episode_that_cannot_be_read_stops_its_symbol_only(chain: Chain):
    await chain.portfolio()
    await chain.client.hset(chain.names.key(Key.HARVEST_EPISODES), "BTCUSDT", "{")
    await chain.system.start(Service.HARVEST)
    assert await chain.seen("BTCUSDT") == {}
    kept = await chain.client.hget(chain.names.key(Key.HARVEST_EPISODES), "BTCUSDT")
    assert kept == b"{"


@pytest.mark.parametrize(
    ("mode", "equity", "action", "bucket"),
    [
        ("shadow", "1010", "FULL_CLOSE_PROPOSED", "COLD"),  # 10 * 101 * 0.1 / 1010 = 0.1
        ("enforce", "1010", "PARTIAL_25", "COLD"),
        ("enforce", None, "FULL_CLOSE_PROPOSED", "UNKNOWN"),
    ],
)
async def test_heat_is_compared_and_enforced_where_told(
    chain: Chain, mode: str, equity: str | None, action: str, bucket: str
):
    await chain.portfolio(equity=equity)
    await chain.system.start(Service.HEAT_CALIBRATION, Service.APPLY_LAYER, HEAT_MODE=mode)
    await chain.system.publish(Stream.HARVEST_PROPOSAL, **await chain.fresh())
    await until(lambda: _rows(chain, Stream.APPLY_PLAN, 1), "a plan")
    [plan] = await chain.stream(Stream.APPLY_PLAN)
    assert (plan["action"], plan["heat_bucket"]) == (action, bucket)
    assert plan["original_action"] == "FULL_CLOSE_PROPOSED"
    [record] = await chain.stream(Stream.GATE_DECISION)
    assert (record["gate"], record["allow"]) == ("heat_calibration", "true")
    assert json.loads(record["terms"])["heat_bucket"] == bucket


async def test_the_same_proposal_twice_is_one_plan(chain: Chain):
    await chain.portfolio()
    await chain.system.start(Service.HEAT_CALIBRATION, Service.APPLY_LAYER)
    for _ in range(2):
        await chain.system.publish(Stream.HARVEST_PROPOSAL, **await chain.fresh())
    await until(lambda: _rows(chain, Stream.GATE_DECISION, 3), "both were judged")
    assert len(await chain.stream(Stream.APPLY_PLAN)) == 1
    reasons = [row.get("reason") for row in await chain.stream(Stream.GATE_DECISION)]
    assert reasons.count("duplicate_plan") == 1


async def test_an_intent_with_an_unreadable_marker_is_not_planned(chain: Chain):
    await chain.portfolio()
    markers = chain.names.key(Key.APPLY_INTENTS, symbol="BTCUSDT")
    await chain.client.hset(markers, PROPOSAL.trace_id, "{")
    await chain.system.start(Service.HEAT_CALIBRATION, Service.APPLY_LAYER)
    step = await chain.fresh(action=CALIBRATED.calibrated_action)
    await chain.system.publish(Stream.HARVEST_PROPOSAL, **step)
    await until(lambda: _rows(chain, Stream.GATE_DECISION, 2), "a refusal")
    assert await chain.stream(Stream.APPLY_PLAN) == []


@pytest.mark.parametrize("stream", [Stream.HARVEST_PROPOSAL, Stream.HARVEST_CALIBRATED])
async def test_what_cannot_be_decoded_goes_to_the_dlq(chain: Chain, stream: Stream):
    service = stream.value.groups[0].service
    await chain.system.start(service)
    await chain.system.publish(stream, plan_id="x", harvest_action="NONE")
    await until(lambda: _rows(chain, Stream.DLQ, 1), "a dead letter")
    [letter] = await chain.system.dead_letters()
    assert (letter["stream"], letter["reason"]) == (stream.value.name, "bad_harvest_action")
    assert await chain.system.pending(stream, service) == 0


async def test_a_refused_attempt_comes_back_under_the_next_number(chain: Chain):
    await chain.portfolio()
    await chain.closes("BTCUSDT", *(str(300 - i) for i in range(121)))
    await chain.system.start(Service.HARVEST)
    await chain.system.stop()
    [first] = await chain.stream(Stream.HARVEST_PROPOSAL)
    episodes = chain.names.key(Key.HARVEST_EPISODES)
    record = json.loads(await chain.client.hget(episodes, "BTCUSDT"))
    step = record["steps"]["FULL_CLOSE_PROPOSED"]
    step["proposed_at_ms"] = str(int(step["proposed_at_ms"]) - 300_000)
    await chain.client.hset(episodes, "BTCUSDT", json.dumps(record))
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    _, second = await chain.stream(Stream.HARVEST_PROPOSAL)
    assert first["plan_id"] == f"{first['trace_id']}-1"
    assert second["plan_id"] == f"{first['trace_id']}-2"


async def test_a_look_that_failed_is_followed_by_the_next(chain: Chain):
    await chain.portfolio()
    episodes = chain.names.key(Key.HARVEST_EPISODES)
    await chain.client.set(episodes, "not a hash")
    await chain.system.start(Service.HARVEST)
    assert await chain.seen("BTCUSDT") == {}
    await chain.client.delete(episodes)

    async def looked() -> bool:
        return bool(await chain.seen("BTCUSDT"))

    await until(looked, "a look after the failed ones")


@pytest.mark.parametrize("age_ms", [30_001, None])
async def test_without_a_fresh_portfolio_nothing_is_proposed_or_forgotten(
    chain: Chain, age_ms: int | None
):
    await chain.portfolio()
    await chain.system.start(Service.HARVEST)
    await chain.system.stop()
    key = chain.names.key(Key.PORTFOLIO)
    if age_ms is None:
        await chain.client.delete(key)
    else:
        flat = encode_portfolio(Portfolio({}), await chain.system.link.now_ms() - age_ms)
        await chain.client.hset(key, mapping=flat)
    before = await chain.seen("BTCUSDT")
    await chain.system.start(Service.HARVEST)
    assert await chain.seen("BTCUSDT") == before
    assert await chain.client.hexists(chain.names.key(Key.HARVEST_EPISODES), "BTCUSDT")
