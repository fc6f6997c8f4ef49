"""`qtops rollout`: which symbols may open, and a change with a question and a record."""

import pytest

from qtops.contracts.codec import decode_fields

AUDIT = "quantum:stream:control.audit"


@pytest.fixture
def rollout(shell, server, db):
    def run(*argv, **rest):
        environ = {"QTOPS_REDIS_URL": server.url, "INTENT_EXECUTOR_ALLOWLIST": "ETHUSDT,BTCUSDT"}
        return shell("rollout", *argv, environ=environ, **rest)

    return run


def snapshot(db):
    return {key: db.dump(key) for key in db.scan_iter("*")}


SHARES = {
    None: ("not set", 0, 100, {"BTCUSDT": True, "ETHUSDT": True}),
    "50": ("50", 0, 50, {"BTCUSDT": True, "ETHUSDT": False}),
    "0": ("0", 0, 0, {"BTCUSDT": False, "ETHUSDT": False}),
    "half": ("half", 2, None, {"BTCUSDT": False, "ETHUSDT": False}),
}


@pytest.mark.parametrize(("value", "expected"), SHARES.items())
def test_get_says_which_symbols_may_open(db, rollout, value, expected):
    if value is not None:
        db.set("quantum:rollout", value)
    status, code, pct, symbols = expected
    run = rollout("get", "--symbols", "--json")
    document = run.document
    assert (run.code, document["status"], document["pct"]) == (code, status, pct)
    assert document["symbols"] == symbols
    assert document["set"] is (value is not None)
    shown = [line.split() for line in rollout("get", "--symbols").out.splitlines()]
    words = [[name, "in" if is_in else "out"] for name, is_in in symbols.items()]
    assert [words for words in shown if words and words[0] in symbols] == words


def test_set_leaves_a_record(db, rollout):
    run = rollout("set", "25", "--reason", "canary", "--by", "ops@host", "--yes")
    assert run.code == 0
    assert run.out.startswith("✓ 25   was not set; automated plans may open 25 % of the symbols")
    assert db.get("quantum:rollout") == b"25"
    [(_, entry)] = db.xrange(AUDIT)
    said = decode_fields(entry)
    assert (said["switch"], said["value"], said["by"]) == ("rollout", "25", "ops@host")
    assert (said["previous"], said["reason"]) == ("", "canary")


def test_set_asks_and_is_refused_without_a_terminal(db, rollout, server):
    db.set("quantum:rollout", "10")
    before = snapshot(db)
    assert rollout("set", "100").code == 4
    run = rollout("set", "100", tty=True, stdin="n\n")
    assert run.code == 4
    assert f"The rollout goes from 10 to 100 % on {server.url}. Go on?" in run.err
    assert snapshot(db) == before
    assert rollout("set", "100", tty=True, stdin="y\n").code == 0
    assert db.get("quantum:rollout") == b"100"


def test_dry_run_prints_the_exact_change_and_changes_nothing(db, rollout):
    before = snapshot(db)
    run = rollout("set", "5", "--dry-run", "--by", "ops")
    assert (run.code, run.out.splitlines()[1]) == (0, "  quantum:rollout: not set → 5")
    assert snapshot(db) == before


@pytest.mark.parametrize("word", ["101", "-1", "half", "2.5"])
def test_a_share_that_is_none_is_64(db, rollout, word):
    run = rollout("set", "--yes", "--", word)
    assert (run.code, run.out, snapshot(db)) == (64, "", {})
