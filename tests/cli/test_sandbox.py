"""`qtops sandbox` and `--sandbox` as an operator has them: real processes, nothing stubbed."""

import json
import os
import select
import signal
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from qtops.sandbox.redis_server import EmbeddedRedis

QTOPS = [sys.executable, "-P", "-m", "qtops"]
GATES = ["snapshots", "market-state", "governor", "portfolio-gate", "position-gate", "executor"]
LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs pidfd, prctl")


@dataclass
class Machine:
    """An operator's shell in a directory of its own."""

    home: Path

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def default(self) -> Path:
        return self.work / ".qtops/sandbox"

    def environ(self, **more):
        own = {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp"), "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"]} | own | more

    def qtops(self, *argv, **more):
        return subprocess.run(
            [*QTOPS, *argv],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.work,
            env=self.environ(**more),
            timeout=50,
        )

    @contextmanager
    def begin(self, *argv, program=QTOPS, **more):
        """A command that goes on; it does not outlive the block."""
        with subprocess.Popen(
            [*program, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.work,
            env=self.environ(**more),
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise

    @contextmanager
    def up(self, *argv, **more):
        """A sandbox that is up: its process and its line of JSON."""
        with self.begin("--json", "sandbox", "up", *argv, **more) as process:
            try:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                yield process, json.loads(line)
            finally:
                process.terminate()

    def is_clean(self):
        """Nothing in the temporary directory, and no default directory."""
        return not list((self.home / "tmp").iterdir()) and not (self.work / ".qtops").exists()


@pytest.fixture
def machine(tmp_path):
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    return Machine(tmp_path)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_up_is_one_line_of_json_and_sigterm_ends_all_of_it(machine):
    with machine.up() as (process, told):
        assert told["schema"] == "qtops.sandbox.up/v1"
        assert list(told["pids"]) == ["redis", "exchange", *GATES]
        assert all(map(is_alive, told["pids"].values()))
        assert Path(told["dir"]) == machine.default
        assert len(told["api_key"]) == len(told["api_secret"]) == 64
        state = machine.default / "sandbox.json"
        written = json.loads(state.read_text())
        assert {name: written[name] for name in told if name != "timestamp"}.items() <= told.items()
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        with redis.Redis.from_url(told["redis_url"], decode_responses=True) as client:
            control = client.mget("quantum:kill", "quantum:kill:epoch", "quantum:mode")
            assert control == ["0", "1", "TESTNET"]
            assert client.exists(*(f"quantum:heartbeat:{name}" for name in GATES)) == len(GATES)
        assert machine.qtops("sandbox", "status").returncode == 0
        process.terminate()
        out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "", "")
    assert not any(map(is_alive, told["pids"].values()))
    assert machine.is_clean()


def test_up_for_people_is_one_line_too_and_ctrl_c_is_no_error(machine):
    with machine.begin("sandbox", "up", "--services", "none") as process:
        line = process.stdout.readline()
        assert line.startswith("✓ up   redis redis://127.0.0.1:")
        assert f". {machine.default}/env" in line
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert machine.is_clean()


def test_a_kept_directory_has_logs_and_journal_and_no_claim_to_live(machine):
    with machine.up("--dir", "box", "--services", "none"):
        pass
    box = machine.work / "box"
    assert sorted(path.name for path in box.iterdir()) == ["journal", "logs", "sandbox.lock"]
    assert (box / "journal/exchange.jsonl").stat().st_size
    assert machine.qtops("sandbox", "status", "--dir", "box").returncode == 2


def test_a_second_one_in_the_directory_is_refused_and_elsewhere_it_is_not(machine):
    with machine.up("--services", "none") as (process, first):
        run = machine.qtops("sandbox", "up", "--services", "none")
        assert (run.returncode, run.stdout) == (1, "")
        assert f"runs in {machine.default} already (pid {process.pid})" in run.stderr
        with machine.up("--services", "none", "--dir", "other") as (_, second):
            assert not set(first["pids"].values()) & set(second["pids"].values())
            assert first["api_key"] != second["api_key"]
        assert all(map(is_alive, first["pids"].values()))


def test_status_and_down_find_it_by_its_directory(machine):
    with machine.up("--services", "none", "--dir", "box") as (process, told):
        run = machine.qtops("sandbox", "status", "--dir", "box", "--json")
        assert (run.returncode, run.stderr) == (0, "")
        status = json.loads(run.stdout)
        assert (status["status"], status["supervisor"]) == ("up", process.pid)
        assert status["pids"] == told["pids"]
        assert told["api_secret"] not in run.stdout
        table = machine.qtops("sandbox", "status", "--dir", "box").stdout
        assert f"exchange  {told['pids']['exchange']}  up" in table
        would = machine.qtops("sandbox", "down", "--dir", "box", "--dry-run")
        assert would.stdout == f"✓ would be stopped   {machine.work}/box\n"
        assert process.poll() is None
        run = machine.qtops("sandbox", "down", "--dir", "box", "--json")
        assert (run.returncode, json.loads(run.stdout)["status"]) == (0, "stopped")
        assert process.wait(10) == 0  # its lock goes before its interpreter does
    assert machine.qtops("sandbox", "down", "--dir", "box").stdout.startswith("✓ not running")


def test_no_sandbox_is_told_and_nothing_is_written(machine):
    run = machine.qtops("sandbox", "status")
    assert (run.returncode, run.stdout) == (
        2,
        f"✗ down   {machine.default}\n    qtops sandbox up\n",
    )
    assert machine.qtops("sandbox", "down").returncode == 0
    assert machine.is_clean()


@LINUX_ONLY
def test_after_a_kill_nothing_lives_and_status_and_down_know(machine):
    with machine.up("--services", "governor") as (process, told):
        watches = [os.pidfd_open(pid) for pid in told["pids"].values()]
        process.kill()
        for watch in watches:
            assert select.select([watch], [], [], 10)[0]
            os.close(watch)
        process.wait()
    assert machine.qtops("sandbox", "status", "--json").stdout.count('"status": "stale"') == 1
    assert machine.default.is_dir()
    assert machine.qtops("sandbox", "down").stdout.startswith("✓ cleaned")
    assert not machine.default.exists()


def test_a_service_that_dies_is_reported_and_the_rest_goes_on(machine):
    with machine.up("--services", "governor") as (process, told):
        os.kill(told["pids"]["governor"], signal.SIGKILL)
        line = process.stderr.readline()
        assert line == "! warning:   governor was killed by SIGKILL; it stays down\n"
        run = machine.qtops("sandbox", "status", "--json")
        assert run.returncode == 2
        status = json.loads(run.stdout)
        assert (status["status"], status["ended"]) == ("degraded", {"governor": -9})
        table = machine.qtops("sandbox", "status").stdout
        assert "was killed by SIGKILL" in table
        assert table.startswith("✗ degraded")
        process.terminate()
        assert process.wait() == 0


def test_a_service_that_does_not_start_is_one_line_with_its_reason(machine):
    run = machine.qtops("sandbox", "up", "--services", "executor", QTOPS_FAILPOINT="nowhere")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: executor ended with code 1 before it was ready: ")
    assert "'nowhere' is not a valid Step" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert machine.is_clean()


@pytest.mark.parametrize("how", [["sandbox", "up"], ["sandbox", "run", "--", "true"]])
def test_a_signal_before_it_is_up_leaves_nothing(machine, how):
    with machine.begin(*how) as process:
        while not list(machine.home.glob("**/logs/exchange.log")):
            assert process.poll() is None
            select.select([], [], [], 0.005)
        process.terminate()
        assert process.communicate() == ("", "interrupted: stopped by the operator\n")
    assert process.returncode == 130
    assert machine.is_clean()


@pytest.mark.parametrize("how", ["up", "exchange", "run"])
def test_an_unknown_scenario_names_the_known_ones(machine, how):
    tail = ["--", "true"] if how == "run" else []
    run = machine.qtops("sandbox", how, "--scenario", "nope", *tail)
    assert (run.returncode, run.stdout) == (1, "")
    assert len(run.stderr.splitlines()) == 1
    assert "nope" in run.stderr
    assert "exit-proof" in run.stderr
    assert machine.is_clean()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["up", "--services", "nobody"], "no service 'nobody'"),
        (["up", "now"], "unexpected extra argument"),
        (["run"], "missing argument"),
        (["exchange", "--port", "x"], "--port"),
        (["exchange", "--port", "70000"], "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_a_usage_error(machine, argv, said):
    run = machine.qtops("sandbox", *argv)
    assert run.returncode == 64
    assert said in run.stderr
    assert machine.is_clean()


def test_run_gives_a_command_the_environment_and_takes_its_exit_code(machine):
    script = "import json, os, sys; print(json.dumps(dict(os.environ))); sys.exit(7)"
    run = machine.qtops(
        *("--profile", "box", "sandbox", "run", "--services", "none"),
        *("--", sys.executable, "-c", script),
        GOV_MAX_OPEN_POSITIONS="3",
        P33_ALLOWLIST="BTCUSDT",
        BINANCE_API_SECRET="mainnet",
        QTOPS_CONFIG=str(profile_file(machine)),
    )
    assert (run.returncode, run.stderr) == (7, "")
    seen = json.loads(run.stdout)
    assert seen["QTOPS_REDIS_URL"].startswith("redis://127.0.0.1:")
    assert seen["QTOPS_EXCHANGE_URL"].startswith("http://127.0.0.1:")
    assert len(seen["BINANCE_TESTNET_API_KEY"]) == len(seen["BINANCE_TESTNET_API_SECRET"]) == 64
    expected = {
        "BINANCE_USE_TESTNET": "true",
        "BINANCE_API_SECRET": "",
        "QTOPS_NAMESPACE": "boxed",
        "QTOPS_PROFILE": "box",
        "GOV_MAX_OPEN_POSITIONS": "3",
        "P33_ALLOWLIST": "BTCUSDT",
        "INTENT_EXECUTOR_ALLOWLIST": "BTCUSDT,ETHUSDT,TRXUSDT",
        "QTOPS_METRICS_PORT_GOVERNOR": "0",
    }
    assert expected.items() <= seen.items()
    assert machine.is_clean()


def profile_file(machine):
    path = machine.home / "settings.toml"
    path.write_text('[profile.box]\nnamespace = "boxed"\n')
    return path


def test_run_finds_qtops_and_says_128_and_the_number_for_a_signal(machine):
    run = machine.qtops(
        *("sandbox", "run", "--services", "none", "--", "sh", "-c"),
        f"PATH=$PATH:/usr/bin; {sys.executable} -m qtops config show BINANCE_TESTNET_API_KEY;"
        " kill -9 $$",
    )
    assert run.returncode == 137
    assert "BINANCE_TESTNET_API_KEY  ***    env" in run.stdout


def test_run_hands_signals_on_and_waits_for_the_command(machine):
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    command = ["sandbox", "run", "--services", "none", "--", sys.executable, "-c", script]
    with machine.begin(*command) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.communicate() == ("", "")
    assert process.returncode == 5
    assert machine.is_clean()


def test_run_leaves_broken_pipes_to_the_command(machine):
    script = "yes | head -1; echo ${PIPESTATUS[0]}"
    run = machine.qtops("sandbox", "run", "--services", "none", "--", "bash", "-c", script)
    assert run.stdout == "y\n141\n"


@LINUX_ONLY
def test_the_command_dies_with_a_killed_run(machine):
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    command = ["sandbox", "run", "--services", "none", "--", sys.executable, "-c", script]
    with machine.begin(*command) as process:
        watch = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        assert select.select([watch], [], [], 10)[0]
        os.close(watch)


def test_run_without_such_a_command_starts_nothing(machine):
    run = machine.qtops("sandbox", "run", "--", "no-such-command")
    assert run.returncode == 1
    assert run.stderr == "error: there is no command no-such-command\n"


@pytest.mark.parametrize("where", [["--redis"], []])
def test_on_a_given_redis_it_keeps_to_itself(machine, where):
    with (
        EmbeddedRedis() as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        client.set("quantum:kill", "1")
        url = ["--redis", server.url]
        command = ["sandbox", "run", *url] if where else [*url, "sandbox", "run"]
        script = 'echo "$QTOPS_NAMESPACE $QTOPS_REDIS_URL"; exec "$0" -m qtops run list -q'
        run = machine.qtops(
            *(*command, "--services", "governor", "--", "sh", "-c", script, sys.executable),
            QTOPS_NAMESPACE="quantum",
        )
        assert run.returncode == 0, run.stderr
        namespace, told = run.stdout.splitlines()[0].split()
        assert namespace.startswith("sandbox-")
        assert told == server.url
        assert client.keys("*") == ["quantum:kill"]
        assert client.get("quantum:kill") == "1"


def test_the_exchange_alone_takes_keys_and_port_and_continues_its_journal(machine):
    keys = {"QTOPS_SANDBOX_API_KEY": "k" * 64, "QTOPS_SANDBOX_API_SECRET": "s" * 64}
    port = "0"
    for _ in range(2):
        command = ["--json", "sandbox", "exchange", "--port", port, "--journal", "j"]
        with machine.begin(*command, **keys) as process:
            told = json.loads(process.stdout.readline())
            assert told["schema"] == "qtops.sandbox.exchange/v1"
            assert (told["api_key"], told["api_secret"]) == ("k" * 64, "s" * 64)
            assert told["pid"] == process.pid
            with urllib.request.urlopen(told["exchange_url"] + "/fapi/v1/ping") as answer:
                assert answer.status == 200
            process.terminate()
            assert process.communicate() == ("", "")
        assert process.returncode == 0
        port = told["exchange_url"].rpartition(":")[2]
    assert (machine.work / "j/exchange.jsonl").is_file()


def test_an_exchange_without_keys_shows_the_ones_it_made(machine):
    with machine.begin("sandbox", "exchange") as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        process.communicate()
    assert lines[0].startswith("✓ ready   http://127.0.0.1:")
    key, secret = (line.strip().partition("=")[2] for line in lines[1:])
    assert len(key) == len(secret) == 64


def test_a_port_in_use_is_one_line(machine):
    with machine.begin("--json", "sandbox", "exchange") as process:
        port = json.loads(process.stdout.readline())["exchange_url"].rpartition(":")[2]
        run = machine.qtops("sandbox", "exchange", "--port", port)
        assert run.returncode == 1
        assert len(run.stderr.splitlines()) == 1
        assert "in use" in run.stderr
        process.terminate()
        process.communicate()


def test_the_global_option_runs_one_command_against_a_throw_away_sandbox(machine):
    names = ["QTOPS_REDIS_URL", "QTOPS_EXCHANGE_URL", "P33_ALLOWLIST"]
    run = machine.qtops(
        *("--sandbox", "--json", "config", "show", *names),
        QTOPS_REDIS_URL="redis://elsewhere",
        QTOPS_MISTAKEN="x",
        P33_ALLOWLIST="BTCUSDT",
    )
    assert run.returncode == 0
    assert run.stderr.count("QTOPS_MISTAKEN") == 1
    rows = json.loads(run.stdout)["settings"]
    assert {row["origin"] for row in rows} == {"--sandbox"}
    assert rows[0]["value"].startswith("redis://127.0.0.1:")
    assert rows[2]["value"] == "BTCUSDT"
    assert machine.is_clean()


@pytest.mark.parametrize("argv", [["config", "show", "--nope"], ["config", "show", "--help"]])
def test_the_global_option_starts_nothing_for_a_command_that_does_not_run(machine, argv):
    missing = "/nonexistent"  # a sandbox could not be made there
    run = machine.qtops("--sandbox", *argv, TMPDIR=missing)
    assert run.returncode in {0, 64}


def test_the_global_option_keeps_the_commands_exit_code(machine):
    run = machine.qtops("--sandbox", "config", "show", "NO_SUCH_SETTING")
    assert run.returncode == 64
    assert machine.is_clean()


def test_the_global_option_is_not_for_sandbox_commands(machine):
    run = machine.qtops("--sandbox", "sandbox", "up")
    assert run.returncode == 64
    assert "--sandbox is for other commands" in run.stderr
    assert machine.is_clean()


def test_a_terminated_service_takes_its_throw_away_sandbox_along(machine):
    with machine.begin("--sandbox", "--json", "run", "snapshots") as process:
        assert json.loads(process.stdout.readline())["service"] == "snapshots"
        process.terminate()
        out, err = process.communicate()
    assert (process.returncode, out) == (0, ""), err
    assert machine.is_clean()


WAITING = """
import sys, time
from types import ModuleType
from qtops.cli.app import Part
from qtops.cli.main import main
from qtops.cli.options import command_group
app = command_group()
@app.command()
def wait() -> None:
    print('ready', flush=True)
    time.sleep(60)
sys.modules['waiting'] = ModuleType('waiting')
sys.modules['waiting'].app = app
sys.exit(main(['--sandbox', 'wait'], parts=[Part('wait', 'waiting', 'x', leaf=True)]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_command_takes_its_throw_away_sandbox_along(machine, number):
    with machine.begin(program=[sys.executable, "-c", WAITING]) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate() == ("", "interrupted: stopped by the operator\n")
    assert process.returncode == 130
    assert machine.is_clean()


def test_a_signal_while_the_throw_away_sandbox_starts_leaves_nothing(machine):
    with machine.begin("--sandbox", "config", "show") as process:
        while not list(machine.home.glob("**/logs/governor.log")):
            assert process.poll() is None
            select.select([], [], [], 0.005)
        process.terminate()
        assert process.communicate() == ("", "interrupted: stopped by the operator\n")
    assert process.returncode == 130
    assert machine.is_clean()
