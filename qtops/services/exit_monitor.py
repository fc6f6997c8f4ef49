"""Exit monitor: closes positions that reached their stop loss, take profit or trailing stop.

It reads snapshots only and publishes plans only: the gates and the executor look at the exchange.
One exit of a position is out at a time; the next comes when that one has ended and the position is
still there.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from qtops.contracts.claim import ClaimState
from qtops.contracts.exit_episode import Episode
from qtops.contracts.exit_event import ExitEvent, ExitStep
from qtops.contracts.facts import Known, Missing, Portfolio, Position
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.snapshot import side_of
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import Action, GateMode, Lane, PlanDecision, Side
from qtops.errors import RedisError
from qtops.gates.exit_control import rule_exit
from qtops.gates.exit_rules import (
    ENTRY_UNKNOWN,
    Exit,
    ExitLimits,
    Held,
    better,
    judge,
    usable_mark,
)
from qtops.ports import Clock
from qtops.ports.exits import ExitCommit, ExitStore, ExitView
from qtops.services.loop import BEAT_EVERY_S, Pulse
from qtops.services.metrics.exits import ExitMetrics

SOURCE = "exit_monitor"
MOST_DOUBLINGS = 5


@dataclass(frozen=True, slots=True)
class ExitConfig:
    """What the operator set. Times in ms.

    `plan_life_ms`: after this a plan that nobody began will not be carried out any more.
    """

    limits: ExitLimits
    mode: GateMode
    rollout_pct: int
    namespace: str
    every_s: float = 1.0
    retry_ms: int = 30_000
    plan_life_ms: int = 60_000


class ExitMonitor:
    """Looks, judges, commits; an error is counted and the next look starts from what is stored."""

    def __init__(
        self, config: ExitConfig, store: ExitStore, pulse: Pulse, clock: Clock, metrics: ExitMetrics
    ) -> None:
        self._config = config
        self._store = store
        self._pulse = pulse
        self._clock = clock
        self._metrics = metrics
        self._looks = 0
        self._errors = 0
        self._looked_ms: float | None = None
        self.mode = config.mode  # as of the last look
        self._log = structlog.get_logger("qtops.exit_monitor")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Look until `stop`. Ready after the first look that succeeded."""
        beaten_ms = -BEAT_EVERY_S * 1000
        announced = False
        while not stop.is_set():
            now_ms = self._clock.monotonic_ms()
            try:
                await self.look()
                if now_ms - beaten_ms >= BEAT_EVERY_S * 1000:
                    await self._beat()
                    beaten_ms = now_ms
                if not announced:
                    ready()
                    announced = True
            except RedisError as error:
                self._errors += 1
                self._metrics.failed()
                self._log.warning("look.failed", error=error.message, hint=error.hint)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._config.every_s)
        with contextlib.suppress(RedisError):
            await self._pulse.heartbeat.stop()

    @property
    def sight(self) -> tuple[int, int, int | None]:
        """Looks, errors, and how old the last look is (ms; None before the first)."""
        seen_ms = self._looked_ms
        age_ms = None if seen_ms is None else int(self._clock.monotonic_ms() - seen_ms)
        return self._looks, self._errors, age_ms

    async def look(self) -> None:
        """One look at every position, and what follows from it."""
        view = await self._store.look()
        self._looks += 1
        self._looked_ms = self._clock.monotonic_ms()
        self.mode = view.mode or self._config.mode
        portfolio = view.portfolio
        if isinstance(portfolio, Missing):
            self._log.warning("positions.unknown", why=portfolio.why)
        elif view.now_ms - portfolio.observed_at_ms > self._config.limits.max_age_ms:
            self._log.warning("positions.stale", observed_at_ms=portfolio.observed_at_ms)
        else:
            await self._judge_all(view, portfolio)

    async def _judge_all(self, view: ExitView, portfolio: Known[Portfolio]) -> None:
        turn = _Turn(self._config, view)
        blind = 0
        for symbol, position in portfolio.value.positions.items():
            if position.amount != ZERO and (why := turn.judge(symbol, position)):
                blind += 1
                self._log.warning("position.unjudged", symbol=symbol, why=why)
        self._metrics.looked(len(turn.episodes), blind)
        commit = ExitCommit(turn.episodes, turn.plans, turn.events)
        if not await self._store.commit(view, commit):
            self._log.warning("look.overtaken", hint="does a second exit monitor run?")
            return
        for event in turn.events:
            self._log.info(event.marker, symbol=event.symbol, plan_id=event.plan_id)
            if event.step is ExitStep.EXIT_PUBLISH:
                self._metrics.published(event.details["rule"])
            else:
                self._metrics.withheld(event.details["decided_by"])

    async def _beat(self) -> None:
        await self._pulse.heartbeat.beat(
            {
                **self._pulse.identity,
                "beat_ms": str(self._clock.now_ms()),
                "handled": str(self._looks),
                "errors": str(self._errors),
            }
        )


