"""Redis URLs, clients and error messages, against real servers of every kind we support."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions as library

from qtops.adapters import redis_connection
from qtops.adapters.redis_connection import (
    EXPLANATIONS,
    connect,
    explain,
    ping_or_explain,
    translate_redis_errors,
)
from qtops.adapters.redis_url import mask_url, parse_redis_url
from qtops.errors import ConfigError, RedisError
from qtops.sandbox.redis_server import EmbeddedRedis, find_server

REDIS = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(REDIS is None, reason="needs an installed redis-server")


@pytest.fixture(scope="module", params=["embedded", "installed"])
def server(request):
    with EmbeddedRedis(find_server(request.param)) as running:
        yield running


@pytest.fixture
async def opened():
    """`opened(url, purpose)` is a client that gets closed."""
    async with contextlib.AsyncExitStack() as stack:

        def make(url, purpose="writer", **options):
            client = connect(url, purpose=purpose, **options)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
async def failure(opened):
    """The RedisError that a command meets."""

    async def meet(url, *command):
        client = opened(url)
        with pytest.raises(RedisError) as caught, translate_redis_errors(url):
            await client.execute_command(*(command or ("PING",)))
        return caught.value

    return meet


# --- URLs ---------------------------------------------------------------------------------------


def test_every_kind_of_url_is_understood():
    one = parse_redis_url("redis://us%2Fer:p%40ss@[::1]:7000/3")
    assert (one.kind, one.nodes, one.db) == ("single", (("::1", 7000),), 3)
    assert (one.username, one.password, one.tls) == ("us/er", "p@ss", False)
    tls = parse_redis_url("rediss://host?ssl_cert_reqs=none&db=2")
    assert (tls.nodes, tls.tls, tls.db) == ((("host", 6379),), True, 2)
    assert tls.options == {"ssl_cert_reqs": "none"}
    unix = parse_redis_url("unix://:pw@/run/redis%20x.sock?db=1")
    assert (unix.kind, unix.path, unix.db, unix.password) == ("unix", "/run/redis x.sock", 1, "pw")
    sentinel = parse_redis_url("redis+sentinel://:pw@h1:1,h2/mymaster/4?sentinel_password=x")
    assert (sentinel.nodes, sentinel.service, sentinel.db) == (
        (("h1", 1), ("h2", 26379)),
        "mymaster",
        4,
    )
    cluster = parse_redis_url("rediss+cluster://h1,h2:7001")
    assert (cluster.nodes, cluster.tls) == ((("h1", 6379), ("h2", 7001)), True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://:sekret@host",
        "redis://",
        "redis://:sekret@host:port",
        "redis://:sekret@host:0",
        "redis://:sekret@host:65536",
        "redis://:sekret@host/x",
        "redis://:sekret@host/-1",
        "redis://:sekret@host/1/2",
        "redis://:sekret@host/1?db=2",
        "redis://:sekret@h1,h2/0",
        "redis://:sekret@host/0?decode_responses=true",
        "redis://:sekret@host?ssl_cert_reqs=none",
        "redis://:sekret@host?sentinel_password=sekret",
        "redis://:sek/ret@host/0",
        "redis://:sek#ret@host/0",
        "redis://:sek?ret@host/0",
        "redis://[:sekret@host",
        "unix://",
        "redis+sentinel://:sekret@h1,h2",
        "redis+cluster://:sekret@h1/1",
    ],
)
def test_a_bad_url_is_a_configuration_error_without_the_password(url):
    with pytest.raises(ConfigError) as caught:
        connect(url, purpose="reader")
    assert "sek" not in caught.value.message + caught.value.hint
    assert "ret@" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://user:pw@host/0", "redis://user:***@host/0"),
        ("redis://:p@w@host/0", "redis://:***@host/0"),
        ("redis://pw@host/0", "redis://***@host/0"),
        (
            "redis+sentinel://h/m?sentinel_password=pw&db=1",
            "redis+sentinel://h/m?sentinel_password=***&db=1",
        ),
        ("pw@host", "***"),
        ("host", "host"),
    ],
)
def test_a_masked_url_shows_all_but_the_password(url, shown):
    assert mask_url(url) == shown


@given(st.text(alphabet="abcXYZ:@/?#%&= ", min_size=1))
def test_no_spelling_of_a_password_survives_masking(noise):
    assert "s3kr3t" not in mask_url(f"redis://u:s3kr3t{noise}@host/0")


# --- clients ------------------------------------------------------------------------------------


async def test_both_addresses_of_a_server_answer_in_bytes(server, opened):
    for url in (server.url, server.unix_url):
        client = opened(url, "reader")
        await ping_or_explain(client, url)
        await client.set("k", "v")
        assert await client.get("k") == b"v"


async def test_a_client_says_who_it_is(server, opened):
    client = opened(server.url, "writer", name="executor")
    assert await client.client_getname() == "executor:writer"


async def test_the_database_of_the_url_is_used(server, opened):
    here, there = opened(server.url), opened(server.unix_url.replace("db=0", "db=3"))
    await here.delete("only-there")
    await there.set("only-there", "1")
    assert await here.get("only-there") is None


async def test_a_blocking_read_may_last_longer_than_an_answer(server, opened, monkeypatch):
    monkeypatch.setattr(redis_connection, "ANSWER_TIMEOUT_S", 0.15)
    client = opened(server.url, "blocking", block_s=0.4)
    assert not await client.xread({"nothing-comes": "$"}, block=400)


@pytest.mark.parametrize("purpose", ["writer", "blocking", "reader"])
async def test_a_write_that_timed_out_happened_once(server, opened, monkeypatch, purpose):
    """With the library's defaults it happens twice."""
    monkeypatch.setattr(redis_connection, "ANSWER_TIMEOUT_S", 0.1)
    client, stream = opened(server.url, purpose, block_s=0.0), f"s:{purpose}"
    await client.delete(stream)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(RedisError) as caught, translate_redis_errors(server.url):
            await client.xadd(stream, {"a": "1"})
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert caught.value.code == "redis_timeout"
    assert "may have happened" in caught.value.hint
    assert await opened(server.url).xlen(stream) == 1


