"""Heat calibration: passes every harvest proposal on, with what the heat makes of it."""

from collections.abc import Sequence

import structlog

from qtops.contracts.codec import decode_fields
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.harvest import CalibratedProposal, HarvestProposal
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import Action, Effect, Feeder, Side
from qtops.errors import DecodeError
from qtops.gates.heat import HeatLimits, calibrate
from qtops.ports import Delivery, Inbox
from qtops.ports.harvest import HeatStore
from qtops.services.dead_letters import letter_of
from qtops.services.metrics.harvest import HeatMetrics


class HeatCalibration:
    """Implements `qtops.services.loop.Handler`."""

    def __init__(
        self, store: HeatStore, inbox: Inbox, limits: HeatLimits, metrics: HeatMetrics
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._limits = limits
        self._metrics = metrics
        self._log = structlog.get_logger("qtops.heat")

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """One reading of the portfolio for the batch; every proposal gets an answer."""
        facts = await self._store.facts()
        for delivery in deliveries:
            try:
                proposal = HarvestProposal.from_fields(decode_fields(delivery.raw))
            except DecodeError as error:
                self._log.warning("proposal.undecodable", entry=delivery.entry_id, **_why(error))
                letter = letter_of(delivery, error, "p26_heat_gate", facts.now_ms)
                await self._inbox.dead_letter(delivery, letter, None)
                continue
            calibrated = calibrate(proposal, facts, self._limits)
            await self._store.pass_on(delivery, calibrated, _record(calibrated))
            self._report(calibrated)

    async def drain(self) -> None:
        """Nothing is in hand between batches."""

    def _report(self, calibrated: CalibratedProposal) -> None:
        self._metrics.observe(calibrated)
        self._log.info("heat.compared", **_terms(calibrated), plan_id=calibrated.proposal.plan_id)


def decision_of(calibrated: CalibratedProposal, gate: Feeder, at_ms: int) -> DecisionRecord:
    """The record of a feeder about a proposal; an allowance until it is told otherwise."""
    proposal = calibrated.proposal
    is_full = calibrated.action is Action.FULL_CLOSE_PROPOSED
    return DecisionRecord(
        plan_id=proposal.plan_id,
        gate=gate.value,
        allow=True,
        reason="",
        symbol=proposal.symbol,
        side=(Side.SELL if proposal.position_amt > ZERO else Side.BUY).value,
        effect=(Effect.CLOSE if is_full else Effect.REDUCE).value,
        decided_at_ms=at_ms,
        terms=_terms(calibrated),
    )


def _record(calibrated: CalibratedProposal) -> DecisionRecord:
    return decision_of(calibrated, Feeder.HEAT_CALIBRATION, calibrated.timestamp_ms)


def _terms(calibrated: CalibratedProposal) -> dict[str, str]:
    heat = calibrated.heat_value
    return {
        "mode": calibrated.mode.value,
        "original_action": calibrated.proposal.action.value,
        "calibrated_action": calibrated.calibrated_action.value,
        "heat_value": fmt_decimal(heat) if heat is not None else "",
        "heat_bucket": calibrated.bucket.value,
        "heat_reason": calibrated.reason,
    }


def _why(error: DecodeError) -> dict[str, str]:
    return {"reason": error.reason, "field": error.field}
