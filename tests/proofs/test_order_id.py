"""What proves an order: hostile results, both nesting levels, paging, following."""

import asyncio
import json

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from qtops.adapters.link import RedisLink
from qtops.adapters.result_scan import RedisResultScan
from qtops.contracts.result import Result
from qtops.proofs.order_id import OrderFilter, OrderProof, prove_orders
from qtops.sandbox.redis_server import EmbeddedRedis, find_server

STREAM = "quantum:stream:apply.result"


def entry(fields, entry_id=b"1000-0"):
    as_bytes = {
        key.encode(): value if isinstance(value, bytes) else str(value).encode()
        for key, value in fields.items()
    }
    return (entry_id, as_bytes)


def match_of(fields, **filters):
    return OrderProof(OrderFilter(**filters), 0).add(entry(fields))


def details(**fields):
    return json.dumps(fields)


PROOFS = {
    "flat": ({"executed": "true", "order_id": "77"}, "77"),
    "any-case": ({"executed": "TRUE", "order_id": "77"}, "77"),
    "one": ({"executed": "1", "order_id": "77"}, "77"),
    "padded": ({"executed": " True ", "order_id": " 77 "}, "77"),
    "nested-id": ({"executed": "true", "details": details(order_id="77")}, "77"),
    "nested-number": ({"executed": "true", "details": details(order_id=8206037964)}, "8206037964"),
    "all-nested": ({"details": details(executed=True, order_id=5)}, "5"),
    "nested-text": ({"details": details(executed="True", orderId="x9")}, "x9"),
    "nested-one": ({"details": details(executed=1, order_id="5")}, "5"),
    "both-agree": ({"executed": "true", "details": details(executed=True, order_id=5)}, "5"),
    "top-first": ({"executed": "true", "order_id": "1", "details": details(order_id=2)}, "1"),
    "top-is-nothing": (
        {"executed": "true", "order_id": "null", "details": details(order_id=2)},
        "2",
    ),
    "broken-details": ({"executed": "true", "order_id": "7", "details": "{not json"}, "7"),
    "odd-rest": ({"executed": "true", "order_id": "7", "qty": "NaN", "timestamp": "soon"}, "7"),
    "foreign-bytes": ({"executed": "true", "order_id": "7", "source": b"\xff"}, "7"),
    "newlines": ({"executed": "true", "order_id": "7", "plan_id": "a\norder_id\n9"}, "7"),
}


@pytest.mark.parametrize(("fields", "order_id"), PROOFS.values(), ids=PROOFS.keys())
def test_a_proof(fields, order_id):
    assert match_of(fields).order_id == order_id


NO_PROOFS = {
    "empty": {},
    "not-executed": {"executed": "false", "order_id": "77"},
    "executed-is-not-said": {"order_id": "77"},
    "executed-is-a-word": {"executed": "maybe", "order_id": "77"},
    "executed-is-empty": {"executed": "", "order_id": "77"},
    "no-id": {"executed": "true"},
    "empty-id": {"executed": "true", "order_id": ""},
    "blank-id": {"executed": "true", "order_id": " "},
    "null": {"executed": "true", "order_id": "null"},
    "NULL": {"executed": "true", "order_id": "NULL"},
    "None": {"executed": "true", "order_id": "None"},
    "zero": {"executed": "true", "order_id": "0"},
    "zeros": {"executed": "true", "order_id": "0.0"},
    "json-null": {"executed": "true", "details": details(order_id=None)},
    "json-zero": {"executed": "true", "details": details(order_id=0)},
    "json-false": {"executed": "true", "details": details(order_id=False)},
    "json-true": {"executed": "true", "details": details(order_id=True)},
    "json-list": {"executed": "true", "details": details(order_id=[1])},
    "details-is-a-list": {"executed": "true", "details": "[1]"},
    "forged-by-newline": {"executed": "false", "note": "x\nexecuted\ntrue\norder_id\n77"},
    "forged-in-a-name": {"executed": "false", "x\nexecuted": "true", "order_id": "77"},
    "deeper-than-details": {"executed": "true", "details": details(a={"order_id": 5})},
    "levels-disagree": {"executed": "true", "order_id": "7", "details": details(executed=False)},
}


@pytest.mark.parametrize("fields", NO_PROOFS.values(), ids=NO_PROOFS.keys())
def test_no_proof(fields):
    assert match_of(fields) is None


def test_why_there_is_no_proof_is_counted():
    proof = OrderProof(OrderFilter(), 0)
    for name in ("no-id", "null", "levels-disagree", "not-executed"):
        proof.add(entry(NO_PROOFS[name]))
    assert (proof.entries_checked, proof.without_order_id, proof.contradictory) == (4, 2, 1)


