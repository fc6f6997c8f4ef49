"""`qtops reconcile`: how the books stand, and what adopt asks for before it changes one."""

import time

import pytest

from qtops.contracts.reconcile import Hold, ReconcileState, Standing

STATE, HOLD, BOOK = (
    f"quantum:{k}:BTCUSDT" for k in ("reconcile:state", "reconcile:hold", "position:ledger")
)


@pytest.fixture
def reconcile(shell, server, db):
    def run(*argv, **rest):
        return shell("reconcile", *argv, environ={"QTOPS_REDIS_URL": server.url}, **rest)

    return run


def stands(db, state, reason="", age_ms=0):
    at_ms = int(time.time() * 1000) - age_ms
    standing = Standing("BTCUSDT", ReconcileState(state), reason, None, None, 0, at_ms, at_ms)
    db.hset(STATE, mapping=standing.to_fields())
    return at_ms


def test_nothing_looked_at_is_not_healthy(reconcile):
    run = reconcile("status")
    assert run.code == 2
    assert "qtops run reconcile" in run.out


@pytest.mark.parametrize(
    ("state", "age_ms", "code"),
    [("OK", 0, 0), ("REPAIRED", 0, 0), ("DRIFT", 0, 2), ("HOLD", 0, 2), ("OK", 60_000, 2)],
)
def test_only_agreement_that_is_fresh_is_healthy(db, reconcile, state, age_ms, code):
    stands(db, state, age_ms=age_ms)
    assert reconcile("status").code == code


def test_the_hold_is_shown_with_owner_and_expiry(db, reconcile):
    at_ms = stands(db, "MANUAL_REQUIRED", "foreign_orders: 1, together 0.004")
    db.hset(HOLD, mapping=Hold("reconcile", "foreign_orders", at_ms, at_ms + 300_000).to_fields())
    row = reconcile("status", "--symbol", "btcusdt", "--json").document["symbols"][0]
    assert row["reason"] == "foreign_orders: 1, together 0.004"
    assert row["hold"]["owner"] == "reconcile"
    assert row["hold"]["expires_at"].endswith("Z")


def test_a_book_that_reconcile_never_saw_is_unknown(db, reconcile):
    db.hset(BOOK, mapping={"position_amt": "1", "version": "1"})
    document = reconcile("status", "--json").document
    assert document["exit_code"] == 2
    assert document["symbols"][0]["state"] == "UNKNOWN"


def test_adopt_wants_a_reason(reconcile):
    assert reconcile("adopt", "BTCUSDT", "--yes").code == 64
