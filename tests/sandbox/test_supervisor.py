"""Sandbox over stub programs and a real Redis: parts get up, are told apart, and all go."""

import asyncio
import json
import os
import re
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from qtops.contracts.service_state import ServiceState
from qtops.errors import HostError, UsageError
from qtops.sandbox import processes
from qtops.sandbox.control_socket import SandboxControl
from qtops.sandbox.processes import Child, ChildSpec, describe_exit
from qtops.sandbox.recipe import Commands, Recipe, chosen_services
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.sandbox.state import SandboxDirectory, clean_stale, look, wait_until_gone
from qtops.sandbox.supervisor import Hooks, Sandbox, Surroundings

# A part that announces itself, writes its environment down and ends on SIGTERM, unless told else.
STUB = """
import json, os, signal, sys, time
name = "exchange" if "--port" in sys.argv else sys.argv[-1]
behaviour = dict(p.split("=") for p in os.environ.get("STUB", "").split()).get(name, "")
stops = [signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, stops)
print("starting", name, file=sys.stderr, flush=True)
if behaviour == "dies":
    print("error: no luck today", file=sys.stderr, flush=True)
    sys.exit(3)
if behaviour == "silent":
    signal.sigwait(stops)
    sys.exit()
if name == "exchange":
    given = int(sys.argv[sys.argv.index("--port") + 1])
    url = f"http://127.0.0.1:{given or os.getpid()}"
    said = {"schema": "qtops.sandbox.exchange/v1", "exchange_url": url}
else:
    said = {"schema": "qtops.run.ready/v1", "service": name}
print("chatter on stdout", flush=True)
print(json.dumps({"schema": "x", "environ": dict(os.environ)}), file=sys.stderr, flush=True)
print(json.dumps(said), flush=True)
print("more chatter", flush=True)
if behaviour == "fades":
    os.kill(os.getpid(), signal.SIGKILL)
while behaviour == "deaf":
    time.sleep(60)
signal.sigwait(stops)
print("stopped", name, time.monotonic_ns(), file=sys.stderr, flush=True)
"""
GATES = ("governor", "portfolio-gate")


