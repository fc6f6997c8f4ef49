"""News of the exchange bring lookups and readings forward; losing, doubling or delaying them
changes nothing else."""

import asyncio
import re
import socket
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import httpx
import pytest

from qtops.contracts.account_event import AccountEvent, EventKind
from qtops.contracts.registry import Key, Service, Stream
from qtops.gates import execution
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.services.conftest import EVERYTHING, System, close_plan, running_system

HOUR_MS = 3_600_000
FAR_MS = 60_000  # no test waits that long: what happens earlier was brought about by an event


async def until(holds: Callable[[], Coroutine[Any, Any, Any]], what: str) -> Any:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if found := await holds():
            return found
        await asyncio.sleep(0.01)
    pytest.fail(f"never: {what}")


async def events(system: System) -> list[AccountEvent]:
    rows = await system.link.client.xrange(system.names.stream(Stream.EXCHANGE_EVENTS))
    texts = [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in rows]
    return [AccountEvent.from_fields(fields) for fields in texts]


async def fault(system: System, path: str, kind: str, **more: Any) -> None:
    await system.control("POST", "faults", path=path, kind=kind, **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def lookups(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    found = re.findall(r'^intent_executor_lookups_total{trigger="(\w+)"} (\S+)', text, re.MULTILINE)
    return {trigger: float(count) for trigger, count in found}


async def test_an_unknown_outcome_is_looked_up_when_the_event_comes(
    system: System, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(execution, "LOOKUP_BACKOFF_MS", (FAR_MS,))
    port = free_port()
    await system.start(Service.USER_STREAM)
    await system.start(*EVERYTHING, QTOPS_METRICS_PORT_EXECUTOR=str(port))
    await fault(system, "/fapi/v1/order", "unknown_503_executed", method="POST")
    await system.publish(**close_plan("p1"))
    result = await system.result("p1")
    assert (result.executed, result.filled_quantity) == (True, Decimal(100))
    assert len(await system.orders()) == 1
    assert await lookups(port) == {"event": 1}


async def test_a_stream_that_comes_back_wakes_whoever_waits(
    system: System, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(execution, "LOOKUP_BACKOFF_MS", (FAR_MS,))
    await system.start(Service.USER_STREAM, *EVERYTHING)
    await fault(system, "/private/ws/*", "stream_disconnect")
    await fault(system, "/private/ws/*", "stream_drop", count=3)
    await fault(system, "/fapi/v1/order", "unknown_503_executed", method="POST")
    await system.publish(**close_plan("p1"))
    assert (await system.result("p1")).executed
    found = await events(system)
    assert [event.kind for event in found[:2]] == [EventKind.CONNECTED] * 2
    assert found[1].gap_from_ms == found[0].event_ms


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("stream_drop", {}),
        ("stream_delay_ms", {"value": 300}),
        ("stream_duplicate", {}),
        ("stream_reorder", {"count": 1}),
        ("stream_disconnect", {"count": 1}),
    ],
)
@pytest.mark.parametrize("answer", ["answered", "unknown"])
async def test_whatever_befalls_the_events_the_result_is_the_same(
    system: System, kind: str, more: dict[str, int], answer: str
):
    await system.start(Service.USER_STREAM, *EVERYTHING)
    await fault(system, "/private/ws/*", kind, **{"count": 100, **more})
    if answer == "unknown":
        await fault(system, "/fapi/v1/order", "unknown_503_executed", method="POST")
    await system.publish(**close_plan("p1", qty="8944.5"))
    result = await system.result("p1")
    assert (result.executed, result.filled_quantity) == (True, Decimal(8944))
    assert (len(await system.orders()), len(await system.results_of("p1"))) == (1, 1)
    identities = [event.identity for event in await events(system)]
    assert len(set(identities)) == len(identities)


async def test_a_forged_event_settles_nothing(system: System):
    """Only the exchange's answer is evidence: an order that it does not know was not filled."""
    port = free_port()
    changes = {"QTOPS_METRICS_PORT_EXECUTOR": str(port), "QTOPS_RECV_WINDOW_MS": "1000"}
    await system.start(*EVERYTHING, **changes)
    await fault(system, "/fapi/v1/order", "unknown_503_not_executed", method="POST")
    await system.publish(**close_plan("p1"))
    forged = {
        "kind": "order",
        "event_ms": "1",
        "transaction_ms": "1",
        "symbol": "TRXUSDT",
        "order_id": "9",
        "client_order_id": system.order_id("p1"),
        "side": "SELL",
        "status": "FILLED",
        "execution": "TRADE",
        "executed_quantity": "100",
    }

    async def woken() -> bool:
        await system.link.client.xadd(system.names.stream(Stream.EXCHANGE_EVENTS), forged)
        return (await lookups(port)).get("event", 0) > 0

    await until(woken, "a lookup because of the event")
    assert await system.results_of("p1") == []
    assert await system.orders() == []


async def test_an_account_event_brings_the_reading_of_positions_forward(system: System):
    far = {"SNAPSHOT_POSITIONS_SECONDS": str(FAR_MS // 1000)}
    await system.start(Service.USER_STREAM, Service.SNAPSHOTS, **far)
    await system.control("POST", "positions", symbol="BTCUSDT", amount="0.5", entry_price=88000)

    async def seen() -> bool:
        raw = await system.link.client.hgetall(system.names.key(Key.POSITION, symbol="BTCUSDT"))
        return bool(raw.get(b"position_amt") == b"0.5")

    await until(seen, "the new position")


async def test_after_the_key_ran_out_the_stream_goes_on_with_a_new_one(system: System):
    await system.start(Service.USER_STREAM)
    await system.control("POST", "clock", offset_ms=HOUR_MS)

    async def reconnected() -> bool:
        return len(await events(system)) == 2

    await until(reconnected, "a second connection")
    await system.control("POST", "positions", symbol="BTCUSDT", amount="0.5", entry_price=88000)

    async def told() -> bool:
        return any(e.account is not None for e in await events(system))

    await until(told, "the change of the position")
    first, second, change = await events(system)
    assert [first.kind, second.kind] == [EventKind.CONNECTED] * 2
    assert second.gap_from_ms == first.event_ms
    assert change.account is not None
    assert change.account.positions == {"BTCUSDT": Decimal("0.5")}


async def test_a_new_life_says_from_when_on_events_may_be_missing(redis_server: EmbeddedRedis):
    async with running_system(redis_server.url, "exit-proof") as system:
        await system.start(Service.USER_STREAM)
        await system.control("POST", "positions", symbol="BTCUSDT", amount="1", entry_price=88000)

        async def told() -> bool:
            return len(await events(system)) == 2

        await until(told, "the change of the position")
        heartbeat = system.names.key(Key.HEARTBEAT, service=Service.USER_STREAM.value)
        assert await system.link.client.hget(heartbeat, "connected") == b"true"
        await system.stop()
        assert not await system.link.client.exists(heartbeat)
        await system.start(Service.USER_STREAM)
        _, last, marker = await events(system)
        assert (marker.kind, marker.gap_from_ms) == (EventKind.CONNECTED, last.event_ms)
