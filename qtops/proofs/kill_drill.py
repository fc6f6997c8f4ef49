"""A drill of the stop: plans at full load, an exchange that fails, one kill, and what came after.

Held against the exchange's own list of orders: after the kill was acknowledged no order may be
admitted, and what was on its way then must have been named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Final, Protocol

from qtops.contracts.drill import Fault, Landed
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.vocabulary import Action, PlanDecision, Side
from qtops.ports import SendingOrder
from qtops.proofs.flatten import Flattening

SOURCE: Final = "intent_bridge"
PLAN_EVERY_S: Final = 0.05
LOOK_EVERY_S: Final = 0.1
LOAD_PATIENCE_S: Final = 30.0
UNDER_FAULT_S: Final = 0.5


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("none", ""),
        Fault("latency", "latency_ms", 6, "400"),
        Fault("timeout", "timeout_after_execute", 3, "1500"),
        Fault("disconnect", "disconnect_after_execute", 3),
        Fault("unknown_503", "unknown_503_executed", 3),
        Fault("rate_limit_429", "rate_limit_429", 2, "1"),
        Fault("partial_fill", "partial_fill", 3, "0.5"),
    )
}

# More orders in a minute than the limits of everyday allow; the sandbox's own settings.
LOAD_SETTINGS: Final = {
    "INTENT_EXECUTOR_ALLOWLIST": "BTCUSDT,ETHUSDT,TRXUSDT",
    "P33_ALLOWLIST": "BTCUSDT,ETHUSDT,TRXUSDT",
    "P33_COOLDOWN_SEC": "0",
    "P33_QTY_TOLERANCE_PCT": "100",
    "GOV_SYMBOL_COOLDOWN_SECONDS": "0",
    "GOV_MAX_EXEC_PER_HOUR": "100000",
    "GOV_MAX_EXEC_PER_5MIN": "100000",
}


class ExchangeControl(Protocol):
    """The sandbox exchange from behind."""

    async def inject(self, fault: Fault) -> None: ...

    async def landed(self) -> list[Landed]:
        """Every order ever accepted."""
        ...


class PlanDesk(Protocol):
    """Where plans are published."""

    async def now_us(self) -> int: ...

    async def publish(self, plan: Plan) -> tuple[str, int]:
        """(entry id, Redis server µs just before)."""
        ...


@dataclass(slots=True)
class DrillRound:
    """What one kill came to. Times of Redis and exchange are of one host here."""

    fault: str
    acknowledged_us: int = 0
    swept_us: int = 0
    named: list[SendingOrder] = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)  # client order id → µs
    landed: list[Landed] = field(default_factory=list)
    flattening: Flattening = field(default_factory=Flattening)

    @property
    def orders_before(self) -> int:
        """Orders of the load that had landed when the kill was acknowledged."""
        return sum(1 for o in self._foreign() if o.time_ms * 1000 <= self.acknowledged_us)

    @property
    def admitted_after(self) -> list[str]:
        """Orders that the kill should have stopped.

        Of a plan published afterwards; or landed after the search for orders on their way, which
        did not name it.
        """
        named = {order.client_order_id for order in self.named}
        return [
            order.client_order_id
            for order in self._foreign()
            if self.published.get(order.client_order_id, 0) > self.acknowledged_us
            or (order.time_ms * 1000 > self.swept_us and order.client_order_id not in named)
        ]

    @property
    def verdict(self) -> str:
        """`held`, or the first thing that speaks against it."""
        if not self.orders_before:
            return "no load: nothing was stopped"
        if self.admitted_after:
            return f"{len(self.admitted_after)} orders admitted after the kill"
        if not self.flattening.flat:
            return "not flat" if not self.flattening.error else "flat is unknown"
        return "held"

    def _foreign(self) -> list[Landed]:
        own = self.flattening.orders
        return [order for order in self.landed if order.client_order_id not in own]


Kill = Callable[[DrillRound], Awaitable[Flattening]]


async def drill_round(
    fault: Fault, desk: PlanDesk, control: ExchangeControl, kill: Kill, namespace: str
) -> DrillRound:
    """Load, fault, kill and flatten; the load goes on until the account is flat."""
    seen = DrillRound(fault.name)
    enough = asyncio.Event()  # a cancellation can get lost inside a Redis client, this cannot
    load = asyncio.create_task(_publish(desk, seen, namespace, enough))
    try:
        await _until_orders_land(control, load)
        if fault.kind:
            await control.inject(fault)
        await asyncio.sleep(UNDER_FAULT_S)
        seen.flattening = await kill(seen)
        await asyncio.sleep(UNDER_FAULT_S)
    finally:
        enough.set()
        await load
    seen.landed = await control.landed()
    return seen


async def _until_orders_land(control: ExchangeControl, load: "asyncio.Task[None]") -> None:
    """Or until patience ends: the round then says that it had no load."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + LOAD_PATIENCE_S
    while loop.time() < deadline_s and not load.done():
        if len(await control.landed()) > 1:
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _publish(desk: PlanDesk, seen: DrillRound, namespace: str, enough: asyncio.Event) -> None:
    for plan in load_plans(f"drill_{seen.fault}_{await desk.now_us()}"):
        if enough.is_set():
            return
        _, at_us = await desk.publish(plan)
        seen.published[client_order_id(namespace, plan.plan_id)] = at_us
        await asyncio.sleep(PLAN_EVERY_S)


def load_plans(stamp: str) -> Iterator[Plan]:
    """Small closes of what the scenario holds, and opens and closes of what it does not."""
    orders: Sequence[tuple[str, Side, str, bool]] = (
        ("ETHUSDT", Side.SELL, "0.05", True),
        ("BTCUSDT", Side.BUY, "0.002", False),
        ("TRXUSDT", Side.SELL, "100", True),
        ("BTCUSDT", Side.SELL, "0.002", True),
    )
    for number in count():
        symbol, side, quantity, reduces = orders[number % len(orders)]
        yield Plan.from_fields(
            Plan(
                plan_id=f"{stamp}_{number}",
                decision=PlanDecision.EXECUTE,
                symbol=symbol,
                side=side,
                quantity=Decimal(quantity),
                reduce_only=reduces,
                source=SOURCE,
                action=Action.FULL_CLOSE_PROPOSED if reduces else Action.ENTRY_PROPOSED,
            ).to_fields()
        )
