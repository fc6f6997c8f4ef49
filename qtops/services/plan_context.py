"""What the runs of all plans share, and how a run ends without a result."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.contracts.values import ZERO
from qtops.contracts.venue import Filters
from qtops.gates.admission import AdmissionLimits
from qtops.ports import Clock, PlanStore, Venue
from qtops.services.failpoints import Failpoint, no_failpoint
from qtops.services.metrics.executor import ExecutorMetrics
from qtops.services.wakeups import OrderNews, Wakeups


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """How the executor behaves, beside what admission demands. Times in ms."""

    admission: AdmissionLimits
    namespace: str
    permit_wait_ms: int = 8_000
    min_notional_usdt: Decimal = ZERO


@dataclass(slots=True)
class ExecutorContext:
    """What every plan's run shares. The executor refreshes `filters`."""

    store: PlanStore
    venue: Venue
    clock: Clock
    wakeups: Wakeups
    limits: ExecutorLimits
    metrics: ExecutorMetrics
    sending: asyncio.Semaphore
    filters: dict[str, Filters] = field(default_factory=dict)
    failpoint: Failpoint = no_failpoint
    order_news: OrderNews = field(default_factory=OrderNews)
    settling: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )


class LostClaimError(Exception):
    """Another executor holds the plan now; this one must touch nothing."""


class RestartedError(Exception):
    """Redis restarted under the run: what it knew of earlier claims no longer holds."""


class ReusedPlanIdError(Exception):
    """The plan's id belongs to another plan, whose content is different."""


def stop_if(refused: str, plan_id: str) -> None:
    """Raise where a script found that a run's view of its plan is not the truth any more."""
    if refused in {"lost", "claimed"}:
        raise LostClaimError(plan_id)
    if refused == "restarted":
        raise RestartedError(plan_id)
