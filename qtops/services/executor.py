"""The executor: takes plans from its lanes and drives each to its one result."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from qtops.contracts.codec import decode_fields
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.values import parse_plan_id
from qtops.contracts.vocabulary import DenyReason
from qtops.errors import DecodeError, RedisError, RefusedError, VenueError
from qtops.ports import AccountFeed, DecisionFeed, Delivery, Inbox
from qtops.services.dead_letters import letter_of
from qtops.services.gate_service import lane_of
from qtops.services.loop import ServiceLoop
from qtops.services.plan_context import ExecutorContext, LostClaimError, ReusedPlanIdError
from qtops.services.plan_run import PlanRun
from qtops.services.tasks import cancel_and_wait

FILTERS_EVERY_S = 3600.0
VENUE_RETRY_S = 1.0
CLOCK_EVERY_S = 20.0  # also keeps a connection to the exchange warm
DRAIN_S = 20.0
REDIS_RETRIES_S = (0.05, 0.2, 0.5, 1.0, 2.0)


class Executor:
    """Implements `qtops.services.loop.Handler`; each plan runs by itself."""

    def __init__(
        self,
        context: ExecutorContext,
        inboxes: Sequence[Inbox],
        feed: DecisionFeed,
        account: AccountFeed,
    ) -> None:
        self._ctx = context
        self._inboxes = {inbox.stream: inbox for inbox in inboxes}
        self._feed = feed
        self._account = account
        self._running: dict[str, tuple[asyncio.Task[None], PlanRun]] = {}
        self._waiting: dict[str, dict[str, tuple[Delivery, Plan]]] = {}
        self._draining = False
        self._background: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("qtops.executor")

    async def start(self) -> None:
        """Know the exchange's clock, mode and rules before the first plan. Refuses hedge mode."""
        await self._until_it_answers(self._ctx.venue.sync_clock)
        mode = await self._until_it_answers(self._ctx.venue.account_mode)
        if mode != "one_way":
            raise RefusedError(
                "the account is in hedge mode; qtops trades one-way accounts only",
                hint="switch the position mode at the exchange while it is flat",
            )
        await self._load_filters()
        await self._ctx.store.claim("-")  # puts the Redis server's run id on record
        await self._feed.start()
        await self._account.start()
        self._background = [
            asyncio.create_task(self._follow_decisions()),
            asyncio.create_task(self._follow_account()),
            asyncio.create_task(self._repeat(self._load_filters, FILTERS_EVERY_S)),
            asyncio.create_task(self._repeat(self._sync_clock, CLOCK_EVERY_S)),
        ]

    async def _until_it_answers(self, question: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        while True:
            try:
                return await question()
            except VenueError as error:
                self._log.warning("exchange.unavailable", error=error.message, hint=error.hint)
                await asyncio.sleep(VENUE_RETRY_S)

    async def _load_filters(self) -> None:
        self._ctx.filters = await self._until_it_answers(self._ctx.venue.filters)

    async def _sync_clock(self) -> None:
        await self._until_it_answers(self._ctx.venue.sync_clock)

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            with contextlib.suppress(RedisError):
                await work()

    async def _follow_decisions(self) -> None:
        async for record in self._feed.records():
            self._ctx.wakeups.notify(record)

    async def _follow_account(self) -> None:
        async for event in self._account.records():
            self._ctx.order_news.notify(event)

    # --- entries --------------------------------------------------------------------------------
    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Start a run for each plan and return; a plan is acknowledged by its settlement."""
        for delivery in deliveries:
            try:
                plan = Plan.from_fields(decode_fields(delivery.raw), lane_of(delivery.stream))
            except DecodeError as error:
                await self._bury(delivery, error)
                continue
            if not plan.decision.wants_order:
                await self._inboxes[delivery.stream].acknowledge(delivery)
            elif plan.plan_id in self._running:
                self._duplicate(delivery, plan)
            else:
                self._launch(delivery, plan)

    def _duplicate(self, delivery: Delivery, plan: Plan) -> None:
        """The same id again while the first is in hand: it waits, and sees how that one ended.

        It is not acknowledged before: where Redis lost the first entry and the producer added the
        plan again, this entry is all that is left of the plan.
        """
        _, run = self._running[plan.plan_id]
        if run.entry_id != delivery.entry_id:
            self._log.warning("plan.duplicate", plan_id=plan.plan_id, entry=delivery.entry_id)
            waiting = self._waiting.setdefault(plan.plan_id, {})
            waiting[delivery.entry_id] = (delivery, plan)

    def _launch(self, delivery: Delivery, plan: Plan) -> None:
        run = PlanRun(self._ctx, delivery, plan)
        task = asyncio.create_task(self._one(delivery, plan, run))
        self._running[plan.plan_id] = (task, run)
        task.add_done_callback(lambda _: self._forget(plan.plan_id))
        self._ctx.metrics.in_flight(len(self._running))

    def _forget(self, plan_id: str) -> None:
        self._running.pop(plan_id, None)
        waiting = self._waiting.get(plan_id)
        if waiting and not self._draining:
            self._launch(*waiting.pop(next(iter(waiting))))
        if not waiting:
            self._waiting.pop(plan_id, None)
        self._ctx.metrics.in_flight(len(self._running))

    async def _one(self, delivery: Delivery, plan: Plan, run: PlanRun) -> None:
        """An entry that keeps failing on Redis stays pending and comes back through the reclaim."""
        try:
            await self._insist(run)
        except LostClaimError:
            self._log.warning("plan.left_to_another_executor", plan_id=plan.plan_id)
        except ReusedPlanIdError:
            with contextlib.suppress(RedisError):  # it stays pending, and comes back here
                await self._bury(delivery, _reused(plan))
        except RedisError as error:
            self._log.warning("plan.postponed", plan_id=plan.plan_id, error=error.message)
        except Exception:  # noqa: BLE001  one plan's bug must not take the others down
            # The plan keeps its entry and its claim; what it may have sent is looked up next time.
            self._log.exception("plan.failed", plan_id=plan.plan_id)

    async def _insist(self, run: PlanRun) -> None:
        """Again soon where Redis failed: a restart takes a moment, the reclaim twenty seconds."""
        for delay_s in REDIS_RETRIES_S:
            try:
                return await run.run()
            except RedisError as error:
                self._log.warning("plan.retried", plan_id=run.plan.plan_id, error=error.message)
                await asyncio.sleep(delay_s)
                run.delivered_again()
        return await run.run()

    async def _bury(self, delivery: Delivery, error: DecodeError) -> None:
        """Undecodable: to the dlq with reason and origin; a refusal where the plan has an id."""
        self._log.warning(
            "plan.undecodable", entry=delivery.entry_id, reason=error.reason, field=error.field
        )
        letter = letter_of(delivery, error, "intent_executor", self._ctx.clock.now_ms())
        result = await self._refusal_of(letter.raw, error)
        await self._inboxes[delivery.stream].dead_letter(delivery, letter, result)

    async def _refusal_of(self, text: Mapping[str, str], error: DecodeError) -> Result | None:
        """What to tell whoever waits for the plan; None when it has no usable id, or an end."""
        try:
            plan_id = parse_plan_id(text.get("plan_id", ""))
        except DecodeError:
            return None
        read = await self._ctx.store.claim(plan_id)
        if read.claim is not None or plan_id in self._running:
            return None
        return Result(
            plan_id=plan_id,
            symbol=text.get("symbol", ""),
            executed=False,
            source=text.get("source", ""),
            timestamp_ms=read.now_us // 1000,
            error=f"{DenyReason.UNDECODABLE_PLAN.value}:{error.reason}",
            details={"field": error.field, "message": error.message},
        )

    async def drain(self) -> None:
        """Finish plans that hold a claim; let go of those that only wait for permits."""
        self._draining = True
        await cancel_and_wait(self._background)
        for task, run in list(self._running.values()):
            if not run.claimed:
                task.cancel()
        pending = [task for task, _ in self._running.values()]
        if pending:
            await asyncio.wait(pending, timeout=DRAIN_S)


def _reused(plan: Plan) -> DecodeError:
    message = f"plan_id: {plan.plan_id} was given to a plan with another content before"
    return DecodeError("plan_id_reused", "plan_id", message)


class ExecutorService:
    """The executor under the common loop: it must know the exchange before it reads plans."""

    def __init__(self, executor: Executor, loop: ServiceLoop) -> None:
        self._executor = executor
        self._loop = loop

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Start, then work until `stop`; a stop while the exchange is silent ends the start."""
        starting = asyncio.create_task(self._executor.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            return
        starting.result()
        await self._loop.run(stop, ready)
