"""The rollout as the governor reads it from a real Redis: absent is all, unreadable is no fact."""

import pytest
import redis

from qtops.adapters.fact_reader import FactReader
from qtops.adapters.link import RedisLink
from qtops.contracts.facts import Known
from qtops.contracts.vocabulary import FactName
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.strategies import plan


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
async def reader(server, db):
    link = RedisLink.to(server.url, "quantum", purpose="reader")
    yield FactReader(link)
    await link.aclose()


async def rollout(reader):
    _, [facts] = await reader.read([plan()], frozenset({FactName.ROLLOUT}))
    return facts.rollout


@pytest.mark.parametrize(("stored", "pct"), [(None, 100), ("0", 0), ("25", 25), ("100", 100)])
async def test_a_rollout_is_known_and_absent_is_everything(db, reader, stored, pct):
    if stored is not None:
        db.set("quantum:rollout", stored)
    fact = await rollout(reader)
    assert isinstance(fact, Known)
    assert fact.value == pct


@pytest.mark.parametrize("stored", ["", "101", "most", b"\xff"])
async def test_a_rollout_that_cannot_be_read_is_missing(db, reader, stored):
    db.set("quantum:rollout", stored)
    assert (await rollout(reader)).why.startswith("unreadable")


async def test_a_rollout_of_another_type_is_missing(db, reader):
    db.lpush("quantum:rollout", "50")
    assert (await rollout(reader)).why.startswith("unreadable")
