"""`qtops audit streams` as operators and their scripts meet it."""

import shlex

import pytest
import redis

from qtops.sandbox.redis_server import EmbeddedRedis, find_server

INTENTS = "quantum:stream:trade.intent"
BRIDGE = "quantum:group:intent_bridge"
EXECUTION = "quantum:group:execution:trade.intent"


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis(find_server("embedded")) as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def audit(shell, server, db):
    def run(*argv, **rest):
        return shell("audit", "streams", *argv, environ={"QTOPS_REDIS_URL": server.url}, **rest)

    return run


def write(db, count, name=INTENTS):
    for number in range(count):
        db.xadd(name, {"n": number})


def say(db, *words):
    """The command word for word; raises if the server refuses it."""
    connection = db.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        connection.read_response()
    finally:
        db.connection_pool.release(connection)


def lose(db):
    """1,000 added, 300 read and not acknowledged, all but 100 cut."""
    write(db, 1_000)
    db.xgroup_create(INTENTS, BRIDGE, "0")
    db.xreadgroup(BRIDGE, "c1", {INTENTS: ">"}, count=300)
    db.xtrim(INTENTS, maxlen=100, approximate=False)


def test_nothing_there_is_fine_and_says_what_is_not_there_yet(audit):
    run = audit()
    assert run.code == 0
    assert run.out.startswith("✓ ok   0 streams, 0 groups, no fault")
    assert "  not there yet: trade.intent, apply.plan, apply.plan.manual" in run.out


def test_the_verdict_comes_first_then_the_table_then_each_fault_with_its_meaning(db, audit):
    lose(db)
    run = audit()
    lines = run.out.splitlines()
    assert run.code == 2
    assert lines[0].startswith(
        "✗ degraded   2 faults in 1 stream, 1 group, at least 600 entries lost unread"
    )
    assert lines[2].split() == [
        "stream", "group", "length", "unread", "pending", "oldest", "lost",
    ]  # fmt: skip
    [row] = [line.split() for line in lines if line.startswith("  trade.intent ")]
    assert row[:5] == ["trade.intent", "intent_bridge", "100", "100", "300"]
    assert row[-1] == "600"
    faults = lines.index(
        "  ✗ P0 trade.intent ← intent_bridge: 600 entries lost unread (lag 700, held 100)"
    )
    assert lines[faults + 1].startswith("    trimmed before delivery")
    remedies = (f"redis-cli XINFO CONSUMERS {INTENTS} {BRIDGE}", "qtops run intent-bridge")
    assert lines[faults + 2].strip() in remedies
    assert "300 of 300 pending entries no longer exist" in run.out


def test_the_document_has_every_figure(db, audit):
    lose(db)
    run = audit("--json")
    assert (run.code, run.err) == (2, "")
    document = run.document
    assert document["schema"] == "qtops.audit.streams/v1"
    assert (document["status"], document["exit_code"]) == ("degraded", 2)
    assert document["lost_unread_at_least"] == 600
    assert (document["interval_ms"], document["partial"]) == (None, False)
    [stream] = document["streams"]
    assert (stream["length"], stream["entries_added"], stream["declared"]) == (100, 1_000, True)
    [group] = stream["groups"]
    expected = {
        "name": BRIDGE,
        "service": "intent-bridge",
        "entries_read": 300,
        "lag": 700,
        "unread": 100,
        "unread_is_lower_bound": False,
        "lost_unread_at_least": 600,
        "lost_unread_exact": True,
        "pending": 300,
        "ghost_pending": 300,
        "dead_consumers": [],
        "retention": 100_000,
        "flow": None,
    }
    assert expected.items() <= group.items()
    assert group["consumers"][0]["pending"] == 300
    assert [finding["severity"] for finding in document["findings"]] == ["P0", "P1"]


