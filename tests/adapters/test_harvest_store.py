"""What the harvest chain reads and writes in Redis, on a real one."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from qtops.adapters.harvest_store import RedisHarvestStore
from qtops.adapters.link import RedisLink
from qtops.adapters.plan_fates import plan_fates
from qtops.contracts.episode import PlanFate, Step
from qtops.contracts.registry import Key, Stream
from qtops.contracts.result import Result
from qtops.contracts.vocabulary import Action
from qtops.errors import RedisError
from qtops.ports.harvest import Harvested
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.gates.harvest_world import EPISODE, PROPOSAL


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
async def link(server: EmbeddedRedis) -> AsyncIterator[RedisLink]:
    link = RedisLink.to(server.url, "harvest", purpose="writer")
    await link.client.flushall()
    yield link
    await link.aclose()


async def end(link: RedisLink, *, executed: bool, trimmed: bool = False) -> str:
    result = Result(
        "p", "BTCUSDT", executed, "apply_layer", 5_000, filled_quantity=Decimal(executed)
    )
    entry: bytes = await link.client.xadd(
        link.names.stream(Stream.APPLY_RESULT), result.to_fields()
    )
    if trimmed:
        await link.client.xtrim(link.names.stream(Stream.APPLY_RESULT), maxlen=0)
    return entry.decode()


@pytest.mark.parametrize(
    ("claim", "executed", "trimmed", "fate"),
    [
        ({}, False, False, PlanFate.ABSENT),
        ({"state": "claimed"}, False, False, PlanFate.OPEN),
        ({"state": "sending"}, False, False, PlanFate.OPEN),
        ({"state": "done"}, True, False, PlanFate.EXECUTED),
        ({"state": "done"}, False, False, PlanFate.REFUSED),
        ({"state": "done", "quantity": "3"}, False, False, PlanFate.REFUSED),
        ({"state": "done", "quantity": "3"}, False, True, PlanFate.EXECUTED),  # never twice
        ({"state": "done"}, True, True, PlanFate.REFUSED),
    ],
)
async def test_the_fate_of_a_plan(
    link: RedisLink, claim: dict[str, str], executed: bool, trimmed: bool, fate: PlanFate
):
    entry = await end(link, executed=executed, trimmed=trimmed)
    if claim:
        done = {"result_id": entry} if claim["state"] == "done" else {}
        await link.client.hset(link.names.key(Key.CLAIM, plan_id="p"), mapping={**claim, **done})
    assert await plan_fates(link, ["p", "other"]) == {"p": fate, "other": PlanFate.ABSENT}


async def test_a_claim_that_cannot_be_read_is_no_end(link: RedisLink):
    await link.client.set(link.names.key(Key.CLAIM, plan_id="p"), "x")
    assert await plan_fates(link, ["p"]) == {"p": PlanFate.OPEN}


async def test_of_two_kernels_that_saw_the_same_one_writes(link: RedisLink):
    one, two = RedisHarvestStore(link), RedisHarvestStore(link)
    await one.read()
    await two.read()
    item = Harvested(PROPOSAL, EPISODE, publish=True)
    assert await one.write([item], [])
    assert not await two.write([item], [])
    assert await link.client.xlen(link.names.stream(Stream.HARVEST_PROPOSAL)) == 1
    assert (await two.read()).episodes == {"BTCUSDT": EPISODE}
    assert await two.write([], ["BTCUSDT"])
    assert not await link.client.exists(link.names.key(Key.HARVEST_EPISODES))


async def test_an_outstanding_attempt_is_looked_up_and_a_done_one_is_not(link: RedisLink):
    done = Step(1, "p-done", 0, done=True)
    kept = EPISODE.with_step(Action.PARTIAL_25, done).with_step(
        Action.PARTIAL_50, Step(1, "p-open", 0)
    )
    store = RedisHarvestStore(link)
    await store.read()
    await store.write([Harvested(PROPOSAL, kept, publish=False)], [])
    assert (await store.read()).fates == {"p-open": PlanFate.ABSENT}


async def test_episodes_of_another_type_are_an_error_and_no_empty_answer(link: RedisLink):
    await link.client.set(link.names.key(Key.HARVEST_EPISODES), "x")
    with pytest.raises(RedisError, match="episodes"):
        await RedisHarvestStore(link).read()
