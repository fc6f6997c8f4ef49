"""`qtops rollback` on a real sandbox: its executor, its Redis, its files, and real kills."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from qtops.sandbox.control_socket import SandboxControl

QTOPS = [sys.executable, "-P", "-m", "qtops"]
LANE = "quantum:manual_lane:enabled"
BEFORE = (
    "# who may send plans\n"
    "INTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge,extra\n"
    "INTENT_EXECUTOR_PERMIT_WAIT_SECONDS=1\n"
)
AFTER = BEFORE.replace(",extra", "")
LIMIT_S = 40
PLAN = {
    "decision": "EXECUTE",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "MARKET",
    "qty": "0.001",
    "reduceOnly": "true",
    "action": "FULL_CLOSE_PROPOSED",
}


def until(met, process=None):
    """Wait for a state of the world."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := met()):
        assert time.monotonic() < deadline, "it never came to that"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    return found


def owed(plant):
    """What `health` and `ledger list --open` say is not brought to an end; they agree."""
    run = subprocess.run(check=True, **plant.command("ledger", "list", "--open"))
    health = subprocess.run(check=False, **plant.command("health", "--only", "obligations"))
    commands = [line.strip() for line in run.stdout.splitlines() if "qtops rollback" in line]
    assert all(command in health.stdout for command in commands)
    return run.stdout


