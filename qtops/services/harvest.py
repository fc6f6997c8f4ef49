"""Harvest: looks at every open position and proposes to take profit or to get out.

A step of a position is proposed once, however often it is looked at; HOLD goes to the hash only.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from qtops.contracts.episode import Episode, PlanFate, Step
from qtops.contracts.facts import Known, Missing, Portfolio, Position
from qtops.contracts.harvest import HarvestProposal
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import Action
from qtops.errors import RedisError
from qtops.gates.harvest import HarvestLimits, assess, next_attempt, settle_steps
from qtops.gates.regime import Regime, regime
from qtops.ports.harvest import Harvested, HarvestReading, HarvestStore
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.harvest import HarvestMetrics
from qtops.services.tasks import cancel_and_wait


@dataclass(frozen=True, slots=True)
class HarvestPace:
    """How often the positions are looked at, and how old the portfolio may be."""

    poll_s: float = 10.0
    max_input_age_ms: int = 30_000


class HarvestService:
    """Polls until stopped; a Redis that is away is tried again at the next look."""

    def __init__(
        self,
        store: HarvestStore,
        limits: HarvestLimits,
        pace: HarvestPace,
        pulse: Pulse,
        metrics: HarvestMetrics,
    ) -> None:
        self._store = store
        self._limits = limits
        self._pace = pace
        self._pulse = pulse
        self._metrics = metrics
        self._looks = self._errors = 0
        self._now_ms = 0
        self._log = structlog.get_logger("qtops.harvest")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Look at once, then at a fixed pace until `stop`; remove the heartbeat."""
        await self._once(self._look)
        await self._once(self._beat)
        ready()
        tasks = [
            asyncio.create_task(self._every(self._look, self._pace.poll_s)),
            asyncio.create_task(self._every(self._beat, BEAT_EVERY_S)),
        ]
        await stop.wait()
        await cancel_and_wait(tasks)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()

    async def _every(self, work: Callable[[], Coroutine[Any, Any, None]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._once(work)

    async def _once(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except RedisError as error:
            self._errors += 1
            self._metrics.failed()
            self._log.warning("redis.unavailable", error=error.message, hint=error.hint)

    async def _look(self) -> None:
        reading = await self._store.read()
        self._now_ms = reading.now_ms
        portfolio = self._fresh(reading)
        if portfolio is None:
            self._metrics.skipped("portfolio_missing")
            return
        held = {s: p for s, p in portfolio.positions.items() if p.amount != ZERO}
        judged = [self._judge(s, p, reading) for s, p in sorted(held.items())]
        harvested = [item for item in judged if item is not None]
        flat = (reading.episodes.keys() | reading.unreadable.keys()) - held.keys()
        if not await self._store.write(harvested, flat):
            self._log.warning("harvest.conflict", why="another process changed the episodes")
            return
        self._report(harvested, sorted(flat))

    def _fresh(self, reading: HarvestReading) -> Portfolio | None:
        """The portfolio; None when it is missing or old: nothing is proposed on a guess."""
        fact = reading.portfolio
        if isinstance(fact, Known):
            if reading.now_ms - fact.observed_at_ms <= self._pace.max_input_age_ms:
                return fact.value
            self._log.warning("harvest.blind", why="portfolio stale")
        else:
            self._log.warning("harvest.blind", why=f"portfolio {fact.why}")
        return None

    def _judge(self, symbol: str, position: Position, reading: HarvestReading) -> Harvested | None:
        reason = _unusable(symbol, position, reading)
        if reason:
            self._metrics.skipped(reason)
            self._log.warning("harvest.skipped", symbol=symbol, reason=reason)
            return None
        now_ms = reading.now_ms
        episode = reading.episodes.get(symbol)
        if episode is None or not episode.continues(position):
            episode = Episode(symbol, position.amount > ZERO, position.entry_price, now_ms)
        episode = settle_steps(episode, reading.fates)
        seen = _regime_of(symbol, position, reading)
        proposal = assess(episode, position, seen, now_ms, self._limits)
        return self._attempt(proposal, episode, reading)

    def _attempt(
        self, proposal: HarvestProposal, episode: Episode, reading: HarvestReading
    ) -> Harvested:
        """Give the proposal its identity where it is due; else say HOLD and why."""
        action, now_ms = proposal.action, reading.now_ms
        last = episode.steps.get(action)
        fate = reading.fates.get(last.plan_id, PlanFate.ABSENT) if last else PlanFate.ABSENT
        attempt = next_attempt(episode, action, fate, now_ms, self._limits)
        if isinstance(attempt, str):
            reasons = (*proposal.reason_codes, attempt)
            held = replace(proposal, action=Action.HOLD, reason_codes=reasons)
            return Harvested(held, episode, publish=False)
        plan_id = episode.plan_id(action, attempt)
        named = replace(proposal, plan_id=plan_id, trace_id=episode.trace_id(action))
        return Harvested(named, episode.with_step(action, Step(attempt, plan_id, now_ms)), True)

    def _report(self, harvested: Sequence[Harvested], flat: Sequence[str]) -> None:
        self._looks += 1
        for item in harvested:
            self._metrics.judged(item.proposal, published=item.publish)
            if item.publish:
                self._log.info(
                    "harvest.proposed",
                    plan_id=item.proposal.plan_id,
                    symbol=item.proposal.symbol,
                    action=item.proposal.action.value,
                    r_net=str(item.proposal.r_net),
                    kill_score=str(item.proposal.kill_score),
                )
        for symbol in flat:
            self._metrics.gone(symbol)
        self._metrics.succeeded(self._now_ms)

    async def _beat(self) -> None:
        await self._pulse.heartbeat.beat(
            {
                **self._pulse.identity,
                "beat_ms": str(self._now_ms),
                "handled": str(self._looks),
                "errors": str(self._errors),
            }
        )


def _unusable(symbol: str, position: Position, reading: HarvestReading) -> str:
    """Why a position cannot be judged; empty when it can."""
    if symbol in reading.unreadable:
        return "episode_unreadable"
    if position.entry_price <= ZERO or position.mark_price <= ZERO:
        return "price_missing"
    return ""


def _regime_of(symbol: str, position: Position, reading: HarvestReading) -> Regime | str:
    klines = reading.klines.get(symbol, Missing("absent"))
    if isinstance(klines, Missing):
        return klines.why.partition(":")[0]
    return regime(klines.value, reading.now_ms, is_long=position.amount > ZERO)
