"""On a cluster keys lie on several nodes and in several slots; the audit sees all of them."""

import contextlib
import shutil
import subprocess
import time

import pytest
import redis

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.link import RedisLink
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.audits.permits import Budget, audit_permits
from qtops.audits.streams import Registry, judge, read_streams
from qtops.contracts.vocabulary import TradingState

REDIS = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(REDIS is None, reason="needs an installed redis-server")
HALVES = (("0", "8191"), ("8192", "16383"))


@contextlib.contextmanager
def node(directory, port, bus):
    directory.mkdir()
    options = ["--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus)]
    options += ["--save", "", "--dir", str(directory), "--cluster-require-full-coverage", "no"]
    with subprocess.Popen([REDIS, *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield wait_for(port)
        finally:
            process.kill()


def wait_for(port):
    """The node's client, once it answers."""
    client = redis.Redis(port=port)
    deadline = time.monotonic() + 20
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
        else:
            return client


@pytest.fixture
def cluster(tmp_path, unused_tcp_port_factory):
    """The URL of two nodes with half of the slots each."""
    ports = [unused_tcp_port_factory() for _ in range(4)]
    with (
        node(tmp_path / "a", *ports[:2]) as first,
        node(tmp_path / "b", *ports[2:]) as second,
        first,
        second,
    ):
        for client, half in zip((first, second), HALVES, strict=True):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *half)
        first.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[2], ports[3])
        second.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
        for client in (first, second):
            wait_until_whole(client)
        yield f"redis+cluster://127.0.0.1:{ports[0]}"


def wait_until_whole(client):
    """Both halves known, and the delay over that a starting node keeps writes out for."""
    deadline = time.monotonic() + 20
    while (
        not {("cluster_slots_ok", "16384"), ("cluster_state", "ok")}
        <= client.cluster("INFO").items()
    ):
        assert time.monotonic() < deadline, client.cluster("INFO")


async def test_permits_on_every_node_are_counted(cluster, clock):
    link = RedisLink.to(cluster, "quantum", purpose="reader")
    for n in range(300):
        await link.client.set(f"quantum:permit:p26:{n}", "1", ex=60)
    await link.client.hset("quantum:permit:p33:hash", mapping={"allow": "true"})
    source = RedisPermitScan(link)
    found = await audit_permits(source, Budget(clock), window_ms=1000, sample=1)
    assert [s.count for s in found.sources.values()] == [0, 300, 1]
    assert [s.allow for s in found.sources.values()] == [0, 300, 1]
    await link.aclose()


async def test_streams_on_every_node_are_read(cluster, clock):
    link = RedisLink.to(cluster, "quantum", purpose="reader")
    names = [f"quantum:stream:s{n}" for n in range(20)]
    for name in names:
        await link.client.xadd(name, {"a": 1})
        await link.client.xgroup_create(name, "g", "0")
        await link.client.xreadgroup("g", "c", {name: ">"})
    source = RedisStreamReader(link)
    found = judge(await read_streams(source, Budget(clock)), None, Registry(source.names, ()))
    assert sorted(state.stream.name for state in found.streams) == sorted(names)
    assert {(state.group.pending, state.loss.unknown) for state in found.groups} == {(1, "")}
    await link.aclose()


async def test_the_switch_works_under_a_hash_tag(cluster):
    link = RedisLink.to(cluster, "{quantum}", purpose="writer")
    store = RedisControlStore(link)
    assert (await store.set_kill(TradingState.REDUCING, "ops", "")).epoch == 1
    claim = {"state": "sending", "client_order_id": "qt", "attempt": "1", "send_deadline_ms": "1"}
    await link.client.hset("{quantum}:exec:claim:p", mapping=claim)
    assert [o.plan_id async for page in store.sending() for o in page] == ["p"]
    assert (await store.read()).kill == "reduce"
    await link.aclose()
