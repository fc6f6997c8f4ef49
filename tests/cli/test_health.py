"""`qtops health` on a real Redis, a real sandbox, and when what it looks at is gone."""

import http.server
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from decimal import Decimal
from typing import ClassVar

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import Portfolio
from qtops.contracts.plan import Plan
from qtops.contracts.snapshot import encode_portfolio
from qtops.contracts.vocabulary import Action, GateName, PlanDecision, Side
from qtops.sandbox.redis_server import EmbeddedRedis

SERVICES = ("snapshots", "market-state", "governor", "portfolio-gate", "position-gate", "executor")
GROUPS = ("governor", "p26_portfolio_gate", "p33", "intent_executor")
PLANS = "quantum:stream:apply.plan"
DECISIONS = "quantum:stream:gate.decision"
IN_REDIS = "redis,permits,heartbeats,snapshots,kill,streams"


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def db(server):
    """A Redis in which everything lives."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
        for service in SERVICES:
            client.hset(f"quantum:heartbeat:{service}", "pid", "1")
            client.expire(f"quantum:heartbeat:{service}", 15)
        for group in GROUPS:
            client.xgroup_create(PLANS, group, "0", mkstream=True)
        client.set("quantum:kill", "0")
        snapshot = encode_portfolio(Portfolio({}, None), now_ms(client))
        client.hset("quantum:state:portfolio", mapping=snapshot)
        yield client


@pytest.fixture
def health(shell, server, db):
    """`qtops health` over what lies in Redis, unless the test asks for more."""

    def run(*argv, only=IN_REDIS, environ=None, **rest):
        chosen = ("--only", only) if only else ()
        own = {"QTOPS_REDIS_URL": server.url}
        return shell("health", *chosen, *argv, environ=own | (environ or {}), **rest)

    return run


def now_ms(client):
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def plan(plan_id, **changes):
    rest = {
        "decision": PlanDecision.EXECUTE,
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "quantity": Decimal(1),
        "reduce_only": True,
        "source": "intent_bridge",
        "action": Action.FULL_CLOSE_PROPOSED,
    }
    return Plan(plan_id, **(rest | changes)).to_fields()


def add_plan(client, plan_id, age_ms, **changes):
    client.xadd(PLANS, plan(plan_id, **changes), id=f"{now_ms(client) - age_ms}-*")


def decide(client, plan_id, *gates):
    for gate in gates:
        at = now_ms(client)
        record = DecisionRecord(plan_id, gate.value, True, "ok", "BTCUSDT", "SELL", "close", at)
        client.xadd(DECISIONS, record.to_fields())


def read_all(client):
    """The groups have taken and settled what there is."""
    for group in GROUPS:
        taken = client.xreadgroup(group, "c", {PLANS: ">"})
        for _, entries in taken:
            client.xack(PLANS, group, *[entry_id for entry_id, _ in entries])


def check_of(document, name):
    return next(check for check in document["checks"] if check["check"] == name)


def test_all_is_well(health):
    run = health()
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("✓ OK   6 of 6 checks healthy   ")
    assert health("--quiet").out.count("\n") == 1


def test_reading_changes_nothing(health, db):
    before = {key: db.dump(key) for key in db.scan_iter("*")}
    health("--format", "json")
    assert {key: db.dump(key) for key in db.scan_iter("*")} == before


def test_json_is_one_document_however_it_was_asked_for(health):
    for argv in (["--json"], ["--format", "json"], ["--format=json", "--json"]):
        run = health(*argv)
        document = run.document
        assert (document["schema"], document["status"]) == ("qtops.health/v1", "ok")
        assert (document["exit_code"], document["headline"]) == (0, "6 of 6 checks healthy")
        assert [check["check"] for check in document["checks"]] == IN_REDIS.split(",")
        assert check_of(document, "permits")["summary"] == "idle, 0 plans in 15 min"


def test_a_gate_that_beats_and_says_nothing_fails(health, db):
    for number in range(3):
        add_plan(db, f"p{number}", 94_500 - number)
        decide(db, f"p{number}", GateName.GOVERNOR, GateName.POSITION)
    read_all(db)
    run = health("--format", "nagios")
    words = "portfolio gate silent for 94 s, 3 plans waiting"
    assert run.code == 2
    assert run.out.startswith(f"CRITICAL - {words} | redis_latency_ms=")
    assert f"\nCRITICAL: {words}; next: qtops audit permits\n" in run.out
    document = health("--json").document
    assert (document["status"], document["exit_code"]) == ("fail", 2)
    assert check_of(document, "heartbeats")["status"] == "ok"


def test_plans_that_all_gates_decided_are_fine_and_a_skipped_one_is_owed_nothing(health, db):
    add_plan(db, "p1", 60_000)
    decide(db, "p1", *GateName)
    add_plan(db, "p2", 50_000, decision=PlanDecision.SKIP)
    db.xadd(PLANS, {"plan_id": "undecodable"}, id=f"{now_ms(db) - 40_000}-*")
    read_all(db)
    run = health()
    assert run.code == 0
    assert "1 plan in 15 min, every gate answers" in run.out


def test_a_window_that_was_cut_short_begins_at_its_oldest_plan(health, db, monkeypatch):
    monkeypatch.setattr("qtops.adapters.health_reader.MOST_PLANS", 2)
    add_plan(db, "undecided", 600_000)
    for number in range(2):
        add_plan(db, f"p{number}", 300_000 - number)
        decide(db, f"p{number}", *GateName)
    read_all(db)
    run = health()
    assert run.code == 0
    assert "2 plans in 5 min, every gate answers" in run.out


def test_plans_outside_the_window_do_not_count(health, db):
    add_plan(db, "old", 901_000)
    read_all(db)
    assert health().code == 0


def test_a_dead_service_is_named_with_what_starts_it(health, db):
    db.delete("quantum:heartbeat:executor")
    run = health()
    assert run.code == 2
    assert run.out.startswith("✗ CRITICAL   executor has no heartbeat   ")
    assert "  ✗ executor has no heartbeat\n    qtops run executor\n" in run.out


def test_unread_and_unsettled_entries_count_by_group(health, db):
    for _ in range(100):
        db.xadd(PLANS, {"plan_id": "undecodable"})
    db.xreadgroup("governor", "c", {PLANS: ">"}, count=40)
    document = health("--json").document
    figures = {
        (figure["name"], figure["labels"]["service"]): figure["value"]
        for figure in check_of(document, "streams")["figures"]
    }
    assert figures["lag_entries", "governor"] == 60
    assert figures["pending_entries", "governor"] == 40
    assert figures["lag_entries", "executor"] == 100
    words = [finding["what"] for finding in check_of(document, "streams")["findings"]]
    assert words == [
        f"apply.plan, {service}: 100 entries unread"
        for service in ("portfolio-gate", "position-gate", "executor")
    ]


def test_a_lag_that_the_server_lost_is_unknown_and_not_zero(health, db):
    ids = [db.xadd(PLANS, {"plan_id": "undecodable"}) for _ in range(3)]
    db.xgroup_setid(PLANS, "p33", ids[0])
    db.xdel(PLANS, ids[1])  # behind the newest read: no group's lag can be counted any more
    assert db.xinfo_groups(PLANS)[2]["lag"] is None
    run = health("--format", "nagios")
    assert run.code == 3
    assert run.out.startswith("UNKNOWN - apply.plan, governor: the server does not know")
    assert f"next: redis-cli XINFO GROUPS {PLANS}\n" in run.out
    assert "lag_entries=U;100;1000" in run.out


def test_a_group_that_is_missing_where_entries_wait_fails(health, db):
    db.xgroup_destroy(PLANS, "p33")
    assert health().code == 0
    db.xadd(PLANS, {"plan_id": "undecodable"})
    run = health()
    assert run.code == 2
    assert "apply.plan, position-gate: its group is missing, 1 entries wait" in run.out


@pytest.mark.parametrize(("value", "code"), [("reduce", 1), ("1", 1), (None, 2), ("banana", 2)])
def test_the_kill_switch(health, db, value, code):
    db.delete("quantum:kill") if value is None else db.set("quantum:kill", value)
    assert health("--format", "nagios").code == code
    assert health().code == 2


def test_a_stale_snapshot_is_measured_by_the_position_gates_own_limit(health, db):
    old = encode_portfolio(Portfolio({}, None), now_ms(db) - 20_000)
    db.hset("quantum:state:portfolio", mapping=old)
    run = health(only="snapshots")
    assert run.code == 2
    assert "positions are 20 s old (limit 10 s)" in run.out
    assert health(only="snapshots", environ={"P33_STALE_THRESHOLD_SEC": "60"}).code == 0


def test_a_key_of_another_type_is_unknown_and_the_rest_is_read(health, db):
    db.delete("quantum:state:portfolio")
    db.set("quantum:state:portfolio", "x")
    document = health("--json").document
    assert (document["status"], document["exit_code"]) == ("unknown", 2)
    assert check_of(document, "snapshots")["status"] == "unknown"
    assert document["checks_seen"] == 5


def test_what_redis_refuses_this_user_is_unknown_with_the_reason(shell, server, db):
    db.acl_setuser("h", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-info"])
    environ = {"QTOPS_REDIS_URL": f"redis://h:pw@127.0.0.1:{server.port}"}
    run = shell("health", "--only", "redis,kill", "--json", environ=environ)
    db.acl_deluser("h")
    assert check_of(run.document, "kill")["status"] == "ok"
    [finding] = check_of(run.document, "redis")["findings"]
    assert finding["status"] == "unknown"
    assert "no permissions" in finding["what"]


def test_little_memory_left_is_a_figure_in_every_format(health, db):
    used = int(db.info("memory")["used_memory"])
    db.config_set("maxmemory", used + used // 10)
    try:
        assert "redis_memory_ratio=0.9" in health("--format", "nagios").out
        assert "qtops_health_redis_memory_ratio 0.9" in health("--format", "prom").out
    finally:
        db.config_set("maxmemory", 0)


def test_no_redis_is_critical_and_what_rests_on_it_is_unknown(shell, unused_tcp_port):
    environ = {"QTOPS_REDIS_URL": f"redis://u:hunter2@127.0.0.1:{unused_tcp_port}"}
    run = shell("health", "--format", "nagios", "--only", "kill,permits", environ=environ)
    assert run.code == 2
    assert run.out.startswith("CRITICAL - Redis at redis://")
    assert "UNKNOWN: kill unknown: Redis cannot be read" in run.out
    assert "hunter2" not in run.out + run.err
    document = shell("health", "--only", "kill", "--json", environ=environ).document
    assert [check["check"] for check in document["checks"]] == ["redis", "kill"]
    assert document["exit_code"] == 2


@pytest.fixture
def silent():
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_redis_that_never_answers_costs_only_its_limit(shell, silent):
    environ = {"QTOPS_REDIS_URL": f"redis://127.0.0.1:{silent}"}
    run = shell("health", "--only", "redis", "--format", "nagios", environ=environ)
    assert (run.code, run.out.splitlines()[0]) == (2, "CRITICAL - Redis did not answer in 2 s")


def test_an_exchange_that_never_answers_is_a_failure(shell, silent):
    environ = {"QTOPS_EXCHANGE_URL": f"http://127.0.0.1:{silent}"}
    run = shell("health", "--only", "exchange", environ=environ)
    assert run.code == 2
    assert run.out.startswith("✗ CRITICAL   exchange: no answer in 2 s")


def test_an_exchange_that_is_not_there_is_a_failure(shell, unused_tcp_port):
    environ = {"QTOPS_EXCHANGE_URL": f"http://127.0.0.1:{unused_tcp_port}"}
    run = shell("health", "--only", "exchange", environ=environ)
    assert run.code == 2
    assert "GET /fapi/v1/time: not reached (ConnectError)" in run.out


def test_an_exchange_url_that_is_wrong_is_unknown(shell):
    environ = {"QTOPS_EXCHANGE_URL": "http://fapi.binance.com"}
    run = shell("health", "--only", "exchange", "--format", "nagios", environ=environ)
    assert (run.code, run.out.splitlines()[0]) == (
        3,
        "UNKNOWN - exchange unknown: the exchange URL is not encrypted",
    )


def test_an_open_operation_is_a_warning_until_it_is_ended(shell):
    root = shell.home / "work"
    record = {"what": "restart the governor", "opened_at_ms": 1_769_470_462_123, "by": "ops@host"}
    path = root / "ledger/open/OPS-2026-01-27-001.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    environ = {"QTOPS_LEDGER_ROOT": str(root)}
    run = shell("health", "--only", "obligations", "--format", "nagios", environ=environ)
    assert run.code == 1
    words = "operation OPS-2026-01-27-001 is open for 2 h: restart the governor"
    assert run.out.splitlines() == [
        f"WARNING - {words} | open_operations=1",
        f"WARNING: {words}; next: qtops ops end OPS-2026-01-27-001",
    ]
    path.unlink()
    assert shell("health", "--only", "obligations", environ=environ).code == 0


def test_where_there_is_no_ledger_nothing_was_looked_at(health, shell):
    run = health(only=f"{IN_REDIS},obligations")
    assert run.code == 0
    assert run.out.startswith("✓ OK   6 of 7 checks healthy")
    assert f"obligations unknown: no ledger in {shell.home}/work" in run.out
    assert health(only="obligations").code == 2


def test_a_ledger_root_that_is_gone_is_unknown(shell):
    environ = {"QTOPS_LEDGER_ROOT": "/nowhere"}
    run = shell("health", "--only", "obligations", "--format", "nagios", environ=environ)
    assert run.code == 3
    assert "/nowhere is no directory" in run.out


WRONG = [
    ["--only", "redis", "--skip", "redis"],
    ["--only", "redis,nonsense"],
    ["--skip", "nonsense"],
    ["--only", ","],
    ["--ping-url", "ftp://x/secret"],
    ["--ping-url", "secret"],
    ["extra"],
]


@pytest.mark.parametrize("argv", WRONG, ids=map(" ".join, WRONG))
def test_a_wrong_command_line_is_64_and_3_to_a_monitor(shell, argv):
    run = shell("health", *argv)
    assert (run.code, run.out) == (64, "")
    assert "secret" not in run.err
    assert shell("health", *argv, "--format", "nagios").code == 3
    assert shell("health", "--format=nagios", *argv).code == 3


def test_a_monitor_that_hangs_up_is_no_traceback(server, db, tmp_path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "QTOPS_REDIS_URL": server.url}
    with subprocess.Popen(
        [sys.executable, "-m", "qtops", "health", "--format", "nagios", "--only", "kill"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environ,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_json_and_another_format_contradict(shell):
    assert shell("health", "--json", "--format", "prom").code == 64
    run = shell("health", "--json", "--format", "nagios")
    assert (run.code, run.document["error"]["code"]) == (3, "usage")


def test_a_wrong_setting_is_unknown_to_a_monitor_and_1_to_others(shell):
    environ = {"P26_H_MIN": "x"}
    run = shell("health", "--format", "nagios", environ=environ)
    assert run.code == 3
    assert run.out.startswith("UNKNOWN - P26_H_MIN='x'")
    assert shell("health", environ=environ).code == 1


def test_the_textfile_is_whole_readable_by_all_and_the_same_as_the_format(health, shell):
    path = shell.home / "work/metrics/qtops_health.prom"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o600)
    run = health("--textfile", "metrics/qtops_health.prom", "--format", "prom")
    assert run.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.read_text() == run.out
    assert [file.name for file in path.parent.iterdir()] == ["qtops_health.prom"]
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert samples["qtops_check_status", "kill"] == 0
    assert samples["qtops_run_last_success_timestamp_seconds", "health"] == 1769477662.123


def test_a_textfile_that_cannot_be_written_is_a_finding_beside_the_others(health, shell, db):
    (shell.home / "work/file").write_text("x")
    run = health("--textfile", "file/x.prom", "--format", "nagios")
    assert run.code == 1
    assert run.out.startswith(f"WARNING - textfile {shell.home}/work/file/x.prom was not written")
    db.delete("quantum:kill")
    run = health("--textfile", "file/x.prom")
    assert run.code == 2
    assert run.out.startswith("✗ CRITICAL   kill switch is not set, which is HALTED (+1 more)")


@pytest.fixture
def dead_man():
    """A receiver of pings: what came, and with which code it answers."""

    class Receiver(http.server.BaseHTTPRequestHandler):
        got: ClassVar[list] = []
        answer = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.got.append((self.path, body))
            self.send_response(self.answer)
            self.end_headers()

        def log_message(self, *_args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as running:
        Receiver.url = f"http://127.0.0.1:{running.server_port}/s3cret-uuid"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield Receiver
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [("0", "/s3cret-uuid", 0), ("reduce", "/s3cret-uuid", 1), (None, "/s3cret-uuid/fail", 2)],
)
def test_a_warning_still_proves_life_and_a_failure_does_not(
    health, db, dead_man, value, path, code
):
    db.delete("quantum:kill") if value is None else db.set("quantum:kill", value)
    run = health("--ping-url", dead_man.url, "--format", "nagios")
    assert run.code == code
    [(got, body)] = dead_man.got
    assert got == path
    assert body == run.out.rstrip("\n")
    assert "s3cret" not in run.out + run.err


def test_a_ping_that_fails_is_said_and_changes_no_verdict(health, dead_man, unused_tcp_port):
    dead_man.answer = 404
    run = health("--ping-url", dead_man.url)
    assert run.code == 0
    assert run.err == "! warning:   ping to 127.0.0.1/***: refused with HTTP 404\n"
    run = health("--ping-url", f"http://127.0.0.1:{unused_tcp_port}/s3cret-uuid")
    assert run.code == 0
    assert "not delivered (ConnectError)" in run.err
    assert "s3cret" not in run.err


def test_httpx_is_not_imported_where_nothing_asks_over_http(server, db, tmp_path):
    code = (
        "import sys; from qtops.cli.main import main;"
        f" rc = main(['health', '--only', '{IN_REDIS},disk,obligations', '--json']);"
        " sys.exit(rc or (9 if 'httpx' in sys.modules else 0))"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "QTOPS_REDIS_URL": server.url}
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environ,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_whole_sandbox_is_healthy_until_a_gate_stops_and_until_redis_does(tmp_path):
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    qtops = [sys.executable, "-P", "-m", "qtops"]
    with subprocess.Popen(
        [*qtops, "--json", "sandbox", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=base,
    ) as process:
        try:
            told = json.loads(process.stdout.readline())
            environ = base | {
                "QTOPS_REDIS_URL": told["redis_url"],
                "QTOPS_EXCHANGE_URL": told["exchange_url"],
            }

            def run(*argv):
                return subprocess.run(
                    [*qtops, "health", "--format", "nagios", "--skip", "disk", *argv],
                    capture_output=True,
                    text=True,
                    check=False,
                    cwd=tmp_path,
                    env=environ,
                )

            well = run()
            assert well.returncode == 0, well.stdout
            assert well.stdout.startswith("OK - ")
            assert "clock_skew_ms=" in well.stdout
            os.kill(told["pids"]["portfolio-gate"], signal.SIGTERM)
            with redis.Redis.from_url(told["redis_url"]) as client:
                while client.exists("quantum:heartbeat:portfolio-gate"):
                    time.sleep(0.05)
            silent = run()
            assert silent.returncode == 2
            assert silent.stdout.startswith("CRITICAL - portfolio-gate has no heartbeat")
            os.kill(told["pids"]["redis"], signal.SIGKILL)
            gone = run()
            assert gone.returncode == 2
            assert gone.stdout.startswith("CRITICAL - Redis at redis://")
        finally:
            process.terminate()
            process.communicate()
