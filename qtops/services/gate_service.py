"""Any gate as a service: facts → decide → permit, record and acknowledgement in one script."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from qtops.contracts.codec import decode_fields
from qtops.contracts.decision import Allow, Decision, DecisionRecord, Deny
from qtops.contracts.facts import Fact, Facts, Known, Reservation, Reservations
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.registry import PERMIT_TTL_S, Stream
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import DenyReason, FactName, Lane
from qtops.errors import DecodeError
from qtops.gates.base import Gate
from qtops.gates.governor import spent_reservations
from qtops.ports import Clock, Delivery, GateStore, Inbox, Issue, Promise
from qtops.services.metrics.gates import GateMetrics

L = TypeVar("L")
CONFLICT_RETRIES = 10
# Half of what a Redis integer holds: the other scripts count on from it.
VERSION_BITS = 62


@dataclass(frozen=True, slots=True)
class GateConfig(Generic[L]):
    """One gate with its limits."""

    gate: Gate[L]
    limits: L
    reserves: bool = False
    permit_ttl_ms: int = PERMIT_TTL_S * 1000


def lane_of(stream: Stream) -> Lane:
    """The manual stream is the operator's own."""
    return Lane.MANUAL if stream is Stream.APPLY_PLAN_MANUAL else Lane.AUTOMATED


