"""One plan through all services: real Redis, the sandbox exchange over HTTP."""

from decimal import Decimal

import pytest

from qtops.contracts.registry import Key, Service, Stream
from tests.services.conftest import EVERYTHING, GATES, READERS, System, close_plan, open_plan


async def test_a_close_is_filled_reduce_only_and_floored_to_the_lot_step(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", qty="8944.5"))
    result = await system.result("p1")
    assert (result.executed, result.error) == (True, "")
    assert result.filled_quantity == Decimal(8944)
    assert result.order_status == "FILLED"
    [order] = await system.orders()
    assert order["reduceOnly"] is True
    assert order["clientOrderId"] == system.order_id("p1")
    assert str(order["orderId"]) == result.order_id


async def test_the_book_and_the_snapshot_follow_the_fill(system: System):
    await system.start(*EVERYTHING, SNAPSHOT_POSITIONS_SECONDS="0.05")
    await system.publish(**close_plan("p1", qty="889"))
    await system.result("p1")
    book = await system.link.client.hgetall(system.names.key(Key.BOOK, symbol="TRXUSDT"))
    assert book[b"position_amt"] == b"17000"
    assert book[b"side"] == b"LONG"


async def test_an_open_executes_and_its_permits_are_gone_afterwards(flat_system: System):
    await flat_system.start(*EVERYTHING)
    await flat_system.publish(**open_plan("p1", "XRPUSDT", "20"))
    result = await flat_system.result("p1")
    assert (result.executed, result.error) == (True, "")
    for key in (Key.PERMIT_GOVERNOR, Key.PERMIT_PORTFOLIO, Key.PERMIT_POSITION):
        assert await flat_system.permit(key, "p1") is None


@pytest.mark.parametrize("spelling", ["false", "False", "0", "no", "FALSE"])
async def test_every_spelling_of_false_opens(flat_system: System, spelling: str):
    await flat_system.start(*EVERYTHING)
    await flat_system.publish(**open_plan("p1", "XRPUSDT", "20", reduceOnly=spelling))
    assert (await flat_system.result("p1")).executed
    [order] = await flat_system.orders()
    assert order["reduceOnly"] is False


@pytest.mark.parametrize("spelling", ["true", "True", "1", "yes"])
async def test_every_spelling_of_true_closes(system: System, spelling: str):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", reduceOnly=spelling))
    assert (await system.result("p1")).executed
    [order] = await system.orders()
    assert order["reduceOnly"] is True


@pytest.mark.parametrize("spelling", ["maybe", "", None, "2", "null"])
async def test_anything_else_is_refused_and_dead_lettered(system: System, spelling: str | None):
    await system.start(*EVERYTHING)
    plan = close_plan("p1")
    del plan["reduceOnly"]
    await system.publish(**plan, **({} if spelling is None else {"reduceOnly": spelling}))
    result = await system.result("p1")
    assert not result.executed
    assert result.error.startswith("undecodable_plan:")
    [letter] = await system.dead_letters()
    assert letter["field"] == "reduceOnly"
    assert letter["stream"] == "apply.plan"
    assert await system.orders() == []
    assert await system.pending(Stream.APPLY_PLAN, Service.EXECUTOR) == 0


async def test_unknown_fields_survive_to_the_result(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", strategy="grid-7", note="näive ☂"))
    result = await system.result("p1")
    assert result.details["plan_extra"] == {"strategy": "grid-7", "note": "näive ☂"}


async def test_a_symbol_without_a_position_is_refused_in_writing(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", "BTCUSDT", "0.001"))
    result = await system.result("p1")
    assert result.error == "p33_permit_denied:no_position"
    assert await system.orders() == []


async def test_without_the_governor_no_order_leaves_and_the_result_names_it(system: System):
    await system.start(*READERS, Service.PORTFOLIO_GATE, Service.POSITION_GATE)
    await system.start(Service.EXECUTOR, INTENT_EXECUTOR_PERMIT_WAIT_SECONDS="0.3")
    await system.publish(**close_plan("p1"))
    result = await system.result("p1")
    assert result.error == "permit_missing:governor"
    assert await system.orders() == []


async def test_shorts_are_closed_by_buying(redis_server):
    from tests.services.conftest import running_system

    async with running_system(redis_server.url, "exit-proof-short") as system:
        await system.start(*EVERYTHING)
        await system.publish(**close_plan("p1", side="BUY", qty="8944.5"))
        result = await system.result("p1")
        assert (result.executed, result.filled_quantity) == (True, Decimal(8944))
        [order] = await system.orders()
        assert (order["side"], order["reduceOnly"]) == ("BUY", True)


async def test_the_same_plan_twice_gives_one_order_and_one_result(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    await system.publish(**close_plan("p1"))
    await system.publish(**close_plan("p2", "ETHUSDT", "0.1"))
    await system.result("p2")
    assert len(await system.results_of("p1")) == 1
    assert [o["symbol"] for o in await system.orders()] == ["TRXUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    "order_type", ["STOP_MARKET", "TAKE_PROFIT", "TRAILING_STOP_MARKET", "STOP", "LIMIT"]
)
async def test_only_market_orders_pass_and_nothing_else_is_sent(system: System, order_type: str):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", type=order_type))
    result = await system.result("p1")
    assert result.error.startswith("order_type_not_allowed")
    state = await system.control("GET", "orders")
    assert state["requests_received"] == 0


async def test_a_foreign_source_is_refused(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("p1", source="proof_manual"))
    assert (await system.result("p1")).error == "source_not_allowed:proof_manual"


async def test_the_manual_lane_works_only_while_it_is_open(system: System):
    await system.start(*EVERYTHING)
    lane = Stream.APPLY_PLAN_MANUAL
    await system.publish(lane, **close_plan("p1", source="operator"))
    assert "manual_lane_disabled" in (await system.result("p1")).error
    await system.link.client.set(system.names.key(Key.MANUAL_LANE), "1", ex=60)
    await system.publish(lane, **close_plan("p2", source="operator"))
    assert (await system.result("p2")).executed


async def test_a_plan_that_asks_for_nothing_is_acknowledged_without_result(system: System):
    await system.start(*EVERYTHING)
    await system.publish(**close_plan("skip", decision="SKIP"))
    await system.publish(**close_plan("p1"))
    await system.result("p1")
    assert await system.results_of("skip") == []
    for service in (*GATES, Service.EXECUTOR):
        assert await system.pending(Stream.APPLY_PLAN, service) == 0


async def test_an_operator_gets_out_of_a_position_that_the_book_denies(system: System):
    await system.start(*EVERYTHING)
    book = system.names.key(Key.BOOK, symbol="TRXUSDT")
    await system.link.client.hset(book, mapping={"position_amt": "5", "side": "LONG"})
    await system.publish(**close_plan("p1"))
    assert "reconcile_required_qty_mismatch" in (await system.result("p1")).error
    await system.link.client.set(system.names.key(Key.MANUAL_LANE), "1", ex=60)
    await system.publish(Stream.APPLY_PLAN_MANUAL, **close_plan("p2", source="operator"))
    assert (await system.result("p2")).executed
