"""`exit.events`: what happened to one exit, step by step. Steps are joined by plan and order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from qtops.contracts.codec import Fields, parse_json_object, text_of
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.values import fmt_decimal


class ExitStep(StrEnum):
    """The four steps of an exit, and what the monitor would have done in shadow mode."""

    EXIT_PUBLISH = "EXIT_PUBLISH"
    MARGIN_CHECK_SKIPPED = "MARGIN_CHECK_SKIPPED"
    CLOSE_EXECUTED = "CLOSE_EXECUTED"
    TERMINAL_STATE = "TERMINAL_STATE"
    EXIT_SHADOW = "EXIT_SHADOW"


# In the order in which they must happen.
CHAIN: Final = (
    ExitStep.EXIT_PUBLISH,
    ExitStep.MARGIN_CHECK_SKIPPED,
    ExitStep.CLOSE_EXECUTED,
    ExitStep.TERMINAL_STATE,
)
NOT_SENT: Final = "NOT_SENT"


@dataclass(frozen=True, slots=True)
class ExitEvent:
    """One step. `at_ms` is the Redis server's UTC ms; `state` is the order's, at the end only."""

    step: ExitStep
    plan_id: str
    client_order_id: str
    symbol: str
    at_ms: int
    order_id: str = ""
    state: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def marker(self) -> str:
        """The words that operators look for."""
        words = {ExitStep.MARGIN_CHECK_SKIPPED: "MARGIN CHECK SKIPPED"}
        if self.step is ExitStep.TERMINAL_STATE:
            return f"TERMINAL STATE: {self.state}"
        return words.get(self.step, self.step.value)

    def to_fields(self) -> dict[str, str]:
        fields = {
            "event": self.step.value,
            "plan_id": self.plan_id,
            "client_order_id": self.client_order_id,
            "order_id": self.order_id,
            "symbol": self.symbol,
            "state": self.state,
            "at_ms": str(self.at_ms),
        }
        details = json.dumps(dict(self.details), sort_keys=True, separators=(",", ":"))
        return {**{name: text for name, text in fields.items() if text}, "details": details}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "ExitEvent":
        """Strict. Raises DecodeError naming the field."""
        fields = Fields(raw)
        step = fields.need_word(ExitStep, "event")
        is_end = step is ExitStep.TERMINAL_STATE
        details: dict[str, Any] = parse_json_object(fields.take("details") or "{}", "details")
        return cls(
            step=step,
            plan_id=fields.need("plan_id"),
            client_order_id=fields.need("client_order_id"),
            symbol=fields.need("symbol"),
            at_ms=fields.need_int("at_ms"),
            order_id=fields.take("order_id") or "",
            state=fields.need("state") if is_end else "",
            details={name: text_of(value) for name, value in details.items()},
        )


def margin_check_skipped(plan: Plan, order_id: str, at_ms: int) -> ExitEvent | None:
    """Said when a reduction is about to be sent: it frees margin, so none is asked for.

    None for a plan that opens.
    """
    if not plan.reduce_only:
        return None
    details = {"reason": "reduce_only", "source": plan.source}
    step = ExitStep.MARGIN_CHECK_SKIPPED
    return ExitEvent(step, plan.plan_id, order_id, plan.symbol, at_ms, details=details)


def closing_events(plan: Plan, result: Result) -> tuple[ExitEvent, ...]:
    """The last steps of a reduction, from its one result; empty for a plan that opens."""
    if not plan.reduce_only:
        return ()

    def event(step: ExitStep, state: str, details: Mapping[str, str]) -> ExitEvent:
        return ExitEvent(
            step=step,
            plan_id=plan.plan_id,
            client_order_id=result.client_order_id,
            symbol=plan.symbol,
            at_ms=result.timestamp_ms,
            order_id=result.order_id,
            state=state,
            details=details,
        )

    filled = fmt_decimal(result.filled_quantity)
    state = result.order_status or NOT_SENT
    error = {"error": result.error} if result.error else {}
    end = event(ExitStep.TERMINAL_STATE, state, {"filled_qty": filled, **error})
    if not result.executed:
        return (end,)
    return (event(ExitStep.CLOSE_EXECUTED, "", {"filled_qty": filled}), end)
