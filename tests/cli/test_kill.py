"""`qtops kill`: set without a question, undone with one, on the record, and shown as it is."""

import getpass
import socket

import pytest

from qtops.contracts.breakers import Breaker, BreakerState, BreakerStatus, Look
from qtops.contracts.codec import decode_fields

AUDIT = "quantum:stream:control.audit"


@pytest.fixture
def kill(shell, server, db):
    def run(*argv, environ=None, **rest):
        own = {"QTOPS_REDIS_URL": server.url}
        return shell("kill", *argv, environ=own | (environ or {}), **rest)

    return run


def snapshot(db):
    return {key: db.dump(key) for key in db.scan_iter("*")}


@pytest.mark.parametrize(
    ("word", "value", "state"), [("on", b"1", "HALTED"), ("reduce", b"reduce", "REDUCING")]
)
def test_stopping_never_asks(db, kill, word, value, state):
    db.set("quantum:kill", "0")
    db.set("quantum:kill:epoch", "6")
    run = kill(word, "--reason", "latency  spike", "--by", "ops@host")
    assert run.code == 0
    assert state in run.out.splitlines()[0]
    assert "was ACTIVE" in run.out
    assert "epoch 7, by ops@host" in run.out
    assert (db.get("quantum:kill"), db.get("quantum:kill:epoch")) == (value, b"7")
    record = decode_fields(db.hgetall("quantum:kill:record"))
    assert (record["by"], record["reason"], record["epoch"]) == ("ops@host", "latency spike", "7")
    [(_, entry)] = db.xrange(AUDIT)
    assert decode_fields(entry) == record | {"switch": "kill"}


def test_the_document_of_a_change(db, kill):
    document = kill("on", "--by", "ops", "--json").document
    assert document.pop("timestamp")
    assert document.pop("at").endswith("Z")
    assert document == {
        "schema": "qtops.kill/v1",
        "status": "HALTED",
        "exit_code": 0,
        "dry_run": False,
        "trading_state": "HALTED",
        "value": "1",
        "previous": {"trading_state": "HALTED", "value": None},
        "epoch": 1,
        "by": "ops",
        "reason": "",
        "sending": [],
        "partial": False,
    }


def test_who_asks_is_user_at_host_behind_sudo_too(db, kill):
    kill("on")
    kill("on", environ={"SUDO_USER": "maria"})
    by = [decode_fields(raw)["by"] for _, raw in db.xrange(AUDIT)]
    host = socket.gethostname()
    assert by == [f"{getpass.getuser()}@{host}", f"maria@{host}"]


def test_orders_past_the_last_look_are_named(db, kill):
    later = (int(db.time()[0]) + 5) * 1000
    claim = {"state": "sending", "client_order_id": "qt-a", "attempt": "1"}
    db.hset("quantum:exec:claim:p1", mapping=claim | {"send_deadline_ms": later})
    db.hset("quantum:exec:claim:p2", mapping=claim | {"send_deadline_ms": 5})
    db.hset("quantum:exec:claim:p3", mapping=claim | {"state": "done"})
    run = kill("on")
    assert run.code == 0
    assert "order qt-a may have left for 4 s more; plan p1" in run.out
    assert "order qt-a may have left and is not settled yet; plan p2" in run.out
    assert "p3" not in run.out
    sending = kill("on", "--json").document["sending"]
    assert sorted(order["plan_id"] for order in sending) == ["p1", "p2"]
    assert kill("reduce", "--json").document["sending"] == []


