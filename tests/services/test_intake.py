"""The intake over real HTTP, with a real Redis; and once all the way to a plan."""

import json
import socket

import httpx
import pytest
import structlog

from qtops.contracts.intent import Intent
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Key, Service, Stream
from qtops.errors import ConfigError
from tests.services.conftest import READERS, until

TOKEN = "correct-horse-battery-staple"
ON = {"QTOPS_INTAKE_TOKEN": TOKEN, "QTOPS_INTAKE_PORT": "0"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SIGNAL = {"ticker": "BINANCE:XRPUSDT.P", "action": "buy", "position_size_usd": 20}


async def rows(system, stream):
    found = await system.link.client.xrange(system.names.stream(stream))
    return [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in found]


async def client_of(system, **changes):
    await system.start(Service.INTAKE, **ON, **changes)
    key = system.names.key(Key.HEARTBEAT, service=Service.INTAKE.value)
    url = await system.link.client.hget(key, "url")
    return httpx.AsyncClient(base_url=url.decode(), timeout=10)


@pytest.fixture
async def door(flat_system):
    async with await client_of(flat_system) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        (BEARER, {}),
        ({"X-Token": TOKEN}, {}),
        ({}, {"token": TOKEN}),
        ({}, {"passphrase": TOKEN}),
        ({"Content-Type": "text/plain; charset=utf-8"}, {"token": TOKEN}),
    ],
)
async def test_a_signal_becomes_one_intent_without_its_token(flat_system, door, headers, more):
    body = json.dumps({**SIGNAL, **more, "comment": f"my token is {TOKEN}"})
    answer = await door.post("/signal", content=body, headers=headers)
    assert answer.status_code == 202
    [(entry, raw)] = await flat_system.link.client.xrange(
        flat_system.names.stream(Stream.TRADE_INTENT)
    )
    assert answer.json() == {
        "status": "accepted",
        "id": entry.decode(),
        "shape": "tradingview",
        "symbol": "XRPUSDT",
        "side": "BUY",
    }
    intent = Intent.from_fields({k.decode(): v.decode() for k, v in raw.items()})
    assert (intent.symbol, intent.source) == ("XRPUSDT", "tradingview")
    assert TOKEN not in str(raw)


REFUSED = [
    ("/signal", json.dumps(SIGNAL), {}, 401, "no_token"),
    ("/signal", json.dumps(SIGNAL), {"X-Token": TOKEN[:-1]}, 401, "bad_token"),
    ("/signal", json.dumps(SIGNAL), {"Authorization": f"Basic {TOKEN}"}, 401, "no_token"),
    ("/signal", "{", {}, 401, "no_token"),
    ("/signal", "BTC is up", BEARER, 400, "bad_json"),
    ("/signal", "[]", BEARER, 400, "bad_json"),
    ("/signal", b"\xff\xfe", BEARER, 400, "bad_json"),
    ("/signal", '{"ticker":"BTCUSDT","action":"buy","qty":NaN}', BEARER, 400, "bad_json"),
    ("/signal", "{}", BEARER, 400, "unknown_shape"),
    ("/signal", json.dumps({**SIGNAL, "action": "up"}), BEARER, 400, "bad_action"),
    ("/signal", json.dumps({**SIGNAL, "source": TOKEN}), BEARER, 400, "token_misplaced"),
    ("/signal/freqtrade", json.dumps(SIGNAL), BEARER, 400, "missing_type"),
    ("/signal/other", json.dumps(SIGNAL), BEARER, 404, "unknown_shape"),
    ("/signal", "x" * 65537, BEARER, 413, "too_large"),
    ("/nowhere", "{}", BEARER, 404, "not_found"),
]


async def test_what_is_refused_says_why_and_publishes_nothing(flat_system, door):
    for path, content, headers, status, reason in REFUSED:
        answer = await door.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), content
        assert answer.json()["status"] == "refused"
    assert await rows(flat_system, Stream.TRADE_INTENT) == []


