"""`qtops trace` on a whole system: real Redis, the sandbox exchange, the real services."""

import asyncio
import json

import pytest
import structlog

from qtops.contracts.decision import DecisionRecord
from qtops.contracts.registry import Service, Stream
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.services.conftest import EVERYTHING, close_plan, running_system

GATES = ["governor", "portfolio gate", "position gate"]
HOPS = ["intent", "plan", *GATES, "permits", "admission", "order", "fills", "result", "book"]


@pytest.fixture(scope="module")
def redis_server():
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def system(redis_server):
    """Positions TRXUSDT 17889 and ETHUSDT 6.678; no service runs yet."""
    with structlog.testing.capture_logs():
        async with running_system(redis_server.url, "exit-proof") as running:
            yield running


@pytest.fixture
def trace(shell, system):
    """Runs the command in a thread, because it brings its own event loop."""

    async def run(*argv, **environ):
        return await asyncio.to_thread(shell, "trace", *argv, environ={**system.environ, **environ})

    return run


def states(document):
    [plan] = document["plans"]
    assert [hop["name"] for hop in plan["hops"]] == HOPS
    return {hop["name"]: hop["state"] for hop in plan["hops"]}


def hop(document, name):
    return next(hop for hop in document["plans"][0]["hops"] if hop["name"] == name)


async def test_a_filled_exit_is_seen_at_every_hop_and_at_the_exchange(system, trace):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    result = await system.result("p1")
    run = await trace("p1", "--json")
    document = run.document
    assert (run.code, document["schema"], document["status"]) == (0, "qtops.trace/v1", "filled")
    found = states(document)
    assert found.pop("intent") == "unknown"
    assert set(found.values()) == {"seen"}
    assert document["plans"][0]["first_break"] is None
    assert result.order_id in hop(document, "order")["detail"]
    times = [hop(document, name)["at_us"] for name in ("plan", "admission", "order", "result")]
    assert times == sorted(times)
    by_order = await trace("--order-id", result.order_id, "--json")
    assert by_order.document["plans"] == document["plans"]


async def test_a_refused_exit_names_the_gate_and_its_reason(system, trace):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", "BTCUSDT", "0.001"))
    await system.result("p1")
    run = await trace("p1")
    lines = run.out.splitlines()
    assert run.code == 0
    assert lines[0].startswith("✗ refused by position gate: no_position after ")
    assert lines[0].endswith(" ms")
    assert lines[-1] == "    qtops audit permits --plan-id p1"
    document = (await trace("p1", "--json")).document
    assert (document["status"], document["plans"][0]["first_break"]) == ("refused", GATES[2])
    found = states(document)
    reached = {"permits", "admission", "order", "fills", "book"}
    assert {found[name] for name in reached} == {"not reached"}
    assert hop(document, "result")["reason"] == "p33_permit_denied:no_position"


async def test_a_plan_that_nobody_decided_names_the_dead_gates(system, trace):
    await system.start(
        Service.SNAPSHOTS,
        Service.MARKET_STATE,
        Service.EXECUTOR,
        INTENT_EXECUTOR_PERMIT_WAIT_SECONDS="0.2",
    )
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    run = await trace("p1", "--json")
    assert run.code == 0
    young = states(run.document)
    assert {young[gate] for gate in GATES} == {"unknown"}
    assert hop(run.document, "result")["reason"].startswith("permit_missing:governor,p26,p33")
    why = (await trace("--why-no-trade", "--json")).document
    [row] = why["refusals"]
    assert (row["gate"], row["reason"]) == ("executor", "permit_missing:governor,p26,p33")
    assert (row["plans"], row["example"]) == (1, "p1")


async def test_an_undecodable_plan_ends_at_the_decoder_with_its_dead_letter(system, trace):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", qty="ten"))
    await system.result("p1")
    document = (await trace("p1", "--json")).document
    assert (document["status"], document["plans"][0]["first_break"]) == ("refused", "plan")
    plan = hop(document, "plan")
    assert plan["reason"] == "undecodable_plan"
    assert plan["detail"] == "qty: 'ten' is not a number; in the dead letters"
    assert {states(document)[gate] for gate in GATES} == {"not reached"}


