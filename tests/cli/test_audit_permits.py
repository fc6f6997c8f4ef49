"""`qtops audit permits` as operators and their scripts meet it."""

import json

import pytest

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.vocabulary import GateName


@pytest.fixture
def audit(shell, server, db):
    def run(*argv, **rest):
        return shell("audit", "permits", *argv, environ={"QTOPS_REDIS_URL": server.url}, **rest)

    return run


def seed(db, plan_id="p1"):
    db.set(f"quantum:permit:{plan_id}", '{"granted":true,"sig":"abc"}', ex=60)
    db.set(f"quantum:permit:p26:{plan_id}", "1", ex=60)
    db.hset(f"quantum:permit:p33:{plan_id}", mapping={"allow": "true", "safe_qty": "2"})


def beat(db):
    for service in ("governor", "portfolio-gate", "position-gate"):
        db.hset(f"quantum:heartbeat:{service}", "pid", "1")
        db.expire(f"quantum:heartbeat:{service}", 15)


def source(pattern, **counts):
    nothing = {
        "count": 0,
        "pattern": pattern,
        "status": "missing",
        "allow": 0,
        "deny": 0,
        "unreadable": 0,
        "no_expiry": 0,
        "decisions_in_window": 0,
        "heartbeat": "missing",
        "oldest_age_ms": None,
        "newest_age_ms": None,
    }
    return nothing | counts


def test_the_document_is_exactly_what_scripts_parse(db, audit):
    seed(db)
    db.set("quantum:permit:x:p26:y", "1", ex=60)
    run = audit("--json")
    document = run.document
    assert document.pop("timestamp").endswith("Z")
    assert (run.code, run.out.count("\n"), run.err) == (0, 1, "")
    live = {"count": 1, "status": "active", "allow": 1}
    assert document == {
        "schema": "qtops.audit.permits/v1",
        "status": "operational",
        "exit_code": 0,
        "infrastructure_status": "operational",
        "permits": {
            "governor": source("quantum:permit:*", **live),
            "p26_portfolio_gate": source("quantum:permit:p26:*", **live),
            "p33_position_gate": source("quantum:permit:p33:*", **live, no_expiry=1),
        },
        "sample_keys": {
            "governor": [
                {
                    "key": "quantum:permit:p1",
                    "ttl_s": 60,
                    "value": '{"granted":true,"sig":"***"}',
                }
            ],
            "p26": [{"key": "quantum:permit:p26:p1", "ttl_s": 60, "value": "1"}],
            "p33": [
                {
                    "key": "quantum:permit:p33:p1",
                    "ttl_s": -1,
                    "value": '{"allow":"true","safe_qty":"2"}',
                }
            ],
        },
        "total": 4,
        "unclassified": 1,
        "plans_in_window": 0,
        "undecodable_decisions": 0,
        "window_s": 900,
        "partial": False,
        "partial_figures": [],
    }


def test_the_verdict_comes_first_then_the_table_then_what_to_do(db, audit):
    seed(db)
    beat(db)
    db.set("quantum:permit:x:p26:y", "1", ex=60)
    lines = audit().out.splitlines()
    assert lines[0].startswith("✓ operational   3 of 3 permit sources active   ")
    titles = ["source", "live", "allow", "deny", "15m", "oldest", "newest", "gate"]
    assert lines[2].split() == titles
    dash = "\N{EN DASH}"
    assert lines[4].split() == ["governor", "1", "1", "0", "0", dash, dash, "alive"]
    assert lines[-3:] == [
        "  ! 1 permit without expiry: quantum:permit:p33:p1",
        "    qtops audit permits --plan-id p1",
        "  ! 1 key under the permit prefix that no gate writes: quantum:permit:x:p26:y",
    ]


def test_nothing_there_is_degraded_and_names_what_to_start(audit):
    run = audit()
    assert run.code == 2
    assert run.out.startswith("✗ degraded   0 of 3 permit sources active")
    assert "governor: no permit, no decision, no plan in the window" in run.out
    assert "    qtops run governor\n" in run.out
    assert "    qtops run position-gate\n" in run.out
    assert audit("--json").document["exit_code"] == 2


def test_idle_is_fine(db, audit):
    beat(db)
    run = audit("--window", "1h")
    assert run.code == 0
    assert run.out.startswith("✓ idle   no plan in 1h, all 3 gates alive")
    document = audit("--json").document
    assert (document["infrastructure_status"], document["exit_code"]) == ("idle", 0)
    assert document["permits"]["governor"]["status"] == "missing"
    assert document["permits"]["governor"]["heartbeat"] == "alive"


def test_a_silent_gate_leads_to_the_newest_plan(db, audit):
    beat(db)
    db.xadd("quantum:stream:apply.plan", {"plan_id": "it's p9"})
    run = audit()
    assert run.code == 2
    assert "governor: no permit, no decision, 1 plan in the window" in run.out
    assert """qtops audit permits --plan-id 'it'"'"'s p9'""" in run.out


def test_quiet_is_the_verdict_and_verbose_shows_samples(db, audit):
    seed(db)
    assert len(audit("-q").out.splitlines()) == 1
    assert "quantum:permit:p26:p1  60 s left  1" in audit("-v").out
    assert "quantum:permit:p33:p1  no expiry" in audit("-v").out