class Plant:
    """A sandbox that is up, and a shell that has joined it."""

    def __init__(self, home, directory, environ, client):
        self.home = home
        self.environ = environ
        self.db = client
        self.control = SandboxControl(directory)
        self.env_file = directory / "env.d/executor.env"
        self.state = home / "state"

    def command(self, *argv, **more):
        """A program, its directory and its environment."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        own |= {"QTOPS_STATE_DIR": str(self.state)}
        return {
            "args": [*QTOPS, *argv],
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": self.home,
            "env": own | self.environ | more,
        }

    def __call__(self, *argv, **more):
        return subprocess.run(check=False, timeout=60, **self.command("rollback", *argv, **more))

    def json(self, *argv, **more):
        run = self(*argv, "--json", **more)
        return json.loads(run.stdout)

    @property
    def life(self):
        return asyncio.run(self.control.state("executor")).life

    def prepare(self):
        """The executor takes plans of `extra`, and the lane is open."""
        self.env_file.write_text(BEFORE)
        asyncio.run(self.control.restart("executor"))
        self.db.set(LANE, "1", ex=600)
        self.db.set("quantum:mode", "TESTNET")

    def result_of(self, plan_id, source):
        """What the executor says about a plan of that source."""
        fields = PLAN | {"plan_id": plan_id, "source": source}
        fields["timestamp"] = str(time.time_ns() // 1_000_000)
        self.db.xadd("quantum:stream:apply.plan", fields)

        def found():
            entries = self.db.xrange("quantum:stream:apply.result")
            return [entry for _, entry in entries if entry["plan_id"] == plan_id]

        return until(found)[0]

    def is_as_before(self):
        return self.env_file.read_text() == BEFORE and self.db.get(LANE) == "1"

    def ledger(self):
        log = self.home / "ledger/log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    home = tmp_path_factory.mktemp("box")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    argv = [*QTOPS, "--json", "sandbox", "up", "--dir", str(home / "dir")]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home, env=environ
    ) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield Path(json.loads(line)["dir"]), json.loads(line)["redis_url"]
        finally:
            process.terminate()


@pytest.fixture
def plant(tmp_path, box):
    directory, url = box
    lines = (directory / "env").read_text().splitlines()
    words = (shlex.split(line.removeprefix("export "))[0] for line in lines)
    environ = dict(word.split("=", 1) for word in words)
    with redis.Redis.from_url(url, decode_responses=True) as client:
        plant = Plant(tmp_path, directory, environ, client)
        plant.prepare()
        yield plant


def test_soft_shuts_out_every_other_source_and_undo_lets_it_in_again(plant):
    assert "source_not_allowed" not in plant.result_of("before", "extra").get("error", "")
    life = plant.life
    document = plant.json("soft", "--reason", "wrong fills", "--by", "ops", "--yes")
    assert (document["status"], document["exit_code"]) == ("rolled_back", 0)
    assert {step["stage"] for step in document["steps"]} == {"done"}
    assert plant.env_file.read_text() == AFTER
    assert not plant.db.exists(LANE)
    assert plant.life not in {"", life}
    assert plant.result_of("after", "extra")["error"] == "source_not_allowed:extra"
    [entry] = plant.ledger()
    assert entry["operation_id"] == document["ledger_id"]
    assert entry["rollback_ref"] == f"qtops rollback undo {document['rollback_id']}"

    preview = plant.json("undo", document["rollback_id"], "--dry-run")["changes"]
    assert "+INTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge,extra" in preview
    assert preview[-1] == "restart executor"
    assert plant.env_file.read_text() == AFTER
    undone = plant("undo", document["rollback_id"], "--yes")
    assert undone.returncode == 0, undone.stderr
    assert plant.is_as_before()
    assert "source_not_allowed" not in plant.result_of("again", "extra").get("error", "")
    assert plant.ledger()[-1]["rollback_of"] == document["ledger_id"]
    again = plant.json("undo", document["rollback_id"], "--yes")
    assert again["status"] == "already_undone"
    assert len(plant.ledger()) == 2


def test_a_dry_run_prints_the_exact_change_and_touches_nothing(plant):
    files = set(plant.home.rglob("*"))
    run = plant("soft", "--dry-run")
    assert run.returncode == 0
    assert "-INTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge,extra" in run.stdout
    assert "+INTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge" in run.stdout
    assert f"{LANE}: 1 → deleted" in run.stdout
    assert "restart executor" in run.stdout
    assert plant.is_as_before()
    assert set(plant.home.rglob("*")) == files


def test_without_a_terminal_and_without_yes_it_is_refused(plant):
    run = plant("soft")
    assert run.returncode == 4
    assert "--yes" in run.stderr
    assert plant.is_as_before()
    assert not plant.state.exists()


def test_on_a_terminal_it_shows_the_change_and_asks(plant, shell):
    environ = plant.environ | {"QTOPS_STATE_DIR": str(plant.state)}
    words = ("rollback", "soft", "--no-ledger")
    run = shell(*words, environ=environ, stdin="n\n", tty=True)
    assert run.code == 4
    assert "+INTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge" in run.err
    assert plant.is_as_before()
    assert shell(*words, environ=environ, stdin="y\n", tty=True).code == 0
    assert plant.env_file.read_text() == AFTER


def test_what_nobody_confirms_comes_back_by_itself(plant):
    document = plant.json("soft", "--confirm-within", "1s", "--yes")
    name = document["rollback_id"]
    until(lambda: plant.json("list")["rollbacks"][0]["state"] == "undone")
    assert plant.is_as_before()
    assert plant("list").returncode == 0
    refused = plant("confirm", name)
    assert refused.returncode == 4
    assert "undone" in refused.stderr


def test_what_is_confirmed_stays_and_what_is_not_blocks_the_next(plant):
    name = plant.json("soft", "--confirm-within", "10m", "--no-ledger", "--yes")["rollback_id"]
    listed = plant("list")
    assert listed.returncode == 2
    assert f"qtops rollback confirm {name}" in listed.stdout
    assert f"qtops rollback confirm {name}" in owed(plant)
    blocked = plant("soft", "--yes")
    assert blocked.returncode == 4
    assert f"qtops rollback confirm {name}" in blocked.stderr
    assert plant("confirm", name, "--dry-run").returncode == 0
    assert plant("list").returncode == 2
    assert plant("confirm", name).returncode == 0
    assert plant("list").returncode == 0
    assert name not in owed(plant)
    assert plant.env_file.read_text() == AFTER
    assert not (plant.home / "ledger").exists()


@pytest.mark.parametrize("way", ["undo", "resume"])
def test_what_a_kill_left_is_recognised_and_taken_back_or_finished(plant, way):
    blocks = {
        "QTOPS_SERVICE_CONTROL": "command",
        "QTOPS_SERVICE_STATUS_COMMAND": "test -n {service}",
    }
    started = plant.home / "started"
    script = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    words = [sys.executable, "-c", script, "{service}"]
    blocks["QTOPS_SERVICE_RESTART_COMMAND"] = shlex.join(words)
    command = plant.command("rollback", "soft", "--yes", **blocks)
    with subprocess.Popen(start_new_session=True, **command) as process:
        until(started.exists, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert plant.env_file.read_text() == AFTER
    [name] = plant.json("list")["open"]
    assert f"qtops rollback undo {name}" in owed(plant)
    refused = plant("soft", "--yes")
    assert refused.returncode == 4
    assert f"qtops rollback resume {name}" in refused.stderr
    assert f"qtops rollback undo {name}" in refused.stderr
    run = plant(way, name, "--yes")
    assert run.returncode == 0, run.stderr
    assert plant("list").returncode == 0
    if way == "undo":
        assert plant.is_as_before()
    else:
        assert plant.env_file.read_text() == AFTER
        assert plant.result_of("resumed", "extra")["error"] == "source_not_allowed:extra"


def test_a_reverter_takes_back_what_a_kill_left(plant):
    started = plant.home / "started"
    script = (
        "import pathlib, time\n"
        f"started = pathlib.Path({str(started)!r})\n"
        "if not started.exists():\n"
        "    started.touch()\n"
        "    time.sleep(60)\n"
    )
    blocks = {
        "QTOPS_SERVICE_CONTROL": "command",
        "QTOPS_SERVICE_RESTART_COMMAND": shlex.join([sys.executable, "-c", script, "{service}"]),
        "QTOPS_SERVICE_STATUS_COMMAND": "test -n {service}",
    }
    argv = ("rollback", "soft", "--confirm-within", "3s", "--yes")
    with subprocess.Popen(start_new_session=True, **plant.command(*argv, **blocks)) as process:
        until(started.exists, process)
        os.killpg(process.pid, signal.SIGKILL)
    until(lambda: plant.json("list")["rollbacks"][0]["state"] == "undone")
    assert plant.is_as_before()


def test_dry_run_stops_orders_and_says_nothing_was_executed(plant):
    run = plant("dry-run", "--watch", "1s", "--yes")
    assert run.returncode == 0, run.stderr
    assert plant.db.get("quantum:mode") == "DRY_RUN"
    assert "nothing executed in 1 s" in run.stdout
    assert plant.result_of("dry", "intent_bridge")["executed"] == "false"


def test_dry_run_fails_when_something_is_executed_afterwards(plant):
    command = plant.command("rollback", "dry-run", "--watch", "2s", "--yes", "--json")
    with subprocess.Popen(**command) as process:
        until(lambda: plant.db.get("quantum:mode") == "DRY_RUN", process)
        while process.poll() is None:
            late = {"plan_id": "late", "executed": "true", "symbol": "BTCUSDT", "source": "x"}
            plant.db.xadd("quantum:stream:apply.result", late)
            time.sleep(0.1)
        document = json.loads(process.stdout.read())
    assert (document["status"], document["exit_code"]) == ("executed", 2)
    assert set(document["executed"]) == {"late"}


def test_an_entry_that_is_an_exception_to_the_policy_is_said(plant):
    run = plant("soft", "--yes", QTOPS_LEDGER_POLICY="SERVICE_RESTART")
    assert run.returncode == 0
    assert "nobody but the requester approved it" in run.stderr


def test_what_was_executed_before_the_watch_began_is_seen_as_well(plant):
    command = plant.command("rollback", "dry-run", "--watch", "1s", "--yes", "--json")
    with subprocess.Popen(**command) as process:
        until(lambda: plant.db.get("quantum:mode") == "DRY_RUN", process)
        early = {"plan_id": "early", "executed": "true", "symbol": "BTCUSDT", "source": "x"}
        plant.db.xadd("quantum:stream:apply.result", early)  # the ledger is being written
        document = json.loads(process.stdout.read())
    assert document["executed"] == ["early"]


def test_another_system_than_the_rollbacks_is_refused(plant):
    name = plant.json("soft", "--yes")["rollback_id"]
    run = plant("undo", name, "--yes", QTOPS_NAMESPACE="other")
    assert run.returncode == 4
    assert plant.env_file.read_text() == AFTER


def test_a_missing_env_file_is_said_before_anything_changes(plant):
    run = plant("soft", "--yes", QTOPS_EXECUTOR_ENV_FILE=str(plant.home / "gone.env"))
    assert run.returncode == 1
    assert "gone.env: No such file" in run.stderr
    assert plant.is_as_before()


def test_a_sandbox_that_is_gone_is_said(plant):
    run = plant("soft", "--yes", QTOPS_SANDBOX_DIR=str(plant.home))
    assert run.returncode == 1
    assert "does not answer" in run.stderr


@pytest.mark.parametrize("span", ["soon", "0s", ""])
def test_a_span_that_is_none_is_a_usage_error(shell, span):
    run = shell("rollback", "dry-run", "--watch", span, "--yes")
    assert run.code == 64
    assert "--watch" in run.err


def test_a_sandbox_that_ends_with_the_command_is_refused(plant):
    command = plant.command("--sandbox", "rollback", "soft", "--yes")
    run = subprocess.run(check=False, timeout=60, **command)
    assert run.returncode == 64
    assert "qtops sandbox up" in run.stderr
