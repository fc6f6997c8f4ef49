"""A real Redis for each kind of server, emptied for each test, and clocks that tests own."""

import pytest
import redis

from qtops.adapters.link import RedisLink
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.sandbox.redis_server import EmbeddedRedis, find_server


class StubClock:
    """Monotonic time that moves by `step_ms` whenever it is asked."""

    def __init__(self, step_ms: float = 0.0) -> None:
        self.now = 0.0
        self.step_ms = step_ms

    def now_ms(self) -> int:
        return int(self.now)

    def monotonic_ms(self) -> float:
        self.now += self.step_ms
        return self.now


@pytest.fixture(scope="session", params=["embedded", "installed"])
def server(request):
    with EmbeddedRedis(find_server(request.param)) as running:
        yield running


@pytest.fixture
def db(server):
    """A plain client to seed with; the database is empty."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
async def link(server, db):
    opened = RedisLink.to(server.url, "quantum", purpose="reader")
    yield opened
    await opened.aclose()


@pytest.fixture
def source(link):
    return RedisPermitScan(link)


@pytest.fixture
def clock():
    return StubClock()


@pytest.fixture
def ticking():
    """`ticking(1000)` is a clock on which a second passes between two looks."""
    return StubClock