class _Turn:
    """One look's judgements; positions that are gone have no episode in it."""

    def __init__(self, config: ExitConfig, view: ExitView) -> None:
        self._config = config
        self._view = view
        self._mode = view.mode or config.mode
        self.episodes: dict[str, Episode] = {}
        self.plans: list[Plan] = []
        self.events: list[ExitEvent] = []

    def judge(self, symbol: str, position: Position) -> str:
        """Why no rule could be asked; empty when they were."""
        mark = usable_mark(self._view.marks[symbol], self._view.now_ms, self._config.limits)
        episode = self._episode(symbol, position, mark if isinstance(mark, Decimal) else None)
        self.episodes[symbol] = episode
        if not isinstance(mark, Decimal):
            return mark
        verdict = judge(Held(position, episode.best), mark, self._config.limits)
        if isinstance(verdict, Exit):
            self.episodes[symbol] = self._exit(symbol, position, episode, verdict, mark)
        return ENTRY_UNKNOWN.why if verdict == ENTRY_UNKNOWN else ""

    def _episode(self, symbol: str, position: Position, mark: Decimal | None) -> Episode:
        """The stored one, brought up to date; a new one for a new position or a turned one."""
        side, entry = side_of(position.amount), position.entry_price
        start = mark if mark is not None else entry
        stored = self._view.episodes.get(symbol)
        if stored is None or stored.side != side:
            return Episode(self._view.now_ms, side, entry, start)
        if stored.entry != entry:
            # Added to, or closed and opened again between two looks: an old best mark says nothing.
            stored = replace(stored, entry=entry, best=start)
        return replace(stored, best=better(position.amount, stored.best, start))

    def _exit(
        self, symbol: str, position: Position, episode: Episode, verdict: Exit, mark: Decimal
    ) -> Episode:
        if not self._may_try(episode):
            return episode
        config, now_ms = self._config, self._view.now_ms
        ruling = rule_exit(self._view.control, self._mode, config.rollout_pct, symbol)
        withheld = "" if ruling.allowed else f"{verdict.rule}:{ruling.decided_by}"
        if withheld and withheld == episode.withheld:
            return episode
        attempts = episode.attempts + 1
        plan_id = f"exit-{symbol}-{episode.started_ms}-{verdict.rule}-{attempts}"
        event = ExitEvent(
            step=ExitStep.EXIT_PUBLISH if ruling.allowed else ExitStep.EXIT_SHADOW,
            plan_id=plan_id,
            client_order_id=client_order_id(config.namespace, plan_id),
            symbol=symbol,
            at_ms=now_ms,
            details={
                "rule": verdict.rule.value,
                "moved_pct": fmt_decimal(round(verdict.moved_pct, 4)),
                "mark": fmt_decimal(mark),
                "entry": fmt_decimal(episode.entry),
                "best": fmt_decimal(episode.best),
                "amount": fmt_decimal(position.amount),
                "decided_by": ruling.decided_by.value,
            },
        )
        self.events.append(event)
        if withheld:
            return replace(episode, withheld=withheld)
        self.plans.append(close_plan(event, position.amount, event.details["rule"]))
        return replace(
            episode, attempts=attempts, plan_id=plan_id, published_ms=now_ms, withheld=""
        )

    def _may_try(self, episode: Episode) -> bool:
        """Whether the last exit has ended, and its pause is over."""
        if not episode.plan_id:
            return True
        age_ms = self._view.now_ms - episode.published_ms
        claim = self._view.claims.get(episode.plan_id)
        ended = claim == ClaimState.DONE.value
        if claim is None:
            ended = age_ms > self._config.plan_life_ms
        pause_ms = self._config.retry_ms << min(episode.attempts - 1, MOST_DOUBLINGS)
        return ended and age_ms >= pause_ms


def close_plan(event: ExitEvent, amount: Decimal, reason: str, lane: Lane = Lane.AUTOMATED) -> Plan:
    """Close the whole position, reduce-only."""
    return Plan(
        plan_id=event.plan_id,
        decision=PlanDecision.EXECUTE,
        symbol=event.symbol,
        side=Side.SELL if amount > ZERO else Side.BUY,
        quantity=abs(amount),
        reduce_only=True,
        source=SOURCE,
        action=Action.FULL_CLOSE_PROPOSED,
        timestamp_ms=event.at_ms,
        lane=lane,
        extra={"reason": reason},
    )
