"""The executor: the one service that sends orders."""

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

from qtops.contracts.registry import Service, Stream
from qtops.errors import RefusedError
from qtops.settings.model import Settings
from qtops.wiring import open_venue
from qtops.wiring.services.assembly import Assembly, Builder, Running
from qtops.wiring.universe import reader_tiers

if TYPE_CHECKING:
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.services.failpoints import Failpoint


def _build_executor(service: Service, settings: Settings) -> Running:
    from qtops.adapters.plan_store import RedisPlanStore
    from qtops.adapters.stream_feed import RedisFeed
    from qtops.contracts.decision import DecisionRecord
    from qtops.gates.admission import AdmissionLimits
    from qtops.services.executor import Executor, ExecutorService
    from qtops.services.metrics.executor import ExecutorMetrics
    from qtops.services.plan_context import ExecutorContext, ExecutorLimits
    from qtops.services.wakeups import Wakeups

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    admission = AdmissionLimits(
        sources=frozenset(settings.names("INTENT_EXECUTOR_SOURCE_ALLOWLIST")),
        symbols=frozenset(settings.names("INTENT_EXECUTOR_ALLOWLIST")),
        environment=venue.environment(),
        permit_key=settings.secret("QTOPS_PERMIT_KEY").reveal(),
        plan_max_age_ms=settings.milliseconds("INTENT_EXECUTOR_PLAN_MAX_AGE_SECONDS"),
    )
    limits = ExecutorLimits(
        admission=admission,
        namespace=settings.text("QTOPS_NAMESPACE"),
        permit_wait_ms=settings.milliseconds("INTENT_EXECUTOR_PERMIT_WAIT_SECONDS"),
        min_notional_usdt=settings.decimal("INTENT_EXECUTOR_MIN_NOTIONAL_USDT"),
    )
    owner = f"{socket.gethostname()}:{os.getpid()}:{assembly.clock.now_ms()}"
    context = ExecutorContext(
        store=RedisPlanStore(assembly.link, owner, reader_tiers(service, settings)),
        venue=venue,
        clock=assembly.clock,
        wakeups=Wakeups(),
        limits=limits,
        metrics=ExecutorMetrics(assembly.registry),
        sending=asyncio.Semaphore(settings.integer("INTENT_EXECUTOR_MAX_CONCURRENCY")),
        failpoint=_failpoint(settings, venue),
    )
    inboxes = assembly.inboxes()
    decisions = RedisFeed(
        assembly.connect("blocking"), Stream.GATE_DECISION, DecisionRecord.from_fields
    )
    executor = Executor(context, inboxes, decisions, assembly.account_feed())
    assembly.serve_metrics()
    runnable = ExecutorService(executor, assembly.loop(executor, inboxes))
    return Running(service, runnable, assembly.links, venue)


def _failpoint(settings: Settings, venue: "BinanceVenue") -> "Failpoint":
    """Kills the process at the step named by QTOPS_FAILPOINT; refused outside the sandbox."""
    from qtops.contracts.environment import Environment
    from qtops.services.failpoints import Step, no_failpoint

    wanted = settings.text("QTOPS_FAILPOINT")
    if not wanted:
        return no_failpoint
    if venue.environment() is not Environment.SANDBOX:
        raise RefusedError("QTOPS_FAILPOINT is set outside the sandbox", hint="unset it")
    step = Step(wanted)

    def kill_at(reached: Step) -> None:
        if reached is step:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill_at


BUILDERS: Final[dict[Service, Builder]] = {Service.EXECUTOR: _build_executor}