async def test_permits_that_nobody_used_have_expired_by_their_decisions(system, trace):
    """Seeded as a minute leaves it: decisions on record, permits gone, no claim, no result."""
    client = system.link.client
    now_ms = await system.link.now_ms()
    then_ms = now_ms - 90_000
    await client.xadd(system.names.stream(Stream.APPLY_PLAN), close_plan("p1"), id=f"{then_ms}-0")
    for gate in ("governor", "p26_portfolio_gate", "p33_position_gate"):
        record = DecisionRecord("p1", gate, True, "ok", "TRXUSDT", "SELL", "close", then_ms + 1)
        await client.xadd(
            system.names.stream(Stream.GATE_DECISION), record.to_fields(), id=f"{then_ms}-*"
        )
    run = await trace("p1")
    assert run.code == 0
    assert run.out.startswith("✗ lost at permits: expired: governor, portfolio gate, position gate")
    document = (await trace("p1", "--json")).document
    found = states(document)
    assert (found["permits"], found["result"]) == ("expired", "missing")
    assert {found[gate] for gate in GATES} == {"seen"}


async def test_an_exchange_that_is_away_is_unknown_and_never_missing(system, trace):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    run = await trace("p1", "--json", QTOPS_EXCHANGE_URL="http://127.0.0.1:9")
    assert (run.code, run.document["status"]) == (0, "filled")
    found = states(run.document)
    assert (found["order"], found["fills"]) == ("unknown", "unknown")
    assert hop(run.document, "order")["detail"].startswith("the exchange: ")
    unasked = (await trace("p1", "--json", "--no-exchange")).document
    assert hop(unasked, "order")["detail"] == "the exchange: not asked"


async def test_a_symbol_shows_its_newest_plans_first(system, trace):
    await system.start(*EVERYTHING)
    for plan_id, symbol, qty in (("p1", "TRXUSDT", "100"), ("p2", "BTCUSDT", "0.001")):
        await system.publish(**close_plan(plan_id, symbol, qty))
        await system.result(plan_id)
    await system.publish(**close_plan("p3", "TRXUSDT", "100", source="nobody"))
    await system.result("p3")
    run = await trace("--symbol", "TRXUSDT")
    assert run.code == 0
    assert run.out.startswith("✗ 1 of the 2 newest TRXUSDT plans traded")
    document = (await trace("--symbol", "TRXUSDT", "--json")).document
    assert [(p["plan_id"], p["outcome"]) for p in document["plans"]] == [
        ("p3", "refused"),
        ("p1", "filled"),
    ]
    newest = (await trace("--symbol", "TRXUSDT", "--limit", "1", "--json")).document
    assert [p["plan_id"] for p in newest["plans"]] == ["p3"]


async def test_a_trace_writes_nothing(system, trace):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    await system.stop()
    before = await _everything(system)
    for argv in (["p1"], ["--symbol", "TRXUSDT"], ["--why-no-trade"]):
        assert (await trace(*argv)).code == 0
    assert await _everything(system) == before


async def _everything(system):
    client = system.link.client
    keys = sorted([key async for key in client.scan_iter(match=f"{system.names.namespace}:*")])
    return {key: await client.dump(key) for key in keys}


async def test_what_nobody_knows_is_not_found(trace):
    for argv in (["nobody"], ["--order-id", "77"], ["--symbol", "BTCUSDT"]):
        run = await trace(*argv)
        assert (run.code, run.out.startswith("✗ no ")) == (3, True)
        document = (await trace(*argv, "--json")).document
        assert (document["status"], document["plans"]) == ("not_found", [])


async def test_a_plans_life_as_one_page(system, trace, tmp_path):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p-page"))
    await system.result("p-page")
    page = tmp_path / "life.html"
    run = await trace("p-page", "--html", str(page), "--json")
    assert (run.code, run.document["status"]) == (0, "filled")
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "Milliseconds from the plan to each hop" in text
    for name in HOPS:
        assert f'<li title="{name}">' in text
    assert (await trace("--why-no-trade", "--html", str(page))).code == 0
    assert "What became of the plans" in page.read_text()
    assert (await trace("p-page", "--html", str(tmp_path))).code == 1


async def test_a_window_without_plans_says_so(trace):
    run = await trace()
    assert (run.code, run.out.splitlines()[0][:19]) == (0, "! no plan in 1h   n")


@pytest.mark.parametrize(
    "argv",
    [
        ["p1", "--symbol", "BTCUSDT"],
        ["p1", "--order-id", "5"],
        ["p1", "--why-no-trade"],
        ["p1", "--since", "1h"],
        [""],
        ["--symbol", "not a symbol"],
        ["--why-no-trade", "--since", "soon"],
        ["--limit", "0"],
    ],
)
def test_two_questions_or_none_that_can_be_asked_are_usage_errors(shell, argv):
    run = shell("trace", *argv, "--json")
    assert (run.code, run.document["schema"]) == (64, "qtops.error/v1")


def test_without_redis_it_is_an_error(shell):
    run = shell("trace", "p1", "--json", environ={"QTOPS_REDIS_URL": "redis://127.0.0.1:1"})
    assert (run.code, json.loads(run.out)["error"]["code"]) == (1, "redis_unreachable")
