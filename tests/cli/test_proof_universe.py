"""`qtops proof universe` and `proof allowlist` over what lies in a real Redis."""

import pytest
import redis

from qtops.contracts.universe import UniverseList, UniverseMeta

ACTIVE, LAST_OK, META = (f"quantum:cfg:universe:{name}" for name in ("active", "last_ok", "meta"))
READERS = ["position-gate", "executor", "intent-bridge"]


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def proof(shell, server, db):
    """No exchange answers, which is no fault of the list."""

    def run(*argv, **environ):
        own = {"QTOPS_REDIS_URL": server.url, "QTOPS_EXCHANGE_URL": "http://127.0.0.1:1"}
        return shell("proof", *argv, environ=own | environ)

    return run


def now_ms(client):
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def put(client, *symbols, age_ms=0, reason=""):
    at_ms = now_ms(client) - age_ms
    text = UniverseList(frozenset(symbols), at_ms).to_json()
    client.mset({ACTIVE: text, LAST_OK: text})
    meta = UniverseMeta("sandbox", len(symbols), at_ms, at_ms, reason)
    client.hset(META, mapping=meta.to_fields())


def test_a_fresh_universe_is_shown(proof, db):
    put(db, "BTCUSDT", "ETHUSDT")
    run = proof("universe")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("✓ fresh   2 symbols from sandbox, ")
    assert "BTCUSDT ETHUSDT" in run.out
    assert "not held against the exchange" in run.out
    document = proof("universe", "--json").document
    assert (document["tier"], document["count"], document["stale"]) == ("active", 2, False)
    assert document["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert document["differences"] == {
        "last_ok": {"only_active": [], "only_last_ok": []},
        "exchange": None,
    }


def test_a_long_list_is_sampled(proof, db):
    put(db, *(f"A{n:02d}USDT" for n in range(25)))
    assert "… 5 more with --json" in proof("universe").out
    assert len(proof("universe", "--json").document["symbols"]) == 25


STORED = {
    "nothing": (lambda _: None, "active absent"),
    "old": (lambda db: put(db, "BTCUSDT", age_ms=400_000), "limit 300000 ms"),
    "past-active": (lambda db: put(db, "BTCUSDT", age_ms=200_000), "readers take last_ok"),
    "stale": (lambda db: put(db, "BTCUSDT", reason="drop: 9 to 1 symbols"), "drop: 9 to 1"),
    "spoilt": (lambda db: db.mset({ACTIVE: "[]", LAST_OK: "[]"}), "unreadable"),
    "another-type": (lambda db: db.lpush(ACTIVE, "x"), "unreadable"),
    "no-meta": (lambda db: (put(db, "BTCUSDT"), db.delete(META)), "meta absent"),
    "miscounted": (lambda db: (put(db, "BTCUSDT"), db.hset(META, "count", 9)), "meta counts 9"),
}


@pytest.mark.parametrize(("store", "words"), STORED.values(), ids=STORED)
def test_a_universe_that_is_not_fresh_is_a_fault(proof, db, store, words):
    store(db)
    run = proof("universe")
    assert run.code == 2
    assert run.out.startswith("✗ not fresh")
    assert words in run.out


def test_what_differs_from_the_last_good_list_is_named(proof, db):
    put(db, "BTCUSDT", "ETHUSDT")
    db.set(LAST_OK, UniverseList(frozenset({"BTCUSDT", "XRPUSDT"}), now_ms(db)).to_json())
    out = proof("universe").out
    assert "1 symbol only in active (ETHUSDT); 1 symbol only in last_ok (XRPUSDT)" in out


def test_without_a_universe_each_reader_takes_its_own_list(proof):
    document = proof("allowlist", "--json", P33_ALLOWLIST="XRPUSDT").document
    rows = [(r["reader"], r["tier"], r["source"], r["count"]) for r in document["readers"]]
    own = "INTENT_EXECUTOR_ALLOWLIST"
    assert rows == [
        ("position-gate", "env", "P33_ALLOWLIST", 1),
        ("executor", "env", own, 3),
        ("intent-bridge", "env", "INTENT_BRIDGE_ALLOWLIST", 3),
    ]
    assert document["readers"][0]["skipped"] == "active absent; last_ok absent"


def test_the_executors_list_bounds_the_universe(proof, db):
    put(db, "BTCUSDT", "XRPUSDT")
    document = proof("allowlist", "--json").document
    assert [r["tier"] for r in document["readers"]] == ["active"] * 3
    assert [r["symbols"] for r in document["readers"]] == [
        ["BTCUSDT", "XRPUSDT"],
        ["BTCUSDT"],
        ["BTCUSDT", "XRPUSDT"],
    ]


@pytest.mark.parametrize(
    ("symbol", "refusing", "why"),
    [
        ("btcusdt", [], "in universe active and INTENT_EXECUTOR_ALLOWLIST"),
        ("XRPUSDT", ["executor"], "not in INTENT_EXECUTOR_ALLOWLIST"),
        ("ETHUSDT", READERS, "not in universe active"),
    ],
)
def test_whether_a_symbol_is_tradable_and_why(proof, db, symbol, refusing, why):
    put(db, "BTCUSDT", "XRPUSDT")
    run = proof("allowlist", "--symbol", symbol, "--json")
    readers = run.document["readers"]
    assert run.code == (2 if refusing else 0)
    assert [r["reader"] for r in readers if not r["tradable"]] == refusing
    assert readers[1]["why"] == why
    said = proof("allowlist", "--symbol", symbol).out
    assert why in said
    assert said.startswith("✗ refused" if refusing else "✓ tradable")


def test_a_reader_without_a_symbol_is_a_fault(proof):
    run = proof("allowlist", P33_ALLOWLIST="")
    assert run.code == 2
    assert "nothing may be opened: position-gate" in run.out


def test_what_is_no_symbol_is_refused(proof):
    run = proof("allowlist", "--symbol", "x y")
    assert (run.code, run.out) == (64, "")


def test_the_proofs_write_nothing(proof, db):
    put(db, "BTCUSDT")
    before = {key: db.dump(key) for key in db.scan_iter("*")}
    proof("universe")
    proof("allowlist", "--symbol", "BTCUSDT")
    assert {key: db.dump(key) for key in db.scan_iter("*")} == before
