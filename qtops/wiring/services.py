"""Settings → services: what `qtops run` runs."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qtops import __version__
from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.redis_connection import Purpose
from qtops.contracts.registry import GATE_SERVICES, Key, Service, Stream
from qtops.contracts.vocabulary import GateMode, GateName
from qtops.errors import ConfigError, RefusedError
from qtops.settings.model import Settings
from qtops.wiring import open_link, open_venue

if TYPE_CHECKING:
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.services.failpoints import Failpoint
    from qtops.services.gate_service import GateConfig
    from qtops.services.loop import Handler, Pulse


class Runnable(Protocol):
    """A service ready to run: until `stop`, calling `ready` once it works."""

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None: ...


@dataclass(slots=True)
class Running:
    """A built service and what it holds open."""

    service: Service
    runnable: Runnable
    links: list[RedisLink]
    venue: "BinanceVenue | None" = None

    async def aclose(self) -> None:
        for link in self.links:
            await link.aclose()
        if self.venue is not None:
            await self.venue.aclose()


class Assembly:
    """Builds one service: its connections, metrics and heartbeat."""

    def __init__(self, service: Service, settings: Settings) -> None:
        from prometheus_client import CollectorRegistry

        self.service = service
        self.settings = settings
        self.clock = SystemClock()
        self.registry: CollectorRegistry = CollectorRegistry()
        self.links: list[RedisLink] = []
        self.link = self.connect("writer")

    def connect(self, purpose: Purpose) -> RedisLink:
        link = open_link(self.settings, purpose, f"qtops-{self.service.value}")
        self.links.append(link)
        return link

    def pulse(self) -> "Pulse":
        from qtops.adapters.heartbeat import RedisHeartbeat
        from qtops.services.loop import Pulse

        identity = {
            "service": self.service.value,
            "pid": str(os.getpid()),
            "host": socket.gethostname(),
            "version": __version__,
            "started_ms": str(self.clock.now_ms()),
        }
        return Pulse(RedisHeartbeat(self.link, self.service), identity)

    def inboxes(self) -> list[Any]:
        from qtops.adapters.inbox import RedisInbox

        consumer = f"{self.service.value}@{socket.gethostname()}"
        return [
            RedisInbox(self.link, self.connect("blocking"), stream, self.service, consumer)
            for stream in (Stream.APPLY_PLAN, Stream.APPLY_PLAN_MANUAL)
        ]

    def loop(self, handler: "Handler", inboxes: Sequence[Any]) -> Any:
        from qtops.services.loop import ServiceLoop
        from qtops.services.metrics import LoopMetrics

        metrics = LoopMetrics(self.registry, self.service)
        return ServiceLoop(handler, inboxes, self.pulse(), self.clock, metrics)

    def serve_metrics(self) -> None:
        """On loopback unless told otherwise; a port of 0 is off."""
        from prometheus_client import start_http_server

        port = self.settings.integer(METRICS_PORTS[self.service])
        host = self.settings.text("QTOPS_METRICS_HOST")
        if not port:
            return
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigError(
                f"metrics of {self.service.value} cannot listen on {host}:{port}: {error.strerror}",
                hint=f"set {METRICS_PORTS[self.service]} to a free port, or to 0",
            ) from error


METRICS_PORTS = {
    Service.GOVERNOR: "QTOPS_METRICS_PORT_GOVERNOR",
    Service.POSITION_GATE: "QTOPS_METRICS_PORT_POSITION",
    Service.PORTFOLIO_GATE: "QTOPS_METRICS_PORT_PORTFOLIO",
    Service.EXECUTOR: "QTOPS_METRICS_PORT_EXECUTOR",
    Service.SNAPSHOTS: "QTOPS_METRICS_PORT_SNAPSHOTS",
}


def gate_config(gate: GateName, settings: Settings) -> "GateConfig[Any]":
    """A gate with the limits that the operator set."""
    from qtops.gates.governor import GOVERNOR, GovernorLimits
    from qtops.gates.portfolio import PORTFOLIO_GATE, PortfolioLimits
    from qtops.gates.position import POSITION_GATE, PositionLimits
    from qtops.services.gate_service import GateConfig

    s = settings
    if gate is GateName.GOVERNOR:
        governor = GovernorLimits(
            max_open_positions=s.integer("GOV_MAX_OPEN_POSITIONS"),
            max_notional_per_trade_usdt=s.decimal("GOV_MAX_NOTIONAL_PER_TRADE_USDT"),
            max_total_notional_usdt=s.decimal("GOV_MAX_TOTAL_NOTIONAL_USDT"),
            symbol_cooldown_ms=s.milliseconds("GOV_SYMBOL_COOLDOWN_SECONDS"),
            max_opens_per_hour=s.integer("GOV_MAX_EXEC_PER_HOUR"),
            max_opens_per_5min=s.integer("GOV_MAX_EXEC_PER_5MIN"),
        )
        ttl = s.milliseconds("GOV_PERMIT_TTL_SECONDS")
        return GateConfig(GOVERNOR, governor, reserves=True, permit_ttl_ms=ttl)
    if gate is GateName.POSITION:
        position = PositionLimits(
            stale_after_ms=s.milliseconds("P33_STALE_THRESHOLD_SEC"),
            cooldown_ms=s.milliseconds("P33_COOLDOWN_SEC"),
            tolerance_pct=s.decimal("P33_QTY_TOLERANCE_PCT"),
            allow_increase=s.boolean("P33_ALLOW_INCREASE"),
        )
        symbols = frozenset(s.names("P33_ALLOWLIST"))
        ttl = s.milliseconds("P33_PERMIT_TTL")
        return GateConfig(POSITION_GATE, position, symbols, permit_ttl_ms=ttl)
    portfolio = PortfolioLimits(
        mode=GateMode(s.text("P26_MODE")),
        heat_min=s.decimal("P26_H_MIN"),
        heat_max=s.decimal("P26_H_MAX"),
        full_close_min_stress=s.decimal("P26_STRESS_FULLCLOSE_MIN"),
        risk_off_stress=s.decimal("P26_STRESS_RISKOFF"),
        hard_kill_score=s.decimal("P26_KS_HARD"),
        heat_weight=s.decimal("P26_A"),
        concentration_weight=s.decimal("P26_B"),
        correlation_weight=s.decimal("P26_C"),
        cooldown_ms=s.milliseconds("P26_COOLDOWN_SEC"),
        max_input_age_ms=s.milliseconds("P26_MAX_INPUT_AGE_SECONDS"),
    )
    return GateConfig(PORTFOLIO_GATE, portfolio, permit_ttl_ms=s.milliseconds("P26_PERMIT_TTL"))


def _build_gate(service: Service, settings: Settings) -> Running:
    from qtops.adapters.gate_store import RedisGateStore
    from qtops.services.gate_service import GateService
    from qtops.services.metrics import GateMetrics

    gate = next(g for g, s in GATE_SERVICES.items() if s is service)
    assembly = Assembly(service, settings)
    key = settings.secret("QTOPS_PERMIT_KEY").reveal()
    inboxes = assembly.inboxes()
    handler = GateService(
        gate_config(gate, settings),
        RedisGateStore(assembly.link, service, key),
        inboxes,
        assembly.clock,
        GateMetrics(assembly.registry, gate),
    )
    assembly.serve_metrics()
    return Running(service, assembly.loop(handler, inboxes), assembly.links)


def _build_snapshots(service: Service, settings: Settings) -> Running:
    from qtops.adapters.snapshot_store import RedisSnapshotStore
    from qtops.services.metrics import SnapshotMetrics
    from qtops.services.snapshots import SnapshotPlan, SnapshotPublisher

    assembly = Assembly(service, settings)
    venue = open_venue(settings, assembly.link)
    symbols = {*settings.names("P33_ALLOWLIST"), *settings.names("INTENT_EXECUTOR_ALLOWLIST")}
    plan = SnapshotPlan(
        symbols=frozenset(symbols),
        positions_s=settings.milliseconds("SNAPSHOT_POSITIONS_SECONDS") / 1000,
        marks_s=settings.milliseconds("SNAPSHOT_MARKS_SECONDS") / 1000,
        volatility_s=settings.milliseconds("SNAPSHOT_VOLATILITY_SECONDS") / 1000,
        filters_s=settings.milliseconds("SNAPSHOT_FILTERS_SECONDS") / 1000,
    )
    store = RedisSnapshotStore(assembly.link)
    metrics = SnapshotMetrics(assembly.registry)
    publisher = SnapshotPublisher(venue, store, assembly.pulse(), assembly.clock, plan, metrics)
    assembly.serve_metrics()
    return Running(service, publisher, assembly.links, venue)


def _build_executor(service: Service, settings: Settings) -> Running:
    from qtops.adapters.decision_feed import RedisDecisionFeed
    from qtops.adapters.plan_store import RedisPlanStore
    from qtops.gates.admission import AdmissionLimits
    from qtops.services.executor import Executor, ExecutorService
    from qtops.services.metrics import ExecutorMetrics
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
        store=RedisPlanStore(assembly.link, owner),
        venue=venue,
        clock=assembly.clock,
        wakeups=Wakeups(),
        limits=limits,
        metrics=ExecutorMetrics(assembly.registry),
        sending=asyncio.Semaphore(settings.integer("INTENT_EXECUTOR_MAX_CONCURRENCY")),
        failpoint=_failpoint(settings, venue),
    )
    inboxes = assembly.inboxes()
    executor = Executor(context, inboxes, RedisDecisionFeed(assembly.connect("blocking")))
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


BUILDERS: dict[Service, Callable[[Service, Settings], Running]] = {
    Service.SNAPSHOTS: _build_snapshots,
    Service.GOVERNOR: _build_gate,
    Service.PORTFOLIO_GATE: _build_gate,
    Service.POSITION_GATE: _build_gate,
    Service.EXECUTOR: _build_executor,
}


async def run_services(
    services: Sequence[Service],
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[Service], None],
) -> None:
    """Run these services in this process until `stop`. The first that fails ends them all."""
    link = open_link(settings, "reader")
    try:
        with link.guard():
            await link.client.ping()
        if set(services) - {Service.SNAPSHOTS}:
            await refuse_without_kill_switch(link)
    finally:
        await link.aclose()
    running = [BUILDERS[service](service, settings) for service in services]
    try:
        async with asyncio.TaskGroup() as group:
            for built in running:
                ready = _announcer(on_ready, built.service)
                group.create_task(_run_one(built, stop, ready))
    finally:
        for built in running:
            await built.aclose()


def _announcer(on_ready: Callable[[Service], None], service: Service) -> Callable[[], None]:
    return lambda: on_ready(service)


async def _run_one(built: Running, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    try:
        await built.runnable.run(stop, ready)
    finally:
        stop.set()


async def refuse_without_kill_switch(link: RedisLink) -> None:
    """A service that can let orders through starts only where a kill switch exists."""
    with link.guard():
        present = await link.client.exists(link.names.key(Key.KILL))
    if not present:
        raise RefusedError(
            f"the kill switch {link.names.key(Key.KILL)} is not set; absent means HALTED",
            hint="qtops kill off --reason 'first start'",
        )