def test_the_switch_holds_when_the_search_afterwards_fails(db, shell, server):
    db.acl_setuser("k", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-scan"])
    url = f"redis://k:pw@127.0.0.1:{server.port}"
    run = shell("kill", "on", "--json", environ={"QTOPS_REDIS_URL": url})
    db.acl_deluser("k")
    assert (run.code, run.document["partial"]) == (0, True)
    assert "the switch is set; orders on their way are not known" in run.err
    assert db.get("quantum:kill") == b"1"


def test_going_on_is_refused_without_a_terminal(db, kill):
    db.set("quantum:kill", "1")
    before = snapshot(db)
    run = kill("off")
    assert (run.code, run.out) == (4, "")
    assert run.err.startswith("refused: ")
    assert kill("off", "--json").document["error"]["code"] == "refused"
    assert snapshot(db) == before


def test_going_on_asks_and_names_the_state(db, kill, server):
    db.set("quantum:kill", "reduce")
    run = kill("off", tty=True, stdin="n\n")
    assert run.code == 4
    assert f"Trading goes from REDUCING to ACTIVE on {server.url}. Go on? [y/N]" in run.err
    assert db.get("quantum:kill") == b"reduce"
    assert kill("off", tty=True, stdin="y\n").code == 0
    assert db.get("quantum:kill") == b"0"
    assert kill("off", "--yes").code == 0


def test_an_answer_to_another_question_does_not_count(db, kill, monkeypatch):
    from qtops.cli.context import AppContext

    db.set("quantum:kill", "reduce")

    def halted_meanwhile(self, question, *, yes):
        db.set("quantum:kill", "1")

    monkeypatch.setattr(AppContext, "confirm", halted_meanwhile)
    run = kill("off")
    assert run.code == 4
    assert "the switch was changed while you were asked" in run.err
    assert db.get("quantum:kill") == b"1"


@pytest.mark.parametrize("word", ["on", "reduce", "off"])
def test_dry_run_prints_the_exact_change_and_changes_nothing(db, kill, word):
    db.set("quantum:kill", "0")
    db.set("quantum:kill:epoch", "6")
    before = snapshot(db)
    run = kill(word, "--dry-run", "--by", "ops", "--reason", "test")
    value = {"on": "1", "reduce": "reduce", "off": "0"}[word]
    assert run.code == 0
    assert run.out.startswith("dry run   nothing was changed\n")
    assert f"  quantum:kill: 0 → {value}\n  quantum:kill:epoch: 6 → 7\n" in run.out
    document = kill(word, "--dry-run", "--by", "ops", "--json").document
    assert (document["status"], document["dry_run"]) == ("dry_run", True)
    assert document["changes"][:2] == [
        {"name": "quantum:kill", "from": "0", "to": value},
        {"name": "quantum:kill:epoch", "from": "6", "to": 7},
    ]
    entry = document["appends"]["fields"]
    record = {"value": value, "previous": "0", "epoch": "7", "by": "ops", "reason": ""}
    assert document["appends"]["name"] == AUDIT
    assert entry == record | {"switch": "kill", "at_ms": entry["at_ms"]}
    assert document["changes"][2]["to"] == record | {"at_ms": entry["at_ms"]}
    assert snapshot(db) == before


def test_status_is_the_board(db, kill):
    kill("reduce", "--reason", "latency spike", "--by", "ops@host")
    db.set("quantum:mode", "TESTNET")
    db.set("quantum:ess:active", "1")
    before = snapshot(db)
    run = kill("status", environ={"APPLY_KILL_SWITCH": "false"})
    lines = run.out.splitlines()
    assert run.code == 2
    assert lines[0].startswith("! REDUCING   since 20")
    assert lines[0].endswith('by ops@host: "latency spike", epoch 1')
    assert lines[2].split("  ")[1].strip() == "switch"
    rows = [line.split()[0] for line in lines[4:10]]
    assert rows == [
        "quantum:kill",
        "quantum:mode",
        "quantum:manual_lane:enabled",
        "quantum:rollout",
        "quantum:ess:active",
        "APPLY_KILL_SWITCH",
    ]
    assert "nobody here" in lines[8]
    assert "quantum:ess:active is set, but nobody here honours it; state is REDUCING" in run.out
    assert snapshot(db) == before


def test_the_document_of_the_status(db, kill):
    db.set("quantum:kill", "0")
    db.set("quantum:kill:epoch", "1")
    document = kill("status", "--json").document
    switches = document.pop("switches")
    assert document.pop("timestamp")
    assert document == {
        "schema": "qtops.kill.status/v1",
        "status": "ACTIVE",
        "exit_code": 0,
        "trading_state": "ACTIVE",
        "value": "0",
        "why": "",
        "epoch": "1",
        "by": "",
        "since": None,
        "reason": "",
        "remarks": [],
        "breakers": None,
    }
    assert switches[0] == {
        "switch": "quantum:kill",
        "value": "0",
        "set": False,
        "honoured_by": [
            *("governor", "portfolio-gate", "position-gate", "executor", "exit-monitor"),
        ],
        "does_not_cover": "orders already sent, manual reductions",
    }


def test_switches_in_files_are_shown_and_what_cannot_be_read_is_unknown(db, kill, shell):
    db.set("quantum:kill", "0")
    (shell.home / "etc/apply.env").write_text("# x\nexport APPLY_KILL_SWITCH='true'\nOTHER=1\n")
    (shell.home / "etc/exit.env").mkdir()
    (shell.home / "work/ESS_ON").touch()
    run = kill("status", environ={"QTOPS_ESS_FLAG": "ESS_ON"})
    assert "APPLY_KILL_SWITCH (apply.env) is set, but nobody here honours it" in run.out
    assert f"{shell.home}/work/ESS_ON is set, but nobody here honours it" in run.out
    assert f"UNKNOWN: {shell.home}/etc/exit.env (Is a directory) could not be read" in run.out
    assert "OTHER" not in run.out


def test_the_lease_on_the_bridge_is_a_switch_while_it_is_held(db, kill):
    assert "intent_bridge:pause" not in kill("status").out
    db.set("quantum:intent_bridge:pause", "exit-proof:1", px=15_000)
    rows = {row["switch"]: row for row in kill("status", "--json").document["switches"]}
    row = rows["quantum:intent_bridge:pause"]
    assert row["value"].startswith("exit-proof:1, 1")
    assert row["value"].endswith(" s left")
    assert (row["set"], row["honoured_by"]) == (True, ["intent-bridge"])


def test_not_set_is_halted(kill):
    run = kill("status")
    assert (run.code, run.out.splitlines()[0]) == (2, "✗ HALTED   not set, epoch 0")


def test_unreadable_is_halted(db, kill):
    db.hset("quantum:kill", "a", "b")
    run = kill("status")
    assert run.code == 2
    assert "HALTED   unreadable: '(not a string)'" in run.out


def test_a_change_behind_our_back_is_said(db, kill):
    kill("reduce")
    db.set("quantum:kill", "0")
    run = kill("status")
    assert run.code == 0
    assert "changed behind qtops' back" in run.out
    assert "qtops kill off --reason" in run.out


WRONG = [["on", "--by", " "], ["on", "--reason", "x" * 600], ["on", "--yes"], ["maybe"], []]


@pytest.mark.parametrize("argv", WRONG, ids=["nobody", "long", "yes", "word", "none"])
def test_a_wrong_command_line_is_64_and_changes_nothing(db, kill, argv):
    run = kill(*argv)
    assert (run.code, run.out) == (64, "")
    assert snapshot(db) == {}


@pytest.mark.parametrize("word", ["on", "status"])
def test_no_redis_is_1(shell, unused_tcp_port, word):
    url = f"redis://127.0.0.1:{unused_tcp_port}"
    run = shell("kill", word, environ={"QTOPS_REDIS_URL": url})
    assert (run.code, run.out, run.err.count("\n")) == (1, "", 1)


def test_status_shows_the_breakers_last_look_and_that_nobody_looks_any_more(db, kill):
    db.set("quantum:kill", "0")
    look = Look(Breaker.BURST, BreakerStatus.UNSEEN, "3", "20", "so many", since_ms=5)
    state = BreakerState("1", 4, 6, looks=(look,))
    db.hset("quantum:breaker:state", mapping=state.to_fields())
    run = kill("status")
    assert [line.split() for line in run.out.splitlines() if line.lstrip().startswith("burst")] == [
        ["burst", "unseen", "3", "20", "so", "many"]
    ]
    assert "none of them watches now" in run.out
    shown = kill("status", "--json").document["breakers"]
    assert shown["looked_at"] == "1970-01-01T00:00:00.006Z"
    assert [(row["breaker"], row["status"]) for row in shown["looks"]] == [("burst", "unseen")]
    db.hset("quantum:breaker:state", "at_ms", "soon")
    assert kill("status", "--json").document["breakers"] is None
