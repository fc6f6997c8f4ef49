"""A governor's batch builds on its own promises: those really written, and nothing else."""

import json
from collections.abc import Sequence
from decimal import Decimal

from prometheus_client import CollectorRegistry

from qtops.adapters.clock import SystemClock
from qtops.adapters.gate_store import RedisGateStore
from qtops.adapters.inbox import RedisInbox
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.vocabulary import GateName
from qtops.gates.governor import GOVERNOR, GovernorLimits
from qtops.ports import Issue
from qtops.services.gate_service import GateConfig, GateService
from qtops.services.metrics.gates import GateMetrics
from tests.services.conftest import READERS, System, open_plan
from tests.services.crashes import reservations

CAP = Decimal(90)
TRX, ETH, XRP = ("TRXUSDT", "100"), ("ETHUSDT", "0.02"), ("XRPUSDT", "20")  # 30, 59, 38 USDT


class OvertakenStore(RedisGateStore):
    """Between its first reading and its first writing, `other` decides what it is given."""

    other: "Governor | None" = None

    async def issue(self, issues: Sequence[Issue]) -> list[bool]:
        other, self.other = self.other, None
        if other is not None:
            await other.decide()
        return await super().issue(issues)


class Governor:
    """One of several, on entries that it has already read."""

    def __init__(self, system: System, host: str) -> None:
        link = system.link
        self.inbox = RedisInbox(link, link, Stream.APPLY_PLAN, Service.GOVERNOR, host)
        self.store = OvertakenStore(link, Service.GOVERNOR)
        limits = GovernorLimits(max_total_notional_usdt=CAP)
        self.service = GateService(
            GateConfig(GOVERNOR, limits, reserves=True),
            self.store,
            [self.inbox],
            SystemClock(),
            GateMetrics(CollectorRegistry(), GateName.GOVERNOR),
        )
        self.batch: list = []

    async def take(self, system: System, *plans: dict[str, str]) -> None:
        await self.inbox.ensure_groups()
        for plan in plans:
            await system.publish(**plan)
        self.batch = await self.inbox.read(len(plans), 100)

    async def decide(self) -> None:
        await self.service.handle(self.batch)


async def promised(system: System) -> tuple[set[str], Decimal]:
    held = await reservations(system)
    return set(held), sum((Decimal(str(r["notional_usdt"])) for r in held.values()), Decimal(0))


async def test_a_batch_whose_first_promise_is_overtaken_is_decided_again_as_a_whole(
    flat_system: System,
):
    """One allows 30 + 59 of 90. Before it writes, the other promises 38: 38 + 59 is too much."""
    await flat_system.start(*READERS)
    one, two = Governor(flat_system, "one"), Governor(flat_system, "two")
    await one.take(flat_system, open_plan("p1", *TRX), open_plan("p2", *ETH))
    await two.take(flat_system, open_plan("q1", *XRP))
    one.store.other = two
    await one.decide()
    plans, total = await promised(flat_system)
    assert total <= CAP
    assert plans == {"p1", "q1"}
    assert await flat_system.pending(Stream.APPLY_PLAN, Service.GOVERNOR) == 0


async def test_a_second_entry_of_a_held_plan_does_not_shrink_what_its_batch_sees(
    flat_system: System,
):
    """The executor holds 59 for p1. An entry that says 9.50 under its id leaves it at 59."""
    await flat_system.start(*READERS)
    governor = Governor(flat_system, "one")
    await governor.take(flat_system, open_plan("p1", *ETH))
    await governor.decide()
    key = flat_system.names.key(Key.RESERVATIONS)
    held = {**(await reservations(flat_system))["p1"], "state": "admitted"}
    await flat_system.link.client.hset(key, "p1", json.dumps(held))
    await governor.take(
        flat_system, open_plan("p1", "XRPUSDT", "5"), open_plan("p2", "ADAUSDT", "100")
    )
    await governor.decide()
    assert await promised(flat_system) == ({"p1"}, Decimal(59))