async def test_what_only_informs_is_ignored_with_200(flat_system, door):
    fill = {"type": "entry_fill", "pair": "XRP/USDT:USDT", "token": TOKEN}
    answer = await door.post("/signal", json=fill)
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert await rows(flat_system, Stream.TRADE_INTENT) == []
    wrong = await door.get("/signal")
    assert (wrong.status_code, wrong.json()["reason"]) == (405, "method_not_allowed")


async def test_too_many_signals_wait_and_wrong_tokens_do_not_use_up_the_right_ones(flat_system):
    limits = {"QTOPS_INTAKE_PER_MINUTE": "1", "QTOPS_INTAKE_BURST": "2"}
    async with await client_of(flat_system, **limits) as door:
        guesses = [await door.post("/signal", json=SIGNAL) for _ in range(31)]
        assert {a.status_code for a in guesses[:30]} == {401}
        assert guesses[30].status_code == 429
        signals = [await door.post("/signal", json=SIGNAL, headers=BEARER) for _ in range(3)]
    assert [a.status_code for a in signals] == [202, 202, 429]
    assert signals[2].json()["reason"] == "rate_limited"
    assert 0 < int(signals[2].headers["retry-after"]) <= 61
    assert len(await rows(flat_system, Stream.TRADE_INTENT)) == 2


async def test_health_and_the_log_know_what_happened_and_never_the_token(flat_system):
    with structlog.testing.capture_logs() as logs:
        async with await client_of(flat_system) as door:
            await door.post("/signal", json={**SIGNAL, "token": TOKEN})
            await door.post("/signal", json={"token": TOKEN, "ticker": TOKEN})
            health = await door.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert (health.json()["accepted"], health.json()["refused"]) == (1, 1)
    events = {log["event"] for log in logs}
    assert {"intake.listening", "signal.accepted", "signal.refused"} <= events
    assert TOKEN not in str(logs)


@pytest.mark.parametrize(("token", "words"), [("", "not set"), ("short", "shorter than 16")])
async def test_without_a_good_token_it_does_not_start(flat_system, token, words):
    with pytest.raises(ConfigError, match=words):
        await flat_system.start(Service.INTAKE, QTOPS_INTAKE_TOKEN=token)


async def test_a_port_in_use_is_said(flat_system):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(ExceptionGroup) as caught:
            await flat_system.start(Service.INTAKE, **ON | {"QTOPS_INTAKE_PORT": port})
    [error] = caught.value.exceptions
    assert isinstance(error, ConfigError)
    assert port in error.message
    assert "QTOPS_INTAKE_PORT" in error.hint


async def test_a_signal_sent_twice_becomes_one_plan(flat_system):
    await flat_system.start(*READERS)
    names = [flat_system.names.key(Key.FILTERS), flat_system.names.key(Key.PORTFOLIO)]
    names += [flat_system.names.key(k, symbol="XRPUSDT") for k in (Key.POSITION, Key.MARKET)]
    await until(lambda: flat_system.link.client.exists(*names), len(names))
    await flat_system.start(Service.INTENT_BRIDGE, INTENT_BRIDGE_ALLOWLIST="XRPUSDT")
    async with await client_of(flat_system) as door:
        for _ in range(2):
            sent = {**SIGNAL, "token": TOKEN, "signal_id": "s1"}
            assert (await door.post("/signal/tradingview", json=sent)).status_code == 202

    async def decided():
        return [row.get("reason", "") for row in await rows(flat_system, Stream.GATE_DECISION)]

    assert await until(decided, ["", "duplicate_intent"])
    [plan] = [Plan.from_fields(row) for row in await rows(flat_system, Stream.APPLY_PLAN)]
    assert (plan.symbol, plan.reduce_only) == ("XRPUSDT", False)
    assert plan.extra["intent_source"] == "tradingview"