@pytest.mark.parametrize("sample", [0, 2])
def test_sample_limits_the_samples_and_not_the_count(db, audit, sample):
    for n in range(4):
        db.set(f"quantum:permit:p26:{n}", "1", ex=60)
    document = audit("--sample", str(sample), "--json").document
    assert document["sample_keys"]["p26"] == [] or sample
    assert len(document["sample_keys"]["p26"]) == sample
    assert document["permits"]["p26_portfolio_gate"]["count"] == 4


def test_control_characters_in_keys_do_not_reach_the_terminal(db, audit):
    db.set("quantum:permit:p33:\x1b[31m\nFORGED", "1")
    run = audit("-v")
    assert "\x1b" not in run.out
    assert "\nFORGED" not in run.out
    assert audit("--json").document["sample_keys"]["p33"][0]["key"].endswith("\x1b[31m\nFORGED")


def test_a_plan_is_joined(db, audit):
    for gate, allow in ((GateName.GOVERNOR, True), (GateName.POSITION, False)):
        now_ms = int(db.time()[0]) * 1000
        reason = "ok" if allow else "no_position"
        record = DecisionRecord(
            "p1", gate.value, allow, reason, "BTCUSDT", "SELL", "close", now_ms, "flat"
        )
        db.xadd("quantum:stream:gate.decision", record.to_fields())
    db.set("quantum:permit:p26:p1", "1", ex=60)
    claim = {"state": "done", "client_order_id": "qt-1", "attempt": "1", "owner": "executor@h"}
    db.hset("quantum:exec:claim:p1", mapping=claim | {"permits": '{"governor":"{sig}"}'})
    run = audit("--plan-id", "p1")
    lines = run.out.splitlines()
    assert run.code == 2
    assert lines[0].startswith("✗ not issued   2 of 3 gates permit this plan")
    assert lines[4].split()[:2] == ["governor", "used"]
    assert lines[5].split()[:4] == ["portfolio", "p26", "live,", "60"]
    assert lines[6].split()[:3] == ["position", "p33", "refused"]
    assert lines[6].endswith("no_position flat")
    assert "  ! portfolio p26: no decision of the gate is on record for it" in lines
    assert "  claim done, order qt-1, by executor@h" in lines
    document = audit("--plan_id", "p1", "--json").document
    plan = document["plan"]
    assert (document["exit_code"], plan["plan_id"], plan["complete"]) == (2, "p1", False)
    assert {gate: found["fate"] for gate, found in plan["gates"].items()} == {
        "governor": "used",
        "p26_portfolio_gate": "live",
        "p33_position_gate": "refused",
    }
    assert plan["claim"]["client_order_id"] == "qt-1"
    assert "permits" not in plan["claim"]
    db.hset("quantum:exec:claim:p1", "client_order_id", "none")
    assert "  claim done without an order, by executor@h\n" in audit("--plan-id", "p1").out
    db.hdel("quantum:exec:claim:p1", "state")
    assert "claim on this plan cannot be read" in audit("--plan-id", "p1").out


def test_a_plan_with_all_three_is_fine(db, audit):
    seed(db, "p7")
    assert audit("--plan-id", "p7").code == 0
    run = audit("--plan-id", "nobody")
    assert run.code == 2
    assert "the executor holds no claim on this plan" in run.out
    assert run.out.count("silent") == 3


WRONG = [
    ["--window", "soon"],
    ["--window", "0s"],
    ["--window", "-5m"],
    ["--window", "999999999d"],
    ["--sample", "-1"],
    ["--sample", "x"],
    ["--remote"],
]


@pytest.mark.parametrize("argv", WRONG, ids=map(" ".join, WRONG))
def test_a_wrong_option_is_64(audit, argv):
    run = audit(*argv)
    assert (run.code, run.out) == (64, "")
    assert run.err.startswith("usage: ")


def test_no_redis_is_one_line_and_1(shell, unused_tcp_port):
    url = f"redis://u:hunter2@127.0.0.1:{unused_tcp_port}"
    run = shell("audit", "permits", "--json", environ={"QTOPS_REDIS_URL": url})
    assert run.code == 1
    assert run.document["error"]["code"] == "redis_unreachable"
    assert run.err.count("\n") == 1
    assert "hunter2" not in run.out + run.err


def test_a_wrong_password_is_one_line_and_1(shell, db, server):
    db.acl_setuser("ops", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all"])
    url = f"redis://ops:wrong@127.0.0.1:{server.port}"
    run = shell("audit", "permits", environ={"QTOPS_REDIS_URL": url})
    db.acl_deluser("ops")
    assert (run.code, run.out) == (1, "")
    assert "refused user or password" in run.err


def test_permits_of_another_namespace_are_not_ours(db, shell, server):
    seed(db)
    environ = {"QTOPS_REDIS_URL": server.url, "QTOPS_NAMESPACE": "{acc}"}
    run = shell("audit", "permits", "--json", environ=environ)
    assert (run.code, run.document["total"]) == (2, 0)
    assert run.document["permits"]["p33_position_gate"]["pattern"] == "{acc}:permit:p33:*"


def test_reading_changes_nothing(db, audit):
    seed(db)
    before = {key: db.dump(key) for key in db.scan_iter("*")}
    audit("--plan-id", "p1")
    assert {key: db.dump(key) for key in db.scan_iter("*")} == before
    assert json.dumps(audit("--json").document)