def test_unknown_is_a_word_and_null_and_no_fault(db, audit):
    write(db, 10)
    db.xgroup_create(INTENTS, BRIDGE, "$")
    db.xreadgroup(BRIDGE, "c1", {INTENTS: ">"})
    run = audit()
    assert run.code == 0
    assert run.out.splitlines()[4].split()[-1] == "unknown"
    assert "? P3 trade.intent ← intent_bridge: UNKNOWN what it lost" in run.out
    [group] = audit("--json").document["streams"][0]["groups"]
    assert group["lost_unread_exact"] is False
    assert group["lost_unknown_because"]


def test_two_looks_show_rates_and_time_to_drain(db, audit):
    write(db, 10)
    db.xgroup_create(INTENTS, BRIDGE, "0")
    run = audit("--interval", "1")
    header, row = (run.out.splitlines()[at].split() for at in (2, 4))
    assert header[-5:] == ["lost", "in/s", "out/s", "drained", "in"]
    assert row[-4:] == ["0.0", "0.0", "never:", "stands"]
    document = audit("--interval", "1s", "--json").document
    assert document["interval_ms"] >= 1_000
    assert document["streams"][0]["groups"][0]["flow"]["trend"] == "standing"


def test_every_next_command_can_be_pasted(db, audit, monkeypatch):
    monkeypatch.setattr("qtops.audits.stream_findings.DEAD_AFTER_MS", -1)
    lose(db)
    db.xgroup_create(INTENTS, "it's mine", "99999999999999-0")
    db.xgroup_create("quantum:stream:none", "g", "0", mkstream=True)
    findings = audit("--json").document["findings"]
    assert {"position_ahead", "undeclared_group", "never_written"} <= {f["code"] for f in findings}
    for finding in findings:
        program, *words = shlex.split(finding["next_command"])
        if program == "redis-cli":
            say(db, *words)
        else:
            assert (program, words[0]) in {("qtops", "run"), ("qtops", "audit")}


def test_names_from_outside_cannot_forge_output(db, audit):
    db.xadd(b"quantum:stream:\x1b[31m\nFORGED\xff", {"a": 1})
    run = audit()
    assert run.code == 0
    assert "\x1b" not in run.out
    assert "\nFORGED" not in run.out
    names = [stream["name"] for stream in audit("--json").document["streams"]]
    assert names == ["quantum:stream:\x1b[31m\nFORGED\\xff"]


def test_quiet_is_the_verdict(db, audit):
    lose(db)
    assert len(audit("-q").out.splitlines()) == 1


@pytest.mark.parametrize("interval", ["", "0", "-1", "soon", "1y", "1.5"])
def test_a_wrong_interval_is_64(audit, interval):
    run = audit("--interval", interval)
    assert (run.code, run.out) == (64, "")
    assert "--interval" in run.err


def test_no_redis_is_1_and_one_document(shell, unused_tcp_port):
    url = f"redis://:hunter2@127.0.0.1:{unused_tcp_port}"
    run = shell("audit", "streams", "--json", environ={"QTOPS_REDIS_URL": url})
    assert run.code == 1
    assert run.document["schema"] == "qtops.error/v1"
    assert "hunter2" not in run.out + run.err


def test_a_user_who_may_only_read_can_run_it(db, server, shell):
    lose(db)
    rules = ["on", ">pw", "~*", "+@read", "+time", "+multi", "+exec", "+ping", "+client"]
    db.execute_command("ACL", "SETUSER", "auditor", *rules)
    url = f"redis://auditor:pw@127.0.0.1:{server.port}/0"
    run = shell("audit", "streams", environ={"QTOPS_REDIS_URL": url})
    assert (run.code, run.err) == (2, "")
    db.execute_command("ACL", "DELUSER", "auditor")


def test_a_fresh_sandbox_has_no_fault(shell):
    run = shell("--sandbox", "audit", "streams", "--json")
    assert run.code == 0
    document = run.document
    assert document["status"] == "ok"
    assert {stream["name"] for stream in document["streams"]} >= {"quantum:stream:apply.plan"}
