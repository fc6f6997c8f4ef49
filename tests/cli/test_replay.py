"""`qtops replay` on the decisions of real gates, over a real Redis."""

import asyncio
import json

import pytest
import structlog

from qtops.contracts.registry import Stream
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.services.conftest import EVERYTHING, close_plan, open_plan, running_system

# The positions of the scenario come to about 24,000 USDT.
CAP = "GOV_MAX_TOTAL_NOTIONAL_USDT"
PLANS = (
    open_plan("o1", "BTCUSDT", "0.002"),
    open_plan("o2", "SOLUSDT", "0.5"),
    open_plan("big", "BTCUSDT", "0.1"),
    open_plan("listed-nowhere", "LTCUSDT", "1"),
    close_plan("c1", "TRXUSDT", "100"),
    close_plan("c2", "XRPUSDT", "5"),
)


@pytest.fixture(scope="module")
def redis_server():
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
async def system(redis_server):
    with structlog.testing.capture_logs():
        async with running_system(redis_server.url, "exit-proof", **{CAP: "40000"}) as running:
            yield running


@pytest.fixture
def replay(shell, system):
    """Runs the command in a thread, because it brings its own event loop."""

    async def run(*argv, **environ):
        environ = {**system.environ, **environ}
        return await asyncio.to_thread(shell, "replay", *argv, environ=environ)

    return run


async def decided(system, **changes):
    await system.start(*EVERYTHING, **changes)
    for plan in PLANS:
        await system.publish(**plan)
        await system.result(plan["plan_id"])


async def test_half_the_cap_flips_opens_and_no_exit(system, replay, shell):
    await decided(system)
    same = (await replay("--json")).document
    assert (same["status"], same["limits"], same["changed"]) == ("unchanged", {}, [])
    assert same["decisions"] == same["reproduced"] == 3 * len(PLANS)
    half = await replay("--set", f"{CAP}=20000", "--json", "--record", "kept.jsonl")
    found = half.document
    assert (half.code, found["schema"], found["status"]) == (0, "qtops.replay/v1", "flips")
    assert found["limits"] == {
        "governor.max_total_notional_usdt": {"was": "40000", "asked": "20000"}
    }
    assert {row["plan_id"] for row in found["changed"] if row["flip"]} >= {"o1", "o2"}
    assert {row["would_be"]["reason"] for row in found["changed"]} == {"total_notional_exceeded"}
    assert found["plans_flipped"]["exit"] == 0
    assert found["not_reproducible"] == found["unreadable"] == []
    # The file says the same, and needs no Redis.
    away = {"QTOPS_REDIS_URL": "redis://127.0.0.1:1/0"}
    kept = (
        await replay("--from", "kept.jsonl", "--set", f"{CAP}=20000", "--json", **away)
    ).document
    assert kept == {**found, "timestamp": kept["timestamp"]}
    again = await replay("--record", "kept.jsonl")
    assert (again.code, "is there already" in again.err) == (64, True)
    text = await replay("--set", f"{CAP}=20000", "--gate", "governor", "--symbol", "BTCUSDT")
    first = text.out.splitlines()[0]
    assert first.startswith("✓ flips")
    assert "exits: none" in first
    assert "is not carried on" in text.out
    enforced = await replay("--set", "P26_MODE=enforce", "--symbol", "TRXUSDT")
    assert "mode=enforce" in enforced.out


async def test_what_cannot_be_read_or_reproduced_is_named(system, replay, shell):
    await decided(system)
    await replay("--record", "kept.jsonl", "--gate", "position-gate", "--symbol", "TRXUSDT")
    path = shell.home / "work" / "kept.jsonl"
    [line] = path.read_text().splitlines()
    record = json.loads(line)
    forged = {**record, "decision": '{"allow":false,"reason":"no_position","detail":""}'}
    path.write_text("\n".join(["not json", line, json.dumps(forged), '{"gate":"position"}']))
    run = await replay("--from", "kept.jsonl", "--json")
    found = run.document
    assert (run.code, found["decisions"], found["reproduced"]) == (0, 2, 1)
    assert found["not_reproducible"][0]["why"].startswith("decided again it is allow 100")
    assert [where.partition(":")[0] for where in found["unreadable"]] == ["line 1", "line 4"]
    assert "not reproducible: c1, p33_position_gate: " in (await replay("--from", "kept.jsonl")).out


async def test_facts_are_not_kept_where_the_operator_says_so(system, replay):
    await decided(system, QTOPS_RECORD_FACTS="false")
    assert not await system.link.client.exists(system.names.stream(Stream.GATE_FACTS))
    run = await replay("--json")
    assert (run.code, run.document["status"]) == (0, "empty")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--set", "GOV_MAX_TOTAL_NOTIONAL=1"), "did you mean GOV_MAX_TOTAL_NOTIONAL_USDT?"),
        (("--set", "P33_PERMIT_TTL=1"), "no setting that a gate decides by"),
        (("--set", CAP), "give NAME=VALUE"),
        (("--set", f"{CAP}=lots"), "is no number"),
        (("--set", "P26_H_MIN=0.9"), "must be below"),
        (("--gate", "bouncer"), "give one of governor, portfolio-gate, position-gate"),
        (("--symbol", "?"), "--symbol"),
        (("--since", "ever"), "--since"),
        (("--from", "nowhere.jsonl"), "there is no such file"),
        (("--record", "nowhere/kept.jsonl"), "there is no directory"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_read(shell, argv, said):
    run = shell("replay", *argv)
    assert run.code == 64
    assert said in run.err
