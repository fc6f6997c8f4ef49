"""`harvest.proposal` and `harvest.calibrated`: a close on its way to become a plan.

All names are the original's. A component of the kill score that could not be had is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.codec import Fields, fmt_bool, parse_int
from qtops.contracts.plan import FRACTIONS
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal, parse_plan_id, parse_symbol
from qtops.contracts.vocabulary import Action, GateMode, HeatBucket
from qtops.errors import DecodeError

_COMPONENTS = ("k_regime_flip", "k_sigma_spike", "k_ts_drop", "k_age_penalty")
SOURCE = "apply_layer"


@dataclass(frozen=True, slots=True)
class HarvestProposal:
    """What the kernel makes of one position.

    `trace_id` names the intent (symbol, episode, step) and `plan_id` one attempt at it; both are
    empty where nothing is proposed. Prices in quote per unit, `position_amt` signed base units.
    """

    plan_id: str
    trace_id: str
    symbol: str
    action: Action
    position_amt: Decimal
    entry_price: Decimal
    mark_price: Decimal
    r_net: Decimal
    risk_unit: Decimal
    cost_est: Decimal
    kill_score: Decimal
    computed_at_ms: int
    components: Mapping[str, Decimal]
    reason_codes: tuple[str, ...] = ()
    new_sl_proposed: Decimal | None = None

    def to_fields(self) -> dict[str, str]:
        stop = self.new_sl_proposed
        fields = {
            "plan_id": self.plan_id,
            "trace_id": self.trace_id,
            "symbol": self.symbol,
            "harvest_action": self.action.value,
            "position_amt": fmt_decimal(self.position_amt),
            "entry_price": fmt_decimal(self.entry_price),
            "mark_price": fmt_decimal(self.mark_price),
            "R_net": fmt_decimal(self.r_net),
            "risk_unit": fmt_decimal(self.risk_unit),
            "cost_est": fmt_decimal(self.cost_est),
            "kill_score": fmt_decimal(self.kill_score),
            **{name: fmt_decimal(value) for name, value in self.components.items()},
            "new_sl_proposed": fmt_decimal(stop) if stop is not None else "",
            "reason_codes": ",".join(self.reason_codes),
            "computed_at_ms": str(self.computed_at_ms),
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "HarvestProposal":
        """Strict. A proposal on the stream is a close of a position that is there."""
        fields = Fields(raw)
        action = fields.need_word(Action, "harvest_action")
        if action not in FRACTIONS or action is Action.RECONCILE_CLOSE:
            raise DecodeError("bad_action", "harvest_action", f"{action.value} is no harvest")
        amount = fields.need_decimal("position_amt")
        if amount == ZERO:
            raise DecodeError("bad_position", "position_amt", "there is no position to close")
        stop = fields.take("new_sl_proposed")
        said = {name: fields.take(name) for name in _COMPONENTS}
        return cls(
            plan_id=parse_plan_id(fields.need("plan_id")),
            trace_id=parse_plan_id(fields.need("trace_id"), "trace_id"),
            symbol=parse_symbol(fields.need("symbol")),
            action=action,
            position_amt=amount,
            entry_price=fields.need_decimal("entry_price"),
            mark_price=fields.need_decimal("mark_price"),
            r_net=fields.need_decimal("R_net"),
            risk_unit=fields.need_decimal("risk_unit"),
            cost_est=fields.need_decimal("cost_est"),
            kill_score=fields.need_decimal("kill_score"),
            computed_at_ms=parse_int(fields.need("computed_at_ms"), "computed_at_ms"),
            components={name: parse_decimal(text, name) for name, text in said.items() if text},
            reason_codes=tuple(filter(None, (fields.take("reason_codes") or "").split(","))),
            new_sl_proposed=parse_decimal(stop, "new_sl_proposed") if stop else None,
        )


@dataclass(frozen=True, slots=True)
class CalibratedProposal:
    """A proposal beside what the portfolio's heat makes of it. `heat_value` None: not known."""

    proposal: HarvestProposal
    calibrated_action: Action
    heat_value: Decimal | None
    bucket: HeatBucket
    mode: GateMode
    reason: str
    timestamp_ms: int

    @property
    def action(self) -> Action:
        """The action that counts: the original one while in shadow."""
        shadow = self.mode is GateMode.SHADOW
        return self.proposal.action if shadow else self.calibrated_action

    @property
    def differs(self) -> bool:
        """Whether calibration would change, or changed, the action."""
        return self.calibrated_action is not self.proposal.action

    def to_fields(self) -> dict[str, str]:
        """The proposal's own fields stay; `calibrated` says whether the action was changed."""
        heat = self.heat_value
        fields = {
            "original_action": self.proposal.action.value,
            "calibrated_action": self.calibrated_action.value,
            "heat_value": fmt_decimal(heat) if heat is not None else "",
            "heat_bucket": self.bucket.value,
            "mode": self.mode.value,
            "calibrated": fmt_bool(self.action is not self.proposal.action),
            "reason": self.reason,
            "timestamp": str(self.timestamp_ms),
        }
        return {**self.proposal.to_fields(), **{k: v for k, v in fields.items() if v}}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "CalibratedProposal":
        """Strict. Calibration shrinks a close or leaves it; a grown one is refused."""
        fields = Fields(raw)
        proposal = HarvestProposal.from_fields(raw)
        action = fields.need_word(Action, "calibrated_action")
        if action not in FRACTIONS or FRACTIONS[action] > FRACTIONS[proposal.action]:
            raise DecodeError("bad_action", "calibrated_action", f"{action.value} is no smaller")
        heat = fields.take("heat_value")
        return cls(
            proposal=proposal,
            calibrated_action=action,
            heat_value=parse_decimal(heat, "heat_value") if heat else None,
            bucket=fields.need_word(HeatBucket, "heat_bucket"),
            mode=fields.need_word(GateMode, "mode"),
            reason=fields.take("reason") or "",
            timestamp_ms=parse_int(fields.need("timestamp"), "timestamp"),
        )
