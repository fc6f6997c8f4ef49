"""Apply layer: calibrated proposals become plans, once for each intent."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from qtops.contracts.codec import decode_fields
from qtops.contracts.decision import DecisionRecord, Deny
from qtops.contracts.harvest import CalibratedProposal
from qtops.contracts.vocabulary import DenyReason, Feeder
from qtops.errors import DecodeError, RedisError
from qtops.gates.apply import ApplyLimits, Verdict, decide
from qtops.ports import Clock, Delivery, Inbox
from qtops.ports.harvest import ApplyStore
from qtops.services.dead_letters import letter_of
from qtops.services.heat_calibration import decision_of
from qtops.services.metrics.harvest import ApplyMetrics

CONFLICT_RETRIES = 10


class ApplyLayer:
    """Implements `qtops.services.loop.Handler`."""

    def __init__(
        self,
        store: ApplyStore,
        inbox: Inbox,
        limits: ApplyLimits,
        clock: Clock,
        metrics: ApplyMetrics,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.apply")

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """One after the other: two attempts at one intent must see each other."""
        for delivery in deliveries:
            try:
                calibrated = CalibratedProposal.from_fields(decode_fields(delivery.raw))
            except DecodeError as error:
                self._log.warning(
                    "proposal.undecodable",
                    entry=delivery.entry_id,
                    reason=error.reason,
                    field=error.field,
                )
                letter = letter_of(delivery, error, "apply_layer", self._clock.now_ms())
                await self._inbox.dead_letter(delivery, letter, None)
                continue
            await self._apply(delivery, calibrated)

    async def drain(self) -> None:
        """Nothing is in hand between batches."""

    async def _apply(self, delivery: Delivery, calibrated: CalibratedProposal) -> None:
        for _ in range(CONFLICT_RETRIES):
            facts = await self._store.facts(calibrated)
            verdict = decide(calibrated, facts, self._limits)
            record = _refusal(calibrated, verdict.denial, facts.now_ms)
            if await self._store.apply(delivery, calibrated, facts, verdict, record):
                self._report(calibrated, verdict, facts.now_ms)
                return
        raise RedisError("the marker of an intent keeps changing", hint="run one apply layer")

    def _report(self, calibrated: CalibratedProposal, verdict: Verdict, now_ms: int) -> None:
        denial, plan = verdict.denial, verdict.plan
        decision = plan.decision.value if plan is not None else "NONE"
        if denial is not None and denial.reason is DenyReason.DUPLICATE_PLAN:
            self._metrics.duplicate()
        elif plan is not None:
            self._metrics.planned(calibrated.proposal.symbol, decision)
        self._metrics.handled(now_ms)
        self._log.info(
            "apply.decided",
            plan_id=calibrated.proposal.plan_id,
            symbol=calibrated.proposal.symbol,
            action=calibrated.action.value,
            decision=decision,
            reason=denial.reason.value if denial is not None else "",
            detail=denial.detail if denial is not None else "",
        )


def _refusal(
    calibrated: CalibratedProposal, denial: Deny | None, at_ms: int
) -> DecisionRecord | None:
    """Every refusal is written down; what is not refused is the plan itself."""
    if denial is None:
        return None
    record = decision_of(calibrated, Feeder.APPLY_LAYER, at_ms)
    return replace(record, allow=False, reason=denial.reason.value, detail=denial.detail)
