"""The exit monitor's HTTP over a real socket; manual closes filled through the real gates."""

import socket

import httpx
import pytest
import structlog

from qtops.contracts.control import ControlChange
from qtops.contracts.exit_event import CHAIN, ExitEvent
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from qtops.errors import ConfigError
from tests.services.conftest import EVERYTHING, READERS, until

TOKEN = "correct-horse-battery-staple"
CLOSES = {
    "EXIT_MONITOR_MANUAL_CLOSE_ENABLED": "true",
    "EXIT_MONITOR_MANUAL_CLOSE_TOKEN": TOKEN,
}
SOURCES = {"INTENT_EXECUTOR_SOURCE_ALLOWLIST": "intent_bridge,exit_monitor"}
MINE = {"X-Exit-Token": TOKEN}
CLOSE = "/manual-close/TRXUSDT"
WHY = {"reason": "operator test"}


async def rows(system, stream, parser):
    found = await system.link.client.xrange(system.names.stream(stream))
    return [parser({k.decode(): v.decode() for k, v in raw.items()}) for _, raw in found]


async def audit(system):
    changes = await rows(system, Stream.CONTROL_AUDIT, ControlChange.from_fields)
    return [(c.switch, c.value, c.reason) for c in changes]


async def door_of(system, *services, **changes):
    """The monitor and these services; a client of its HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = {"QTOPS_EXIT_HTTP_PORT": port, "EXIT_MONITOR_SECONDS": "0.1"}
    await system.start(*services, Service.EXIT_MONITOR, **own | changes)

    async def seen():
        return await system.link.client.hexists(system.names.key(Key.EXIT_EPISODES), "TRXUSDT")

    await until(seen, True)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)


async def test_it_shows_what_the_monitor_sees_and_closes_nothing_by_default(system):
    async with await door_of(system, *READERS) as door:
        health = await door.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert health.json()["manual_close"] is False
        seen = (await door.get("/positions")).json()["positions"]
        assert set(seen) == {"TRXUSDT", "ETHUSDT"}
        trx = seen["TRXUSDT"]
        assert (trx["amount"], trx["attempts"], trx["last_plan_id"]) == ("17889", 0, None)
        assert set(trx["pct_to"]) == {"stop_loss", "take_profit", "trailing_stop"}
        assert trx["mark"]
        refused = await door.post(CLOSE, params=WHY, headers=MINE)
        assert (refused.status_code, refused.json()["reason"]) == (404, "not_found")
    assert await audit(system) == []


@pytest.mark.parametrize("missing", CLOSES)
async def test_it_needs_the_switch_and_the_token(system, missing):
    given = {name: text for name, text in CLOSES.items() if name != missing}
    async with await door_of(system, *READERS, **given) as door:
        assert (await door.post(CLOSE, params=WHY, headers=MINE)).status_code == 404


async def test_a_short_token_is_no_token(system):
    with pytest.raises(ConfigError, match="shorter than 16"):
        await door_of(system, **CLOSES | {"EXIT_MONITOR_MANUAL_CLOSE_TOKEN": "short"})


async def test_every_refused_call_is_written_down_and_the_token_is_not(system):
    with structlog.testing.capture_logs() as logs:
        async with await door_of(system, *READERS, **CLOSES) as door:
            cases = [
                (CLOSE, WHY, {}, 401, "no_token"),
                (CLOSE, WHY, {"X-Exit-Token": TOKEN[:-1]}, 401, "bad_token"),
                (CLOSE, {"reason": TOKEN}, {}, 401, "no_token"),
                (CLOSE, {}, MINE, 400, "no_reason"),
                (CLOSE, WHY | {"force": "maybe"}, MINE, 400, "bad_bool"),
                ("/manual-close/T-X", WHY, MINE, 400, "bad_symbol"),
                ("/manual-close/BTCUSDT", WHY, MINE, 409, "no_position"),
            ]
            for path, params, headers, status, reason in cases:
                answer = await door.post(path, params=params, headers=headers)
                assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    written = await audit(system)
    assert [value for _, value, _ in written] == [f"refused:{case[4]}" for case in cases]
    assert written[2] == ("manual_close:TRXUSDT", "refused:no_token", "***")
    assert written[6][0] == "manual_close:BTCUSDT"
    assert TOKEN not in str(written) + str(logs)
    assert await rows(system, Stream.APPLY_PLAN, Plan.from_fields) == []


async def test_calls_beyond_the_pace_are_refused_and_written_down_once(system):
    async with await door_of(system, *READERS, **CLOSES) as door:
        flat = "/manual-close/BTCUSDT"
        answers = [await door.post(flat, params=WHY, headers=MINE) for _ in range(13)]
        assert [a.status_code for a in answers] == [409] * 10 + [429] * 3
        assert int(answers[-1].headers["retry-after"]) > 0
    values = [value for _, value, _ in await audit(system)]
    assert values == ["refused:no_position"] * 10 + ["refused:rate_limited"]


async def chain_of(system, plan_id):
    async def steps():
        events = await rows(system, Stream.EXIT_EVENTS, ExitEvent.from_fields)
        return tuple(e.step for e in events if e.plan_id == plan_id)

    return await until(steps, CHAIN)


async def test_a_manual_close_is_filled_through_the_gates(system):
    async with await door_of(system, *EVERYTHING, **CLOSES, **SOURCES) as door:
        answer = await door.post(CLOSE, params=WHY, headers=MINE)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["side"], told["qty"], told["lane"]) == ("SELL", "17889", "automated")
    result = await system.result(told["plan_id"])
    assert (result.executed, result.error) == (True, "")
    [order] = await system.orders()
    assert order["reduceOnly"] is True
    await chain_of(system, told["plan_id"])
    assert await audit(system) == [("manual_close:TRXUSDT", told["plan_id"], WHY["reason"])]
    assert not await system.link.client.exists(system.names.key(Key.MANUAL_LANE))


async def test_only_a_forced_close_works_under_halted(system):
    """The source is not on the executor's list either: the manual lane is the operator's own."""
    async with await door_of(system, *EVERYTHING, **CLOSES) as door:
        await system.link.client.set(system.names.key(Key.KILL), "1")
        held = await door.post(CLOSE, params=WHY, headers=MINE)
        assert (held.status_code, held.json()["reason"]) == (409, "halted")
        forced = await door.post(CLOSE, params=WHY | {"force": "true"}, headers=MINE)
    told = forced.json()
    assert (forced.status_code, told["lane"]) == (202, "manual")
    result = await system.result(told["plan_id"])
    assert (result.executed, result.error) == (True, "")
    await chain_of(system, told["plan_id"])
    switches = [(switch, value) for switch, value, _ in await audit(system)]
    assert switches == [
        ("manual_close:TRXUSDT", "refused:halted"),
        ("manual_close:TRXUSDT", told["plan_id"]),
        ("manual_lane", "1 for 20 s"),
    ]
    assert 0 < await system.link.client.pttl(system.names.key(Key.MANUAL_LANE)) <= 20_000


async def test_an_operators_own_lane_is_not_shortened(system):
    lane = system.names.key(Key.MANUAL_LANE)
    await system.link.client.set(lane, "1", ex=600)
    async with await door_of(system, *READERS, **CLOSES) as door:
        answer = await door.post(CLOSE, params=WHY | {"force": "true"}, headers=MINE)
    assert answer.status_code == 202
    assert await system.link.client.ttl(lane) > 500
    assert len(await audit(system)) == 1
    [plan] = await rows(system, Stream.APPLY_PLAN_MANUAL, Plan.from_fields)
    assert (plan.source, plan.reduce_only, plan.symbol) == ("exit_monitor", True, "TRXUSDT")


@pytest.mark.parametrize(("word", "mode"), [("enforce", "enforce"), ("banana", "shadow")])
async def test_the_mode_changes_without_a_restart_and_nonsense_is_no_word(system, word, mode):
    async with await door_of(system, *READERS) as door:
        assert (await door.get("/health")).json()["mode"] == "shadow"
        key = system.names.key(Key.EXIT_MODE)
        await system.link.client.set(key, "enforce")

        async def shown():
            return (await door.get("/health")).json()["mode"]

        await until(shown, "enforce")
        await system.link.client.set(key, word)
        looks = (await door.get("/health")).json()["looks"]

        async def looked_twice():
            return (await door.get("/health")).json()["looks"] >= looks + 2

        await until(looked_twice, True)
        assert await shown() == mode


async def test_the_operators_word_goes_before_the_setting(system):
    """EXIT_MODE is shadow; the stop loss of TRXUSDT (entry 0.3) is published all the same."""
    await system.link.client.set(system.names.key(Key.EXIT_MODE), "enforce")
    async with await door_of(system, *READERS, SNAPSHOT_MARKS_SECONDS="0.2"):
        await system.control("POST", "prices", symbol="TRXUSDT", mark_price="0.27")

        async def published():
            plans = await rows(system, Stream.APPLY_PLAN, Plan.from_fields)
            return [(p.symbol, p.extra["reason"]) for p in plans]

        await until(published, [("TRXUSDT", "stop_loss")])
