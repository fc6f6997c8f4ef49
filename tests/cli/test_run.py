"""`qtops run` as systemd has it: real processes against a real Redis."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.wiring.services import BUILDERS

QTOPS = [sys.executable, "-P", "-m", "qtops"]
PATIENCE_S = 45
SERVICES = [service.value for service in BUILDERS]
GATES = ["governor", "portfolio-gate", "position-gate"]
PORTS = {"governor": "GOVERNOR", "portfolio-gate": "PORTFOLIO", "position-gate": "POSITION"}


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.url, decode_responses=True) as link:
        link.flushall()
        link.mset({"quantum:kill": "0", "quantum:kill:epoch": "1", "quantum:mode": "TESTNET"})
        yield link


@pytest.fixture
def environ(server, tmp_path):
    off = {service.metrics_setting: "0" for service in BUILDERS} | {"QTOPS_EXIT_HTTP_PORT": "0"}
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    return {**home, **off, "QTOPS_REDIS_URL": server.url}


def qtops(environ, *argv, **more):
    return subprocess.run(
        [*QTOPS, *argv],
        capture_output=True,
        text=True,
        check=False,
        cwd=environ["HOME"],
        env=environ | more,
        timeout=PATIENCE_S,
    )


@contextmanager
def running(environ, *services, options=("--json",), **more):
    """Services that have said that they are ready, with the lines they said it in."""
    log = Path(environ["HOME"]) / "stderr.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*QTOPS, *options, "run", *services],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=environ["HOME"],
            env=environ | more,
        ) as process,
    ):
        try:
            yield process, read_lines(process, len(services), log)
        finally:
            process.kill()


def read_lines(process, count, log):
    """The next lines; not through the buffer, which select cannot see into."""
    read = b""
    while read.count(b"\n") < count:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], log.read_text()
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, log.read_text()
        read += piece
    return read.decode().splitlines()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return answer.read().decode()


def eventually(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def test_list_names_every_service_with_its_port(environ):
    run = qtops(environ, "run", "list", "--json", QTOPS_METRICS_PORT_GOVERNOR="8044")
    told = json.loads(run.stdout)
    assert (run.returncode, told["schema"]) == (0, "qtops.run.list/v1")
    assert [row["service"] for row in told["services"]] == SERVICES
    ports = {row["service"]: row["metrics_port"] for row in told["services"]}
    assert (ports["governor"], ports["executor"]) == (8044, 0)


def test_list_needs_no_redis_and_starts_nothing(environ):
    run = qtops(environ, "run", "list", QTOPS_REDIS_URL="redis://127.0.0.1:1/0")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"✓ {len(SERVICES)} services")
    assert re.search(r"^  governor .* off$", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("words", [["nope"], ["governor", "nope"], ["list", "governor"]])
def test_an_unknown_service_is_a_usage_error(environ, words):
    run = qtops(environ, "run", *words)
    assert (run.returncode, run.stdout) == (64, "")
    assert len(run.stderr.splitlines()) == 1
    assert f"there are {', '.join(SERVICES)}" in run.stderr
    assert run.stderr.endswith("next: qtops run --help\n")


def test_without_a_kill_switch_nothing_starts(environ, client):
    client.delete("quantum:kill")
    run = qtops(environ, "--json", "run", *GATES)
    assert run.returncode == 4
    assert json.loads(run.stdout)["error"]["code"] == "refused"
    assert len(run.stderr.splitlines()) == 1
    assert "quantum:kill" in run.stderr
    assert "next: qtops kill off" in run.stderr
    assert not client.keys("quantum:heartbeat:*")


def test_without_redis_nothing_starts(environ):
    run = qtops(environ, "run", "governor", QTOPS_REDIS_URL="redis://:hunter22@127.0.0.1:1/0")
    assert (run.returncode, run.stdout) == (1, "")
    assert len(run.stderr.splitlines()) == 1
    assert "it cannot be reached" in run.stderr
    assert "hunter22" not in run.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_ready_is_one_line_of_json_each_and_a_signal_ends_it_cleanly(environ, client, stop):
    with running(environ, *GATES) as (process, lines):
        told = [json.loads(line) for line in lines]
        assert {line["schema"] for line in told} == {"qtops.run.ready/v1"}
        assert {line["service"] for line in told} == set(GATES)
        assert {line["pid"] for line in told} == {process.pid}
        assert client.exists(*(f"quantum:heartbeat:{name}" for name in GATES)) == len(GATES)
        assert client.ttl("quantum:heartbeat:governor") > 0
        process.send_signal(stop)
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout.read() == ""
    assert not client.keys("quantum:heartbeat:*")


def test_without_json_ready_is_for_people(environ, client):
    with running(environ, "governor", options=()) as (process, lines):
        assert lines == [f"  governor ready, pid {process.pid}"]


def plan(plan_id, **fields):
    return {
        "plan_id": plan_id,
        "decision": "EXECUTE",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "qty": "0.001",
        "source": "intent_bridge",
        **fields,
    }


NAMES = {
    "governor": [
        r"^quantum_govern_allow_total 1\.0$",
        r'^quantum_govern_block_total\{reason="[a-z_]+"\} 1\.0$',
    ],
    "portfolio-gate": [r"^p26_permit_issued_total 1\.0$"],
    "position-gate": [
        r"^p33_permit_allow_total 0\.0$",
        r'^p33_permit_deny_total\{reason="[a-z_]+"\} \d+\.0$',
    ],
}


def test_metrics_keep_the_names_that_dashboards_know(environ, client):
    """An open and a reduction that nothing is known about: one refused, one let through."""
    ports = {name: free_port() for name in GATES}
    settings = {f"QTOPS_METRICS_PORT_{PORTS[name]}": str(port) for name, port in ports.items()}
    with running(environ, *GATES, **settings):
        stream = "quantum:stream:apply.plan"
        client.xadd(stream, plan("close", reduceOnly="true", action="FULL_CLOSE_PROPOSED"))
        client.xadd(stream, plan("open", reduceOnly="false", action="ENTRY_PROPOSED"))
        eventually(lambda: client.xlen("quantum:stream:gate.decision") == 2 * len(GATES))
        for name, patterns in NAMES.items():
            for pattern in patterns:
                eventually(
                    lambda port=ports[name], p=pattern: re.search(p, metrics(port), re.MULTILINE)
                )
        if Path("/proc/net/tcp").exists():
            assert {address_of(port) for port in ports.values()} == {"0100007F"}


def address_of(port):
    """Where a port of ours listens, as the kernel writes it."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row[1].split(":") for row in rows if row[3] == "0A"]
    return next(address for address, number in listening if int(number, 16) == port)


def test_a_port_in_use_is_one_line_that_names_the_setting(environ, client):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = qtops(environ, "run", "governor", QTOPS_METRICS_PORT_GOVERNOR=str(port))
    assert (run.returncode, run.stdout) == (1, "")
    assert len(run.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in run.stderr
    assert "next: set QTOPS_METRICS_PORT_GOVERNOR to a free port" in run.stderr
    assert not client.keys("quantum:heartbeat:*")