class Desk:
    """Builds sandboxes in one directory and remembers what they told."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.stub = home / "stub.py"
        self.stub.write_text(STUB)
        self.armed: list[tuple[str, str]] = []
        self.disarmed: list[tuple[str, str]] = []
        self.exits: list[tuple[str, int]] = []
        self.steps: list[tuple[int, int]] = []

    def box(self, name="box", *, keep=False, environ=None, **recipe):
        command = (sys.executable, "-S", "-E", str(self.stub))
        recipe = {"services": GATES, "commands": Commands(command, command)} | recipe
        around = Surroundings({"PATH": os.environ["PATH"]} | (environ or {}), self.home)
        place = SandboxDirectory(self.home / name, keep=keep)
        return Sandbox(Recipe(**recipe), place, around, self.hooks())

    def hooks(self) -> Hooks:
        async def arm(url, namespace):
            self.armed.append((url, namespace))

        async def disarm(url, namespace):
            self.disarmed.append((url, namespace))

        def exited(*told):
            self.exits.append(told)

        return Hooks(arm, disarm, exited, lambda *told: self.steps.append(told))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def environ_of(box, name):
    """What the stub wrote down of its environment."""
    lines = [line for line in box.log(name).read_text().splitlines() if line.startswith("{")]
    return json.loads(lines[-1])["environ"]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def eventually(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_everything_is_up_inside_and_nothing_is_left_outside(desk):
    async with desk.box() as box:
        pids = box.pids
        assert list(pids) == ["redis", "exchange", *GATES]
        assert all(map(is_alive, pids.values()))
        assert desk.armed == [(box.redis_url, "quantum")]
        assert box.exchange_url.endswith(str(pids["exchange"]))
        with redis.Redis.from_url(box.redis_url) as client:
            assert client.ping()
        assert sorted(p.name for p in box.place.logs.iterdir()) == [
            "exchange.log",
            "governor.log",
            "portfolio-gate.log",
            "redis.log",
        ]
        assert box.log("redis").is_file()
    assert not any(map(is_alive, pids.values()))
    assert not box.place.path.exists()
    assert (desk.exits, desk.disarmed) == ([], [])
    assert (desk.steps[0], desk.steps[-1]) == ((1, 4), (4, 4))
    assert box.pids == {}
    await box.stop()


async def test_parts_end_in_reverse_order_and_kept_directories_keep_the_logs(desk):
    async with desk.box(keep=True) as box:
        assert (box.place.path / "sandbox.json").is_file()

    def ended_at(name):
        return int(re.search(rf"stopped {name} (\d+)", box.log(name).read_text())[1])

    assert max(map(ended_at, GATES)) < ended_at("exchange")
    assert "Ready to accept" in box.log("redis").read_text()
    assert sorted(p.name for p in box.place.path.iterdir()) == ["journal", "logs", "sandbox.lock"]
    async with desk.box(keep=True):  # and can be used again, from the beginning
        assert box.log("exchange").read_text().count("starting") == 1


async def test_a_service_reads_its_own_file_at_every_start_but_cannot_leave_the_sandbox(desk):
    async with desk.box() as box:
        file = box.place.env_file("governor")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        lines = ["# ours", 'GOV_X="a b"', "BINANCE_USE_TESTNET=false", "REDIS_PASSWORD=pw"]
        file.write_text("\n".join(lines))
        box.log("governor").write_text("")
        await box.restart("governor")
        found = environ_of(box, "governor")
        assert found["GOV_X"] == "a b"
        assert found["BINANCE_USE_TESTNET"] == "true"
        assert "REDIS_PASSWORD" not in found
        assert "GOV_X" not in environ_of(box, "portfolio-gate")


async def test_another_process_can_ask_for_a_restart(desk):
    async with desk.box() as box:
        control = SandboxControl(box.place.path)
        before = await control.state("governor")
        assert before == ServiceState("active", str(box.pids["governor"]))
        await asyncio.gather(control.restart("governor"), control.restart("governor"))
        after = await control.state("governor")
        assert after.word == "active"
        assert after.life != before.life
        assert stat.S_IMODE((box.place.path / "control.sock").stat().st_mode) == 0o600
        with pytest.raises(HostError, match="there is no executor"):
            await control.restart("executor")
        assert (await control.state("executor")).word == "down"
        await box.kill("governor")
        assert (await control.state("governor")).word == "down"
    with pytest.raises(HostError, match="does not answer"):
        await control.state("governor")


async def test_the_control_socket_works_in_a_directory_with_a_long_name(desk):
    async with desk.box("x" * 120) as box:
        assert (await SandboxControl(box.place.path).state("governor")).word == "active"


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"{}\n", b"\n"])
async def test_a_request_that_is_none_gets_an_answer_that_says_so(desk, line):
    async with desk.box() as box:
        reader, writer = await asyncio.open_unix_connection(box.place.path / "control.sock")
        writer.write(line)
        assert b"error" in await reader.readline()
        writer.close()


async def test_the_services_get_our_environment_and_the_sandbox_settings(desk):
    given = {
        "GOV_MAX_OPEN_POSITIONS": "3",
        "QTOPS_REDIS_URL": "redis://elsewhere",
        "BINANCE_API_KEY": "mainnet",
        "BINANCE_TESTNET_KEY": "old name",
        "REDIS_PASSWORD": "pw",
    }
    chosen = {"P33_ALLOWLIST": "BTCUSDT"}
    async with desk.box(environ=given, chosen=chosen, namespace="ns") as box:
        governor, exchange = environ_of(box, "governor"), environ_of(box, "exchange")
        keys = box.recipe.credentials
        assert box.environment.items() <= governor.items()
    expected = {
        "GOV_MAX_OPEN_POSITIONS": "3",
        "QTOPS_REDIS_URL": box.redis_url,
        "QTOPS_EXCHANGE_URL": box.exchange_url,
        "QTOPS_NAMESPACE": "ns",
        "QTOPS_PERMIT_KEY": keys.permit_key,
        "BINANCE_USE_TESTNET": "true",
        "BINANCE_TESTNET_API_KEY": keys.api_key,
        "BINANCE_TESTNET_API_SECRET": keys.api_secret,
        "BINANCE_API_KEY": "",
        "P33_ALLOWLIST": "BTCUSDT",
        "QTOPS_METRICS_PORT_EXECUTOR": "0",
    }
    assert expected.items() <= governor.items()
    assert not {"BINANCE_TESTNET_KEY", "REDIS_PASSWORD", "QTOPS_SANDBOX_API_KEY"} & set(governor)
    assert exchange["QTOPS_SANDBOX_API_KEY"] == keys.api_key
    assert exchange["QTOPS_SANDBOX_API_SECRET"] == keys.api_secret
    assert not {"BINANCE_API_KEY", "QTOPS_PERMIT_KEY", "BINANCE_TESTNET_KEY"} & set(exchange)
    assert len({keys.api_key, keys.api_secret, keys.permit_key}) == 3
    assert keys.api_key not in repr(keys)


async def test_the_state_file_is_private_and_says_what_the_sandbox_is(desk):
    async with desk.box() as box:
        file = box.place.path / "sandbox.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(box.place.path.stat().st_mode) == 0o700
        state = json.loads(file.read_text())
        assert box.describe().items() <= state.items()
        assert state["schema"] == "qtops.sandbox.up/v1"
        found = look(box.place.path)
        assert (found.pid, found.is_stale) == (os.getpid(), False)
        script = f'. {box.place.path}/env; echo "$QTOPS_REDIS_URL $BINANCE_TESTNET_API_KEY"'
        told = await asyncio.to_thread(subprocess.check_output, ["sh", "-c", script], text=True)
        assert told.split() == [box.redis_url, state["api_key"]]
    assert look(box.place.path).pid is None


async def test_two_sandboxes_share_nothing(desk):
    async with desk.box("one") as one, desk.box("two") as two:
        assert not set(one.pids.values()) & set(two.pids.values())
        assert one.redis_url != two.redis_url
        assert one.recipe.credentials != two.recipe.credentials
        await one.kill("governor")
        assert "governor" in two.pids


async def test_a_directory_has_one_sandbox_and_no_foreign_files(desk):
    async with desk.box() as box:
        with pytest.raises(HostError, match=f"already .pid {os.getpid()}"):
            await desk.box().start()
        assert "governor" in box.pids
    (desk.home / "mine").mkdir()
    (desk.home / "mine/journal").write_text("precious")
    with pytest.raises(HostError, match="no sandbox wrote"):
        await desk.box("mine").start()
    assert (desk.home / "mine/journal").read_text() == "precious"
    with pytest.raises(HostError, match=r"stub\.py cannot be a sandbox"):
        await desk.box("stub.py").start()


@pytest.mark.parametrize("name", ["exchange", "governor"])
async def test_a_part_that_dies_at_the_start_is_named_and_the_rest_stopped(desk, name):
    box = desk.box(environ={"STUB": f"{name}=dies"})
    message = f"{name} ended with code 3 before it was ready: .*no luck today"
    with pytest.raises(HostError, match=message):
        await box.start()
    assert box.pids == {}
    assert not box.place.path.exists()
    assert desk.exits == []


async def test_a_part_that_says_nothing_is_given_up(desk, monkeypatch):
    monkeypatch.setattr(Child.ready, "__defaults__", (0.3,))
    box = desk.box(environ={"STUB": "governor=silent"})
    with pytest.raises(HostError, match=r"governor did not get ready within 0\.3 s: starting gov"):
        await box.start()
    assert box.pids == {}


async def test_a_command_that_does_not_exist_is_told(desk):
    missing = Commands(("/nonexistent/qtops",), ("/nonexistent/qtops",))
    with pytest.raises(HostError, match=r"exchange .*No such file"):
        await desk.box(commands=missing).start()


async def test_a_redis_that_cannot_start_is_told_and_the_exchange_goes(desk, monkeypatch):
    monkeypatch.setattr("qtops.sandbox.redis_server.find_server", lambda: Path("/nonexistent"))
    box = desk.box()
    with pytest.raises(HostError, match="cannot be run"):
        await box.start()
    assert box.pids == {}
    assert not box.place.path.exists()


async def test_a_failing_arm_stops_everything(desk):
    async def arm(*_):
        raise HostError("no arm")

    box = desk.box()
    box._hooks = Hooks(arm)
    with pytest.raises(HostError, match="no arm"):
        await box.start()
    assert box.pids == {}


async def test_a_cancelled_start_leaves_nothing(desk):
    box = desk.box(environ={"STUB": "governor=silent"})
    start = asyncio.create_task(box.start())
    await eventually(lambda: "portfolio-gate" in box.pids)
    pids = box.pids
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not any(map(is_alive, pids.values()))
    assert not box.place.path.exists()


async def test_a_part_that_dies_later_is_reported_and_stays_down(desk):
    async with desk.box() as box:
        os.kill(box.pids["governor"], signal.SIGKILL)
        assert await box.ended("governor") == -9
        await eventually(lambda: desk.exits)
        assert "governor" not in box.pids
        state = look(box.place.path).state
        assert state["ended"] == {"governor": -9}
        assert "governor" not in state["pids"]
        os.kill(box.pids["redis"], signal.SIGKILL)
        await eventually(lambda: len(desk.exits) == 2)
    assert desk.exits == [("governor", -9), ("redis", 1)]


async def test_drills_are_not_reported(desk):
    async with desk.box() as box:
        first = box.pids
        await box.kill("governor")
        assert await box.stop_service("portfolio-gate") == 0
        assert look(box.place.path).state["ended"] == {"governor": -9, "portfolio-gate": 0}
        await box.start_service("governor", {"QTOPS_FAILPOINT": "marked"})
        assert environ_of(box, "governor")["QTOPS_FAILPOINT"] == "marked"
        await box.restart("governor")
        assert "QTOPS_FAILPOINT" not in environ_of(box, "governor")
        with pytest.raises(HostError, match="governor is running"):
            await box.start_service("governor")
        with pytest.raises(HostError, match="no nobody"):
            await box.kill("nobody")
        url = box.exchange_url
        await box.restart("exchange")
        assert box.exchange_url == url
        assert box.log("exchange").read_text().count(f'"QTOPS_SANDBOX_API_KEY": "{key(box)}"') == 2
        assert box.pids["exchange"] != first["exchange"]
        await box.kill("redis")
        assert "redis" not in box.pids
    assert desk.exits == []


def key(box):
    return box.recipe.credentials.api_key


async def test_a_service_that_fails_when_started_again_is_told_and_the_rest_stays(desk):
    async with desk.box() as box:
        await box.kill("governor")
        with pytest.raises(HostError, match="governor ended with code 3"):
            await box.start_service("governor", {"STUB": "governor=dies"})
        assert list(box.pids) == ["redis", "exchange", "portfolio-gate"]


async def test_a_deaf_part_is_killed_and_a_paused_one_hears(desk, monkeypatch):
    monkeypatch.setattr(Child.stop, "__defaults__", (0.2,))
    async with desk.box(environ={"STUB": "governor=deaf"}) as box:
        assert await box.stop_service("governor") == -9
        os.kill(box.pids["portfolio-gate"], signal.SIGSTOP)
        assert await box.stop_service("portfolio-gate") == 0


async def test_a_given_redis_is_used_armed_and_disarmed(desk):
    with EmbeddedRedis() as server:
        async with desk.box(redis_url=server.url, namespace="mine") as box:
            assert "redis" not in box.pids
            assert environ_of(box, "governor")["QTOPS_REDIS_URL"] == server.url
        assert desk.armed == desk.disarmed == [(server.url, "mine")]
        assert not server.wait_exit(0)


SUPERVISOR = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_supervisor import Desk

async def main():
    async with Desk(Path(sys.argv[2])).box() as box:
        print(*box.pids.values(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs prctl")
def test_a_killed_supervisor_takes_all_its_children_along(desk):
    command = [sys.executable, "-c", SUPERVISOR, str(Path(__file__).parent), str(desk.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 4
        watches = [os.pidfd_open(pid) for pid in pids]
        supervisor.kill()
        for watch in watches:
            assert select.select([watch], [], [], 10)[0]
            os.close(watch)
    assert wait_until_gone(desk.home / "box", 5)
    found = look(desk.home / "box")
    assert found.is_stale
    runtime = Path(found.state["runtime_dir"])
    assert runtime.is_dir()
    clean_stale(found)
    assert not runtime.exists()
    assert not (desk.home / "box").exists()


async def test_what_a_dead_sandbox_left_does_not_stop_the_next_one(desk):
    place = SandboxDirectory(desk.home / "box", keep=False)
    place.claim()
    place.write_state({"runtime_dir": str(desk.home / "qtops-redis-elsewhere")})
    (place.journal / "old").write_text("x")
    (desk.home / "qtops-redis-elsewhere").mkdir()
    os.close(place._lock)  # as if it had been killed
    assert look(place.path).is_stale
    async with desk.box() as box:
        assert not (box.place.journal / "old").exists()
    assert (desk.home / "qtops-redis-elsewhere").is_dir()  # not where Redis makes them


def test_cleaning_behind_a_killed_sandbox_keeps_what_was_to_be_kept(tmp_path):
    place = SandboxDirectory(tmp_path / "box", keep=True)
    place.claim()
    place.write_state({})
    (place.logs / "governor.log").write_text("x")
    os.close(place._lock)
    clean_stale(look(place.path))
    assert (place.logs / "governor.log").is_file()
    assert not look(place.path).is_stale


def test_waiting_for_a_living_sandbox_has_an_end(tmp_path):
    place = SandboxDirectory(tmp_path / "box", keep=False)
    place.claim()
    assert not wait_until_gone(place.path, 0.05)
    place.release()
    assert wait_until_gone(place.path, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", ()),
        ("governor", ("governor",)),
        ("governor, executor,governor", ("governor", "executor")),
    ],
)
def test_services_may_be_named(text, expected):
    assert chosen_services(text) == expected


def test_the_gates_are_five_and_an_unknown_one_is_refused():
    assert len(chosen_services("gates")) == 5
    assert set(chosen_services("gates")) < set(chosen_services("all"))
    with pytest.raises(UsageError, match=r"no service 'x' .*all, gates, none, .*governor"):
        chosen_services("governor,x")


def test_exits_are_told_in_words():
    assert describe_exit(3) == "ended with code 3"
    assert describe_exit(-9) == "was killed by SIGKILL"
    assert describe_exit(-200) == "was killed by signal 200"


async def test_a_child_that_cannot_be_forked_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "tied", lambda _: ["/nonexistent/program"])
    child = Child(ChildSpec("x", ("x",), {}, tmp_path, tmp_path / "x.log", "s"))
    child.start()
    with pytest.raises(HostError, match=r"x cannot be started: .*nonexistent"):
        await child.ready()
    assert await child.stop() == 1
    with pytest.raises(HostError, match="x is not running"):
        _ = child.pid