def test_filters_are_exact_and_read_both_levels():
    flat = {"executed": "true", "order_id": "7", "symbol": "TRXUSDT", "plan_id": "p1"}
    nested = {"executed": "true", "details": details(order_id=7, symbol="trxusdt", plan_id="p1")}
    for fields in (flat, nested):
        assert match_of(fields, symbol="TRXUSDT", plan_id="p1")
        assert not match_of(fields, symbol="TRX")
        assert not match_of(fields, plan_id="p")
    proof = OrderProof(OrderFilter(symbol="ETHUSDT"), 0)
    proof.add(entry(flat | {"order_id": ""}))
    assert proof.without_order_id == 0


def test_our_own_results_prove_themselves():
    result = Result("p1", "TRXUSDT", True, "intent_bridge", 1_769_477_662_000, order_id="633416228")
    match = match_of(result.to_fields())
    assert (match.order_id, match.plan_id, match.symbol) == ("633416228", "p1", "TRXUSDT")
    assert (match.timestamp_ms, match.found_in) == (1_769_477_662_000, "top")
    refused = Result("p1", "TRXUSDT", False, "intent_bridge", 1, error="no_position")
    assert match_of(refused.to_fields()) is None


@given(
    st.dictionaries(st.sampled_from(["executed", "order_id", "details", "plan_id"]), st.binary())
)
def test_no_result_breaks_the_search(fields):
    proof = OrderProof(OrderFilter(), 0)
    proof.add(entry(fields))
    assert proof.entries_checked == 1


@pytest.fixture(scope="module", params=["embedded", "installed"])
def server(request):
    with EmbeddedRedis(find_server(request.param)) as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
async def source(server, db):
    link = RedisLink.to(server.url, "quantum", purpose="blocking")
    yield RedisResultScan(link)
    await link.aclose()


def add(db, order_id="", **fields):
    flat = {"executed": "true" if order_id else "false", "order_id": order_id, **fields}
    return db.xadd(STREAM, {name: value for name, value in flat.items() if value})


def prove(source, *, count=400, follow_s=None, **filters):
    return prove_orders(source, OrderFilter(**filters), count=count, follow_s=follow_s)


async def test_an_empty_stream(source):
    proof = await prove(source)
    assert (proof.is_found, proof.entries_checked) == (False, 0)


async def test_matches_are_newest_first_and_checked_is_what_was_read(db, source):
    for n in range(1, 6):
        add(db, str(n), plan_id=f"p{n}")
        add(db)
    proof = await prove(source, count=6)
    assert [match.order_id for match in proof.matches] == ["5", "4", "3"]
    assert proof.entries_checked == 6
    assert (await prove(source, count=1)).matches == []
    assert (await prove(source, count=1)).entries_checked == 1
    assert (await prove(source)).entries_checked == 10
    assert [m.order_id for m in (await prove(source, plan_id="p2")).matches] == ["2"]


async def test_pages_join_without_a_gap_or_a_repeat(db, source):
    pipe = db.pipeline(transaction=False)
    for n in range(1, 2502):
        pipe.xadd(STREAM, {"executed": "true", "order_id": str(n)}, id=f"5-{n}")
    pipe.execute()
    db.config_resetstat()
    proof = await prove(source, count=2400)
    assert [int(match.order_id) for match in proof.matches] == list(range(2501, 101, -1))
    assert db.info("commandstats")["cmdstat_xrevrange"]["calls"] == 3


async def test_follow_returns_what_is_there_at_once(db, source):
    add(db, "1")
    assert (await prove(source, follow_s=60)).matches[0].order_id == "1"


async def test_follow_waits_for_the_first_that_fits_and_misses_nothing(db, source):
    add(db)
    proving = asyncio.create_task(prove(source, follow_s=30, symbol="ETHUSDT"))
    while not db.info("clients")["blocked_clients"]:
        await asyncio.sleep(0)
    add(db, "8", symbol="TRXUSDT")
    pipe = db.pipeline()
    for n in (9, 10):
        pipe.xadd(STREAM, {"executed": "true", "order_id": n, "symbol": "ETHUSDT"})
    pipe.execute()
    proof = await proving
    assert [match.order_id for match in proof.matches] == ["10", "9"]
    assert proof.entries_checked == 4
    assert db.info("commandstats")["cmdstat_xrevrange"]["calls"] >= 1


async def test_follow_on_an_empty_stream_and_its_timeout(db, source):
    proof = await prove(source, follow_s=0.05)
    assert (proof.is_found, proof.entries_checked) == (False, 0)
