"""One plan from entry to result: carries out what `qtops.gates.execution` commands."""

from dataclasses import replace
from decimal import Decimal

import structlog

from qtops.contracts.claim import Claim, ClaimState
from qtops.contracts.decision import Deny
from qtops.contracts.exit_event import closing_events, margin_check_skipped
from qtops.contracts.plan import Plan, client_order_id
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import OrderRequest, VenueOrder
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.errors import OutcomeClass, VenueError
from qtops.gates import execution as ex
from qtops.gates.admission import Admit, admit, check_plan, error_text
from qtops.gates.sizing import SendFacts, order_quantity
from qtops.ports import Delivery, Settlement
from qtops.services.failpoints import Step
from qtops.services.outcome import (
    Evidence,
    kept_permits,
    log_markers,
    missing_text,
    position_before,
    readable_permits,
    result_of,
    venue_error_text,
)
from qtops.services.plan_context import (
    ExecutorContext,
    LostClaimError,
    RestartedError,
    ReusedPlanIdError,
    stop_if,
)
from qtops.services.server_time import ServerTime

DEFAULT_RETRY_MS = 200
MAX_SNAPSHOT_AGE_MS = 10_000
BOOK_RETRIES = 20
RESTART_SUSPICION_MS = 3_600_000


class PlanRun:
    """One plan's run, from whatever an earlier delivery left behind to its one result."""

    def __init__(self, context: ExecutorContext, delivery: Delivery, plan: Plan) -> None:
        self._ctx = context
        self._delivery = delivery
        self.plan = plan
        self.order_id = client_order_id(context.limits.namespace, plan.plan_id)
        self.claimed = False
        self._seen = Evidence()
        self._timestamp_ms = 0
        self._unknown = False
        self._run_id = ""
        self._time = ServerTime(context.clock)
        self._log = structlog.get_logger("qtops.executor").bind(
            plan_id=plan.plan_id, symbol=plan.symbol
        )

    @property
    def entry_id(self) -> str:
        return self._delivery.entry_id

    def delivered_again(self) -> None:
        """The entry was in hand before: from now on it is looked up before its first send."""
        self._delivery = replace(self._delivery, count=self._delivery.count + 1)

    async def run(self) -> None:
        """Drive the plan to its one result. Raises LostClaimError when it is not ours to finish."""
        self._ctx.failpoint(Step.RECEIVED)
        with self._ctx.order_news.following(self.order_id):
            while True:
                try:
                    return await self._drive()
                except RestartedError:
                    # What was seen holds under that server life only: look anew, with suspicion.
                    self._log.warning("redis.restarted", order_id=self.order_id)

    async def _drive(self) -> None:
        read = await self._ctx.store.claim(self.plan.plan_id)
        now_us, claim, self._run_id = read.now_us, read.claim, read.run_id
        self.claimed = self._unknown = False
        # A position read before a restart may already hold an order that only now comes to light.
        self._seen = Evidence()
        self._time.set(now_us)
        suspicious, fence_ms = self._suspicion(now_us // 1000, read.restarted_ms)
        if claim is not None and claim.plan_digest not in {"", self.plan.digest}:
            # Taking it over would send this plan under the permits of that one.
            raise ReusedPlanIdError(self.plan.plan_id)
        if claim is None:
            age_ms = 0 if suspicious else now_us // 1000 - self._delivery.entry_ms
            denial = check_plan(self.plan, age_ms, self._ctx.limits.admission, read.universe)
            if denial is not None:
                await self._settle(None, error_text(denial))
                return
        elif claim.state is not ClaimState.DONE:
            await self._take_over(claim)
        state, command = ex.start(claim, suspicious=suspicious, fence_ms=fence_ms)
        while True:
            event = await self._carry_out(command)
            if event is None:
                return
            state, command = ex.step(state, event)

    async def _take_over(self, claim: Claim) -> None:
        if not await self._ctx.store.take_over(self.plan.plan_id, claim):
            raise LostClaimError(self.plan.plan_id)
        self.claimed = True
        self._seen.permits = kept_permits(claim, self.plan.plan_id)

    def _suspicion(self, now_ms: int, restarted_ms: int) -> tuple[bool, int]:
        """Whether an earlier life may have sent this plan without leaving a claim.

        Also until when (exchange's clock) such a request could still land: it can have left at the
        latest when Redis went away with the claim.
        """
        if not restarted_ms or now_ms - restarted_ms >= RESTART_SUSPICION_MS:
            return self._delivery.count > 1, 0
        window_ms = self._ctx.venue.recv_window_ms + ex.CLOCK_BOUND_MS
        left_ms = restarted_ms + window_ms - now_ms
        return True, self._ctx.venue.timestamp_ms() + left_ms

    async def _carry_out(self, command: ex.Command) -> ex.Event | None:
        """Do what is commanded; None when the plan has ended."""
        event: ex.Event | None = None
        match command:
            case ex.AwaitAdmission():
                event = await self._await_admission()
            case ex.Prepare():
                event = await self._prepare()
            case ex.Mark():
                event = await self._mark()
            case ex.Send():
                event = await self._send()
            case ex.Lookup() as lookup:
                event = await self._lookup(lookup)
            case ex.Settle(order=order, error=error):
                await self._settle(order, error)
            case ex.Acknowledge():
                await self._acknowledge()
        return event

    # --- admission ------------------------------------------------------------------------------
    async def _await_admission(self) -> ex.Event:
        limits, plan = self._ctx.limits, self.plan
        deadline = self._ctx.clock.monotonic_ms() + limits.permit_wait_ms
        with self._ctx.wakeups.waiting_for(plan.plan_id) as waiter:
            while True:
                reading = await self._ctx.store.admission(plan)
                self._time.set(reading.now_us)
                now_ms = reading.now_us // 1000
                permits = readable_permits(reading)
                verdict = admit(plan, permits, reading.control, now_ms, limits.admission)
                if isinstance(verdict, Deny):
                    return ex.Refused(error_text(verdict))
                if isinstance(verdict, Admit):
                    refused = await self._ctx.store.admit(
                        plan, reading, self.order_id, self._run_id
                    )
                    if not refused:
                        return self._admitted(verdict)
                    if refused == "unreserved":
                        return ex.Refused(f"{DenyReason.PERMIT_EXPIRED.value}:reservation")
                    stop_if(refused, self.plan.plan_id)
                    continue  # something changed between the reading and the script: read again
                left_ms = deadline - self._ctx.clock.monotonic_ms()
                if left_ms <= 0:
                    return ex.Refused(missing_text(verdict))
                waiter.expect(verdict.missing)
                await waiter.wait(left_ms / 1000)  # woken or not, the permits are read once more

    def _admitted(self, verdict: Admit) -> ex.Event:
        self._seen.permits = verdict.permits
        self.claimed = True
        self._hop("admitted")
        self._ctx.failpoint(Step.ADMITTED)
        return ex.Admitted()

    # --- before the request ---------------------------------------------------------------------
    async def _prepare(self) -> ex.Event:
        """Position, rules and mark as they are now; a resend goes through this again."""
        plan = self.plan
        filters = self._ctx.filters.get(plan.symbol)
        if filters is None:
            return ex.Refused(f"{DenyReason.FILTERS_UNKNOWN.value}:{plan.symbol}")
        mark = None
        if plan.reduce_only:
            self._seen.position_read_ms = self._time.now_us() // 1000
            self._seen.position_before = await self._position_now()
        else:
            mark = await self._ctx.store.mark_price(plan.symbol)
        send = SendFacts(self._seen.position_before, filters, mark)
        if GateName.POSITION not in self._seen.permits:
            return ex.Refused(f"{DenyReason.PERMIT_UNREADABLE.value}:the claim kept no permits")
        sized = order_quantity(plan, self._seen.permits, send, self._ctx.limits.min_notional_usdt)
        if isinstance(sized, Deny):
            return ex.Refused(error_text(sized))
        self._seen.quantity = sized
        self._ctx.failpoint(Step.PREPARED)
        return ex.Prepared()

    async def _position_now(self) -> Decimal | None:
        """The exchange's word; a fresh snapshot where it cannot be asked."""
        try:
            rows = await self._ctx.venue.positions(self.plan.symbol)
        except VenueError as error:
            self._log.warning("position.unreadable", error=error.message)
            held = await self._ctx.store.snapshot_position(self.plan.symbol)
            return held[0] if held is not None and held[1] <= MAX_SNAPSHOT_AGE_MS else None
        return next((row.amount for row in rows if row.symbol == self.plan.symbol), ZERO)

    async def _mark(self) -> ex.Event:
        assert self._seen.quantity is not None  # noqa: S101  Prepare comes before Mark in the table
        self._timestamp_ms = self._ctx.venue.timestamp_ms()
        deadline_ms = self._timestamp_ms + self._ctx.venue.recv_window_ms
        plan, quantity = self.plan, self._seen.quantity
        event = margin_check_skipped(plan, self.order_id, self._time.now_us() // 1000)
        store = self._ctx.store
        refused = await store.mark_sending(plan, deadline_ms, quantity, self._run_id, event)
        stop_if(refused, self.plan.plan_id)
        if refused:
            return ex.Refused(f"{DenyReason.KILL_EPOCH_CHANGED.value}:before the request left")
        log_markers(self._log, [event] if event else [])
        self._ctx.failpoint(Step.MARKED)
        return ex.Marked(deadline_ms)

    # --- the request and its outcome ------------------------------------------------------------
    async def _send(self) -> ex.Event:
        assert self._seen.quantity is not None  # noqa: S101  Prepare comes before Send in the table
        request = OrderRequest(
            symbol=self.plan.symbol,
            side=self.plan.side,
            quantity=self._seen.quantity,
            reduce_only=self.plan.reduce_only,
            client_order_id=self.order_id,
        )
        self._hop("sent")
        try:
            async with self._ctx.sending:
                order = await self._ctx.venue.place_order(request, self._timestamp_ms)
        except VenueError as error:
            return await self._send_failed(error)
        self._hop("answered")
        self._ctx.failpoint(Step.ANSWERED)
        return ex.Answered(order)

    async def _send_failed(self, error: VenueError) -> ex.Event:
        self._log.warning("order.not_confirmed", outcome=error.outcome.value, error=error.message)
        if error.outcome is OutcomeClass.UNKNOWN:
            await self._remember_unknown()
        wait_ms = int((error.retry_after_s or 0) * 1000) or DEFAULT_RETRY_MS
        return ex.SendFailed(error.outcome, venue_error_text(error), wait_ms)

    async def _remember_unknown(self) -> None:
        if not self._unknown:
            self._unknown = True
            self._ctx.metrics.unknown_outcome()
            await self._ctx.store.mark_unknown(self.plan, self._ctx.clock.now_ms())

    async def _lookup(self, lookup: ex.Lookup) -> ex.Event:
        woken = await self._ctx.order_news.pause(self.order_id, lookup)
        self._ctx.metrics.lookup(woken=woken)
        try:
            order = await self._ctx.venue.find_order(self.plan.symbol, self.order_id)
        except VenueError as error:
            self._log.warning("lookup.failed", error=error.message)
            return ex.LookupFailed(venue_error_text(error))
        self._ctx.failpoint(Step.LOOKED_UP)
        if order is not None:
            self._hop("answered")
            return ex.Answered(order)
        age_ms = self._time.now_us() // 1000 - self._delivery.entry_ms
        fresh = age_ms <= self._ctx.limits.admission.plan_max_age_ms
        return ex.NotFound(self._ctx.venue.timestamp_ms(), fresh=fresh)

    # --- the end --------------------------------------------------------------------------------
    async def _settle(self, order: VenueOrder | None, error: str) -> None:
        """Write the end of the plan; when the book moved meanwhile, add the fill to the new one."""
        filled = order is not None and order.executed_quantity > ZERO
        # One fill of a symbol at a time, or a burst would fight over the book's version.
        async with self._ctx.settling[self.plan.symbol]:
            await self._settle_in_turn(order, error, filled=filled)

    async def _settle_in_turn(self, order: VenueOrder | None, error: str, *, filled: bool) -> None:
        outcome = "book"
        for _ in range(BOOK_RETRIES):
            result = self._result(order, error)
            settlement = Settlement(
                self._delivery,
                self.plan,
                result,
                filled,
                # What the exchange shows is true in any life of the server; that nothing was sent
                # is only known in the one in which the plan was looked at.
                run_id="" if order is not None else self._run_id,
                exit_events=closing_events(self.plan, result),
            )
            if filled and order is not None:
                settlement = await self._with_book(settlement, order)
            outcome = await self._ctx.store.settle(settlement)
            if outcome != "book":
                self._conclude(settlement, outcome)
                return
        raise LostClaimError(self.plan.plan_id)

    def _conclude(self, settlement: Settlement, outcome: str) -> None:
        self._ctx.failpoint(Step.SETTLED)
        stop_if(outcome, self.plan.plan_id)
        result = settlement.result
        seconds = (result.timestamp_ms - self._delivery.entry_ms) / 1000
        if outcome == "settled":
            log_markers(self._log, settlement.exit_events)
            self._ctx.metrics.settled(executed=result.executed, error=result.error, seconds=seconds)
        log = self._log.bind(order_id=result.order_id, filled=fmt_decimal(result.filled_quantity))
        log.info("plan.settled", executed=result.executed, error=result.error, outcome=outcome)

    async def _with_book(self, settlement: Settlement, order: VenueOrder) -> Settlement:
        """The book plus the fill; where there is no book yet, the position before the order."""
        before, version = await self._ctx.store.book(self.plan.symbol)
        read_ms = 0
        if before is None:
            before, read_ms = position_before(self._seen)
        if before is None:
            return settlement
        after = before + self.plan.side.sign * order.executed_quantity
        return replace(
            settlement, book_amount=after, expected_book_version=version, book_read_ms=read_ms
        )

    def _result(self, order: VenueOrder | None, error: str) -> Result:
        self._hop("settled")
        now_ms = self._time.now_us() // 1000
        return result_of(self.plan, self.order_id, order, error, now_ms, self._seen)

    async def _acknowledge(self) -> None:
        """The plan has its result; the script only acknowledges this entry of it."""
        result = self._result(None, "already_settled")
        settlement = Settlement(
            self._delivery, self.plan, result, filled=False, run_id=self._run_id
        )
        self._conclude(settlement, await self._ctx.store.settle(settlement))

    def _hop(self, name: str) -> None:
        self._seen.hops_us[name] = self._time.now_us()
