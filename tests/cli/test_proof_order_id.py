"""`qtops proof order-id` as operators and their scripts meet it."""

import sys
from types import ModuleType

import pytest

from qtops.cli import proof_order_id
from qtops.cli.app import Part
from qtops.cli.options import command_group

STREAM = "quantum:stream:apply.result"


@pytest.fixture
def prove(shell, server, db, monkeypatch):
    module = ModuleType("alone_proof")
    module.app = command_group()
    proof_order_id.register(module.app)
    monkeypatch.setitem(sys.modules, "alone_proof", module)
    parts = [Part("proof", "alone_proof", "Evidence.")]

    def run(*argv, url=server.url, **rest):
        environ = {"QTOPS_REDIS_URL": url}
        return shell("proof", "order-id", *argv, environ=environ, parts=parts, **rest)

    return run


def add(db, order_id, **fields):
    flat = {"executed": "true", "order_id": order_id, "symbol": "TRXUSDT", **fields}
    return db.xadd(STREAM, flat).decode()


def test_the_document_is_exactly_what_scripts_parse(db, prove):
    entry_id = add(db, "77", plan_id="p1", timestamp="2026-01-27T01:34:22.123Z", source="x")
    db.xadd(STREAM, {"executed": "false", "plan_id": "p2"})
    run = prove("--json")
    document = run.document
    assert document.pop("timestamp").endswith("Z")
    match = {
        "entry_id": entry_id,
        "timestamp": "2026-01-27T01:34:22.123Z",
        "plan_id": "p1",
        "symbol": "TRXUSDT",
        "executed": True,
        "order_id": "77",
        "client_order_id": "",
        "side": "",
        "quantity": "",
        "filled_quantity": "",
        "order_status": "",
        "source": "x",
        "found_in": "top",
    }
    assert run.code == 0
    assert document == {
        "schema": "qtops.proof.order-id/v1",
        "status": "found",
        "exit_code": 0,
        "proof_found": True,
        "executed_true_count": 1,
        "distinct_orders": 1,
        "executed_without_order_id": 0,
        "contradictory": 0,
        "filters": {"symbol": None, "plan_id": None},
        "search_params": {"count": 400, "entries_checked": 2},
        "last_match": match,
        "matches": [match],
    }


def test_none_is_3_with_what_to_do(db, prove):
    db.xadd(STREAM, {"executed": "true", "order_id": "0"})
    run = prove("--symbol", "trxusdt", "--plan_id", "p1", "--json")
    assert run.code == 3
    assert (run.document["proof_found"], run.document["last_match"]) == (False, None)
    assert run.document["filters"] == {"symbol": "TRXUSDT", "plan_id": "p1"}
    text = prove()
    assert text.code == 3
    assert text.out.startswith("✗ no proof   none of 1 results names an order")
    assert "qtops proof order-id --follow" in text.out
    assert "executed without an order id: 1" in text.out


def test_the_newest_orders_are_a_table(db, prove):
    for n in range(1, 13):
        add(db, str(n), plan_id=f"exit_hardproof_TRXUSDT_R{n}_" + "x" * 80)
    lines = prove().out.splitlines()
    assert lines[0].startswith("✓ proof found   12 of 12 results name an order, newest")
    assert lines[4].split()[:2] == ["12", "TRXUSDT"]
    assert lines[4].endswith("x" * 80)
    assert "  2 more with --json" in lines


def test_control_characters_do_not_reach_the_terminal(db, prove):
    add(db, "7", plan_id="a\n\x1b[2Jb")
    assert "a\\n\\x1b[2Jb" in prove().out
    assert prove("--json").document["matches"][0]["plan_id"] == "a\n\x1b[2Jb"


def test_follow_gives_up_with_3(prove):
    assert prove("--follow", "--timeout", "0.05").code == 3


WRONG = [
    ["--count", "0"],
    ["--count", "-5"],
    ["--count", "x"],
    ["--timeout", "0"],
    ["--timeout", "nan"],
    ["--symbol", "btc/usdt"],
    ["--symbol", ""],
    ["--nope"],
]


@pytest.mark.parametrize("argv", WRONG, ids=map(" ".join, WRONG))
def test_a_wrong_option_is_64(prove, argv):
    run = prove(*argv)
    assert (run.code, run.out) == (64, "")
    assert run.err.count("\n") == 1


def test_no_redis_is_1(prove, unused_tcp_port):
    run = prove(url=f"redis://127.0.0.1:{unused_tcp_port}")
    assert (run.code, run.out) == (1, "")
    assert "cannot be reached" in run.err
