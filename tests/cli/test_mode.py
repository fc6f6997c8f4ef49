"""`qtops mode`: what it is, what it admits, and a change with a question and a record."""

import pytest

from qtops.contracts.codec import decode_fields

AUDIT = "quantum:stream:control.audit"


@pytest.fixture
def mode(shell, server, db):
    def run(*argv, environ=None, **rest):
        own = {"QTOPS_REDIS_URL": server.url}
        return shell("mode", *argv, environ=own | (environ or {}), **rest)

    return run


def snapshot(db):
    return {key: db.dump(key) for key in db.scan_iter("*")}


MODES = {
    None: ("not set", 0, ["testnet", "sandbox"], True),
    "TESTNET": ("TESTNET", 0, ["testnet", "sandbox"], True),
    "mainnet": ("mainnet", 0, ["mainnet", "other"], False),
    "DRY_RUN": ("DRY_RUN", 0, [], False),
    "banana": ("banana", 2, [], False),
}


@pytest.mark.parametrize(("value", "expected"), MODES.items())
def test_get_says_what_the_mode_admits(db, mode, value, expected):
    if value is not None:
        db.set("quantum:mode", value)
    status, code, admits, admitted = expected
    document = mode("get", "--json").document
    assert document.pop("timestamp")
    assert document == {
        "schema": "qtops.mode/v1",
        "status": status,
        "exit_code": code,
        "mode": value,
        "set": value is not None,
        "admits": admits,
        "venue": "testnet",
        "venue_admitted": admitted,
    }
    run = mode("get")
    assert run.code == code
    assert f" {status}   admits orders to {', '.join(admits) or 'no venue'};" in run.out


def test_the_configured_venue_is_compared(db, mode):
    db.set("quantum:mode", "TESTNET")
    run = mode("get", environ={"QTOPS_EXCHANGE_URL": "https://fapi.binance.com"})
    assert "the configured venue, mainnet, is not admitted" in run.out


def test_set_is_refused_without_a_terminal(db, mode):
    run = mode("set", "MAINNET")
    assert (run.code, run.out) == (4, "")
    assert snapshot(db) == {}


def test_set_asks_and_names_what_changes(db, mode, server):
    db.set("quantum:mode", "TESTNET")
    run = mode("set", "mainnet", tty=True, stdin="no\n")
    assert run.code == 4
    assert f"REAL MONEY. The mode goes from TESTNET to MAINNET on {server.url}." in run.err
    assert db.get("quantum:mode") == b"TESTNET"
    run = mode("set", "DRY_RUN", tty=True, stdin="yes\n")
    assert run.code == 0
    assert "REAL MONEY" not in run.err
    assert db.get("quantum:mode") == b"DRY_RUN"


def test_set_is_recorded_with_who_when_and_why(db, mode):
    db.set("quantum:mode", "TESTNET")
    document = mode(
        "set", "DRY_RUN", "--yes", "--reason", "release", "--by", "ops", "--json"
    ).document
    assert (document["previous"], document["mode"], document["by"]) == ("TESTNET", "DRY_RUN", "ops")
    assert (document["admits"], document["exit_code"]) == ([], 0)
    [(_, entry)] = db.xrange(AUDIT)
    assert decode_fields(entry) | {"at_ms": ""} == {
        "switch": "mode",
        "value": "DRY_RUN",
        "previous": "TESTNET",
        "by": "ops",
        "at_ms": "",
        "reason": "release",
    }


def test_dry_run_prints_the_exact_change_and_changes_nothing(db, mode):
    run = mode("set", "testnet", "--dry-run", "--by", "ops")
    assert run.code == 0
    assert "  quantum:mode: not set → TESTNET\n" in run.out
    document = mode("set", "TESTNET", "--dry-run", "--json").document
    assert document["changes"][0] == {"name": "quantum:mode", "from": None, "to": "TESTNET"}
    assert snapshot(db) == {}


WRONG = [["set"], ["set", "banana"], ["set", ""], ["set", "TESTNET", "--by", ""], ["get", "x"]]


@pytest.mark.parametrize("argv", WRONG, ids=map(" ".join, WRONG))
def test_a_wrong_command_line_is_64_and_changes_nothing(db, mode, argv):
    run = mode(*argv)
    assert (run.code, run.out) == (64, "")
    assert snapshot(db) == {}


def test_no_redis_is_1(shell, unused_tcp_port):
    run = shell("mode", "get", environ={"QTOPS_REDIS_URL": f"redis://127.0.0.1:{unused_tcp_port}"})
    assert (run.code, run.out) == (1, "")


def test_history_shows_the_newest_hundred_and_counts_what_it_cannot_read(db, mode):
    assert mode("history", "--json").document["changes"] == []
    entry = {"switch": "kill", "previous": "0", "by": "alice", "at_ms": "5"}
    for value in range(120):
        db.xadd(AUDIT, {**entry, "value": str(value)})
    db.xadd(AUDIT, {"noise": "x"})
    run = mode("history", "--json")
    assert run.code == 0
    assert [c["value"] for c in run.document["changes"]] == [str(n) for n in range(119, 20, -1)]
    assert run.document["unreadable"] == 1