async def test_a_restarted_server_is_found_again(opened, tmp_path):
    server = EmbeddedRedis(directory=tmp_path)
    with server:
        url = server.url
        client = opened(url)
        await client.ping()
    with pytest.raises(RedisError), translate_redis_errors(url):
        await client.ping()
    with redis_process(tmp_path, server.port, "--port", str(server.port)):
        await ping_or_explain(client, url)


# --- what can go wrong --------------------------------------------------------------------------


async def test_a_closed_port(failure, unused_tcp_port):
    error = await failure(f"redis://:sekret@127.0.0.1:{unused_tcp_port}/0")
    assert error.code == "redis_unreachable"
    assert "sekret" not in error.message
    assert error.message.startswith(f"Redis at redis://:***@127.0.0.1:{unused_tcp_port}/0: ")


async def test_a_missing_socket(failure, tmp_path):
    assert (await failure(f"unix://{tmp_path}/none.sock")).code == "redis_unreachable"


async def test_a_missing_cluster_and_a_missing_sentinel(failure, unused_tcp_port):
    address = f"127.0.0.1:{unused_tcp_port}"
    assert (await failure(f"redis+cluster://{address}")).code == "redis_unreachable"
    error = await failure(f"redis+sentinel://{address}/mymaster")
    assert error.code == "redis_sentinel"
    assert "<" not in error.message


async def test_a_wrong_database(server, failure):
    assert (await failure(server.url.replace("/0", "/99"))).code == "redis_db"


async def test_passwords(failure, opened):
    with EmbeddedRedis() as server:
        admin = opened(server.unix_url)
        await admin.execute_command("ACL", "SETUSER", "u", "on", ">pw", "~x", "+get", "+ping")
        await admin.config_set("requirepass", "sekret")
        at = f"127.0.0.1:{server.port}/0"
        assert (await failure(f"redis://{at}")).code == "redis_auth"
        assert (await failure(server.unix_url)).code == "redis_auth"
        error = await failure(f"redis://:wrong@{at}")
        assert error.code == "redis_auth"
        assert "wrong" not in error.message
        assert (await failure(f"redis://nobody:sekret@{at}")).code == "redis_auth"
        assert (await failure(f"redis+cluster://:wrong@{at[:-2]}")).code == "redis_auth"
        await ping_or_explain(opened(f"redis://:sekret@{at}"), server.url)


async def test_a_user_who_may_not(opened):
    with EmbeddedRedis() as server:
        admin = opened(server.unix_url)
        await admin.execute_command(
            "ACL", "SETUSER", "u", "on", ">pw", "~x", "+get", "+@connection"
        )
        url = f"redis://u:pw@127.0.0.1:{server.port}/0"
        client = opened(url)
        with pytest.raises(RedisError) as caught, translate_redis_errors(url):
            await client.get("y")
        assert caught.value.code == "redis_permission"


async def test_a_replica(failure, opened, unused_tcp_port):
    with EmbeddedRedis() as server:
        await opened(server.url).replicaof("127.0.0.1", unused_tcp_port)
        assert (await failure(server.url, "SET", "a", "1")).code == "redis_readonly"


async def test_a_full_server(failure, opened):
    with EmbeddedRedis() as server:
        await opened(server.url).config_set("maxmemory", "1")
        assert (await failure(server.url, "SET", "a", "1")).code == "redis_full"


