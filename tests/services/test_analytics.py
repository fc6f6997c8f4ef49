"""Analytics counts what really happened, and each of it once."""

from decimal import Decimal

from prometheus_client import CollectorRegistry

from qtops.adapters.analytics_store import RedisAnalyticsStore
from qtops.contracts.account_event import AccountEvent, EventKind, Fill, OrderChange
from qtops.contracts.analytics import Attribution
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.vocabulary import Side
from qtops.ports.analytics import Totals
from qtops.services.analytics import Analytics, source_name
from qtops.services.metrics.analytics import AnalyticsMetrics
from tests.services.conftest import EVERYTHING, System, close_plan, open_plan, until

D = Decimal


def service(system: System, store: RedisAnalyticsStore | None = None) -> Analytics:
    """As after a restart: it knows nothing that does not lie in Redis."""
    chosen = store or RedisAnalyticsStore(system.link)
    return Analytics(chosen, AnalyticsMetrics(CollectorRegistry()))


async def counts(system: System) -> dict[str, int]:
    raw = await system.link.client.hgetall(system.names.key(Key.DECISION_COUNTS, window="1h"))
    return {name.decode(): int(number) for name, number in raw.items()}


async def standing(system: System):
    return await RedisAnalyticsStore(system.link).standing("")


async def decide(system: System, reason: str = "") -> None:
    now_ms = await system.link.now_ms()
    await system.publish(
        Stream.GATE_DECISION,
        plan_id="p",
        gate="governor",
        allow="false" if reason else "true",
        decided_at_ms=str(now_ms),
        **({"reason": reason} if reason else {}),
    )


async def fill_of(system: System, plan_id: str, quantity: str = "0.002") -> None:
    fill = Fill("7", D(quantity), D(50_000), D("0.05"), "USDT", D("1.5"))
    order = OrderChange("BTCUSDT", "1", system.order_id(plan_id), Side.BUY, "FILLED", "TRADE",
                        D(quantity), D(50_000), fill)  # fmt: skip
    event = AccountEvent(EventKind.ORDER, 1, 1, order)
    await system.publish(Stream.EXCHANGE_EVENTS, **event.to_fields())


async def test_a_restart_in_the_middle_counts_nothing_twice(flat_system: System):
    await flat_system.publish(**open_plan("p1", source="intent_bridge"))
    await decide(flat_system)
    await decide(flat_system, "symbol_cooldown")
    await fill_of(flat_system, "p1")
    for _ in range(2):
        await service(flat_system).count()
    await decide(flat_system, "symbol_cooldown")
    await fill_of(flat_system, "p1")  # its plan was read before the restart
    await fill_of(flat_system, "a stranger's")
    await service(flat_system).count()
    assert await counts(flat_system) == {
        "allow": 1,
        "deny": 2,
        "governor:allow": 1,
        "governor:deny": 2,
    }
    found = await standing(flat_system)
    twice = Attribution(2, D(200), D(3), D("0.1"))
    assert found.attributions[("BTCUSDT", "intent_bridge")] == twice
    assert found.attributions[("BTCUSDT", "unknown")].fills == 1


async def test_of_two_instances_one_counts(flat_system: System):
    await decide(flat_system)

    class Overtaken(RedisAnalyticsStore):
        async def write(self, totals: Totals) -> bool:
            await service(flat_system).count()
            return await super().write(totals)

    await service(flat_system, Overtaken(flat_system.link)).count()
    assert (await counts(flat_system))["allow"] == 1


async def test_what_cannot_be_decoded_is_passed_over(flat_system: System):
    await flat_system.publish(Stream.GATE_DECISION, nonsense="1")
    await flat_system.publish(Stream.EXCHANGE_EVENTS, kind="weather")
    await flat_system.publish(Stream.APPLY_RESULT, executed="perhaps")
    await flat_system.publish(qty="ten")
    await decide(flat_system)
    await service(flat_system).count()
    assert (await counts(flat_system))["allow"] == 1


async def test_a_whole_run_is_counted(system: System):
    await system.start(*EVERYTHING, Service.USER_STREAM, Service.ANALYTICS)
    await system.publish(**close_plan("c1"))
    await system.publish(**close_plan("c2", "BTCUSDT", "0.001"))
    for plan_id in ("c1", "c2"):
        await system.result(plan_id)

    async def fills() -> int:
        found = await standing(system)
        return sum(sums.fills for sums in found.attributions.values())

    await until(fills, 1)

    async def decisions() -> int:
        seen = await counts(system)
        return seen.get("allow", 0) + seen.get("deny", 0)

    await until(decisions, 6)
    found = await standing(system)
    execution = found.executions["TRXUSDT"]
    figures = execution.figures()
    assert execution.count == 1
    assert D(figures["total_us_p50"]) > D(figures["exchange_us_p50"]) > 0
    assert abs(D(figures["slippage_bps_mean"])) < 100
    [(pair, sums)] = found.attributions.items()
    assert pair == ("TRXUSDT", "intent_bridge")
    [order] = await system.orders()
    assert sums.turnover_usdt > 0
    assert sums.fees_usdt > 0
    top = await system.link.client.zrange(
        system.names.key(Key.TOP_REASONS, window="1h"), 0, -1, withscores=True
    )
    assert (b"no_position", 1.0) in top
    assert order["clientOrderId"] == system.order_id("c1")


def test_a_source_that_is_no_plain_word_gets_no_key_of_its_own():
    assert source_name("exit_monitor") == "exit_monitor"
    assert {source_name(s) for s in ("", "a:b", "ü", "x" * 41, "a b")} == {"other"}