class GateService(Generic[L]):
    """Implements `qtops.services.loop.Handler` for one gate."""

    def __init__(
        self,
        config: GateConfig[L],
        store: GateStore,
        inboxes: Sequence[Inbox],
        clock: Clock,
        metrics: GateMetrics,
    ) -> None:
        self._config = config
        self._gate = config.gate
        self._store = store
        self._inboxes = {inbox.stream: inbox for inbox in inboxes}
        self._clock = clock
        self._metrics = metrics
        extra = {FactName.RESERVATIONS, FactName.CONTROL} if config.reserves else set()
        self._wanted = self._gate.facts | extra
        self._log = structlog.get_logger("qtops.gate").bind(gate=self._gate.name.value)

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Decide every plan of the batch; what cannot be decided now stays pending."""
        todo: list[tuple[Delivery, Plan]] = []
        for delivery in deliveries:
            plan = self._decode(delivery)
            if plan is not None and plan.decision.wants_order:
                todo.append((delivery, plan))
            else:
                await self._inboxes[delivery.stream].acknowledge(delivery)
        for _ in range(CONFLICT_RETRIES):
            if not todo:
                return
            todo = await self._decide(todo)

    async def drain(self) -> None:
        """Nothing is in hand between batches."""

    def _decode(self, delivery: Delivery) -> Plan | None:
        """The plan, or None: the executor, which owns the outcome, dead-letters it."""
        try:
            return Plan.from_fields(decode_fields(delivery.raw), lane_of(delivery.stream))
        except DecodeError as error:
            self._log.warning("plan.undecodable", entry=delivery.entry_id, reason=error.reason)
            return None

    async def _decide(self, todo: Sequence[tuple[Delivery, Plan]]) -> list[tuple[Delivery, Plan]]:
        now_us, facts = await self._store.facts([plan for _, plan in todo], self._wanted)
        started = self._clock.monotonic_ms()
        issues: list[Issue] = []
        decisions: list[tuple[Decision, Facts]] = []
        batch_reservations = facts[0].reservations
        for (delivery, plan), read in zip(todo, facts, strict=True):
            known = _complete(read, batch_reservations)
            decision = self._judge(plan, known, now_us // 1000)
            at_us = now_us + int((self._clock.monotonic_ms() - started) * 1000)
            issue = self._issue(delivery, plan, decision, known, at_us)
            if issue.promise is not None and isinstance(known.reservations, Known):
                batch_reservations = _with(known.reservations, issue.promise)
            issues.append(issue)
            decisions.append((decision, known))
        written = await self._store.issue(issues)
        for issue, (decision, known), ok in zip(issues, decisions, written, strict=True):
            if ok:
                self._report(issue, decision, known)
        if self._config.reserves:
            await self._store.prune(spent_reservations(facts[0], now_us // 1000))
        return [pair for pair, ok in zip(todo, written, strict=True) if not ok]

    def _judge(self, plan: Plan, facts: Facts, now_ms: int) -> Decision:
        """A gate that raises refuses, in writing; the traceback goes to the log."""
        try:
            return self._gate.decide(plan, facts, now_ms, self._config.limits)
        except Exception as error:  # noqa: BLE001  a bug in a gate must deny, not fall silent
            self._log.exception("gate.failed", plan_id=plan.plan_id)
            return Deny(DenyReason.EVALUATION_ERROR, type(error).__name__)

    def _issue(
        self, delivery: Delivery, plan: Plan, decision: Decision, facts: Facts, at_us: int
    ) -> Issue:
        allowed = isinstance(decision, Allow)
        quantity = decision.quantity if isinstance(decision, Allow) else ZERO
        reason = "" if isinstance(decision, Allow) else decision.reason.value
        detail = "" if isinstance(decision, Allow) else decision.detail
        terms = decision.terms if isinstance(decision, Allow) else {}
        now_ms = at_us // 1000
        permit = Permit(
            gate=self._gate.name,
            plan_id=plan.plan_id,
            allow=allowed,
            symbol=plan.symbol,
            reason=reason or "ok",
            quantity=quantity,
            plan_digest=plan.digest,
            epoch=facts.control.value.epoch if isinstance(facts.control, Known) else -1,
            issued_at_ms=now_ms,
            expires_at_ms=now_ms + self._config.permit_ttl_ms,
            terms=terms,
        )
        record = DecisionRecord(
            plan_id=plan.plan_id,
            gate=self._gate.name.value,
            allow=allowed,
            reason=reason,
            symbol=plan.symbol,
            side=plan.side.value,
            effect=plan.effect.value,
            decided_at_ms=now_ms,
            detail=detail,
            quantity=quantity if allowed else None,
            terms=terms,
            decided_at_us=at_us,
        )
        return Issue(delivery, permit, record, self._promise(plan, decision, facts, permit))

    def _promise(
        self, plan: Plan, decision: Decision, facts: Facts, permit: Permit
    ) -> Promise | None:
        """What an open's permit reserves, and the reservations it was decided on."""
        reserving = self._config.reserves and isinstance(decision, Allow) and not plan.reduce_only
        if not reserving or not isinstance(facts.reservations, Known):
            return None
        if not isinstance(facts.mark, Known):
            return None
        reservation = Reservation(
            plan_id=plan.plan_id,
            symbol=plan.symbol,
            side=plan.side,
            quantity=plan.quantity,
            notional_usdt=plan.quantity * facts.mark.value,
            state="issued",
            expires_at_ms=permit.expires_at_ms,
        )
        return Promise(
            reservation, facts.reservations.value.version, secrets.randbits(VERSION_BITS)
        )

    def _report(self, issue: Issue, decision: Decision, facts: Facts) -> None:
        seconds = (issue.record.decided_at_ms - issue.delivery.entry_ms) / 1000
        self._metrics.observe(issue.permit.symbol, decision, facts, seconds)
        self._log.info(
            "gate.decided",
            plan_id=issue.permit.plan_id,
            symbol=issue.permit.symbol,
            allow=issue.permit.allow,
            reason=issue.permit.reason,
            detail=issue.record.detail,
        )


def _complete(facts: Facts, reservations: Fact[Reservations]) -> Facts:
    """Facts with what this batch already promised."""
    if isinstance(reservations, Known):
        return replace(facts, reservations=reservations)
    return facts


def _with(known: Known[Reservations], promise: Promise) -> Known[Reservations]:
    """The reservations as they will be once `promise` is written, by the rule of `issue.lua`."""
    held, added = known.value.by_plan, promise.reservation
    if added.plan_id not in held or held[added.plan_id].state == "issued":
        held = {**held, added.plan_id: added}
    return Known(Reservations(held, promise.next_version), known.observed_at_ms)