async def test_a_single_server_is_neither_cluster_nor_sentinel(server, failure):
    at = f"127.0.0.1:{server.port}"
    assert (await failure(f"redis+cluster://{at}")).code == "redis_cluster"
    error = await failure(f"redis+sentinel://{at}/mymaster")
    assert (error.code, "not a sentinel" in error.message) == ("redis_sentinel", True)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "redis_loading"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "redis_protocol"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "redis_cluster"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "redis_full"),
        (b"-ERR something new\r\n", "redis"),
        (b"", "redis_closed"),
    ],
)
async def test_odd_servers(failure, unused_tcp_port, reply, code):
    async def answer(reader, writer):
        await reader.read(1000)
        writer.write(reply)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", unused_tcp_port):
        error = await failure(f"redis://127.0.0.1:{unused_tcp_port}/0")
    assert error.code == code
    assert "\n" not in error.message


def test_every_error_of_the_library_has_an_explanation():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    kinds = below(library.RedisError) | below(library.RedisClusterException)
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = ("text",)
        assert explain(error, "redis://h/0").message
    assert EXPLANATIONS[-1].fits(Exception(), "anything")


async def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), translate_redis_errors("redis://h"):
        _ = 1 / 0


# --- sentinel, cluster, TLS: redis-server only ---------------------------------------------------


@contextlib.contextmanager
def redis_process(directory, port, *options):
    """A redis-server with options of its own."""
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [find_server("installed"), *options, "--bind", "127.0.0.1", "--dir", str(directory)],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for_port(port, process)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for_port(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    raise AssertionError("the server did not start")


@needs_redis
async def test_sentinels_lead_to_the_primary(opened, failure, tmp_path, unused_tcp_port):
    with EmbeddedRedis(find_server("installed")) as primary:
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {unused_tcp_port}\nsentinel monitor mymaster 127.0.0.1 {primary.port} 1\n"
        )
        with redis_process(tmp_path, unused_tcp_port, str(config), "--sentinel"):
            url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{unused_tcp_port}/mymaster/2"
            client = opened(url)
            await ping_or_explain(client, url)
            await client.set("k", "v")
            direct = opened(primary.url.replace("/0", "/2"))
            assert await direct.get("k") == b"v"
            assert await client.client_getname() == "qtops:writer"
            unknown = await failure(url.replace("mymaster", "other"))
            assert unknown.code == "redis_sentinel"


@needs_redis
async def test_a_cluster(opened, failure, tmp_path, unused_tcp_port, unused_tcp_port_factory):
    options = ["--port", str(unused_tcp_port), "--cluster-enabled", "yes", "--save", ""]
    options += ["--cluster-port", str(unused_tcp_port_factory())]
    with redis_process(tmp_path, unused_tcp_port, *options):
        at = f"127.0.0.1:{unused_tcp_port}"
        plain = opened(f"redis://{at}/0")
        assert (await failure(f"redis://{at}/0", "GET", "a")).code == "redis_cluster"
        assert (await failure(f"redis://{at}/1")).code == "redis_db"
        await plain.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        url = f"redis+cluster://127.0.0.1:1,{at}"
        client = opened(url)
        await _until_ok(client, url)
        await client.set("{q}:k", "v")
        assert await client.get("{q}:k") == b"v"
        assert await client.eval("return redis.call('GET', KEYS[1])", 1, "{q}:k") == b"v"
        with pytest.raises(RedisError) as caught, translate_redis_errors(url):
            await client.mget("a", "b", "c")
        assert caught.value.code == "redis_cluster"


async def _until_ok(client, url):
    """A new cluster needs a moment until it calls itself complete."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with translate_redis_errors(url):
                await client.set("{q}:up", "1")
        except RedisError as error:
            if error.code != "redis_cluster" or time.monotonic() > deadline:
                raise
        else:
            return


def make_certificate(directory):
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key, certificate = directory / "key.pem", directory / "cert.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    request += ["-nodes", "-days", "1", "-subj", "/CN=localhost"]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *request], check=True, capture_output=True)
    return key, certificate


@needs_redis
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
async def test_tls(opened, failure, tmp_path, unused_tcp_port):
    key, certificate = make_certificate(tmp_path)
    options = ["--port", "0", "--tls-port", str(unused_tcp_port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--save", ""]
    with redis_process(tmp_path, unused_tcp_port, *options):
        at = f"127.0.0.1:{unused_tcp_port}/0"
        url = f"rediss://{at}?ssl_ca_certs={certificate}"
        await ping_or_explain(opened(url), url)
        unchecked = f"rediss://{at}?ssl_cert_reqs=none&ssl_check_hostname=false"
        await ping_or_explain(opened(unchecked), unchecked)
        assert (await failure(f"rediss://{at}")).code == "redis_tls"
        plain = await failure(f"redis://{at}")
        assert (plain.code, "rediss://" in plain.hint) == ("redis_closed", True)
