"""Plans that cannot be what they say: refused with the field's name, nothing lost, nothing sent."""

import pytest

from qtops.contracts.registry import Service, Stream
from tests.services.conftest import EVERYTHING, System, close_plan


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qty", "-1"),
        ("qty", "0"),
        ("qty", "NaN"),
        ("qty", "Infinity"),
        ("qty", "ten"),
        ("symbol", "not a symbol"),
        ("side", "LONG"),
        ("action", "BANANA"),
        ("decision", "MAYBE"),
    ],
)
async def test_a_malformed_field_is_named_and_kept(system: System, field: str, value: str):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", **{field: value}))
    result = await system.result("p1")
    assert (result.executed, result.error.partition(":")[0]) == (False, "undecodable_plan")
    [letter] = await system.dead_letters()
    assert letter["field"] == field
    assert f'"{field}": "{value}"' in letter["raw"]
    assert (await system.control("GET", "orders"))["requests_received"] == 0
    assert await system.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 0


async def test_a_plan_without_an_id_is_dead_lettered_without_a_result(system: System):
    await system.start(*EVERYTHING)
    plan = close_plan("p1")
    del plan["plan_id"]
    await system.publish(**plan)
    await system.publish(**close_plan("p2"))
    assert (await system.result("p2")).executed
    assert [letter["field"] for letter in await system.dead_letters()] == ["plan_id"]


async def test_bytes_that_are_no_text_are_dead_lettered(system: System):
    await system.start(*EVERYTHING)
    fields = {k.encode(): v.encode() for k, v in close_plan("p1").items()} | {b"note": b"\xff\xfe"}
    await system.link.client.xadd(system.names.stream(Stream.APPLY_PLAN), fields)
    await system.result("p1")
    assert [letter["reason"] for letter in await system.dead_letters()] == ["bad_utf8"]


async def test_a_symbol_nobody_trades_is_refused_in_writing(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", "NOPEUSDT"))
    assert (await system.result("p1")).error == "symbol_not_in_allowlist:NOPEUSDT"
    decisions = await system.bench.decisions_of("p1", "1-0")
    refused = {d.gate: d.reason for d in decisions if not d.allow}
    assert refused == {"p33_position_gate": "symbol_not_in_allowlist"}
