"""One position from the moment it was first seen until it is flat, and what was proposed for it.

An intent is (symbol, episode, step): it has one name for as long as the position lasts, however
often it is looked at. An attempt at it is a plan.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from qtops.contracts.codec import (
    Fields,
    canonical_json,
    fmt_bool,
    parse_bool,
    parse_int,
    parse_json_object,
    parse_word,
    text_of,
)
from qtops.contracts.facts import Position
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.contracts.vocabulary import Action
from qtops.errors import DecodeError

_STEP_WORDS = {
    Action.PARTIAL_25: "p25",
    Action.PARTIAL_50: "p50",
    Action.PARTIAL_75: "p75",
    Action.FULL_CLOSE_PROPOSED: "full",
}


class PlanFate(StrEnum):
    """What became of an earlier attempt. ABSENT: the executor never took it up."""

    ABSENT = "absent"
    OPEN = "open"
    EXECUTED = "executed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """The last attempt at one step. `done`: an attempt was filled."""

    attempt: int
    plan_id: str
    proposed_at_ms: int
    done: bool = False


@dataclass(frozen=True, slots=True)
class Episode:
    """A position's life. `first_seen_ms` is when we saw it first: the exchange tells no age."""

    symbol: str
    is_long: bool
    entry_price: Decimal
    first_seen_ms: int
    steps: Mapping[Action, Step] = field(default_factory=dict)

    def continues(self, position: Position) -> bool:
        """Same side and entry. A reduction keeps the entry price; adding moves it, and every R."""
        return (position.amount > ZERO) == self.is_long and position.entry_price == self.entry_price

    def trace_id(self, action: Action) -> str:
        """The name of the intent. Nothing in it moves from one poll to the next."""
        side = "LONG" if self.is_long else "SHORT"
        said = "|".join((side, fmt_decimal(self.entry_price), str(self.first_seen_ms)))
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        return f"harvest-{self.symbol}-{digest}-{_STEP_WORDS[action]}"

    def plan_id(self, action: Action, attempt: int) -> str:
        """The name of one attempt at it."""
        return f"{self.trace_id(action)}-{attempt}"

    def with_step(self, action: Action, step: Step) -> "Episode":
        return replace(self, steps={**self.steps, action: step})

    def to_json(self) -> str:
        steps = {
            action.value: {
                "attempt": str(step.attempt),
                "plan_id": step.plan_id,
                "proposed_at_ms": str(step.proposed_at_ms),
                "done": fmt_bool(step.done),
            }
            for action, step in self.steps.items()
        }
        return canonical_json(
            {
                "is_long": fmt_bool(self.is_long),
                "entry_price": fmt_decimal(self.entry_price),
                "first_seen_ms": str(self.first_seen_ms),
                "steps": steps,
            }
        )

    @classmethod
    def from_json(cls, symbol: str, raw: str) -> "Episode":
        """Strict: a record that cannot be read must not look like a new position."""
        record = parse_json_object(raw, "episode")
        steps = record.get("steps")
        if not isinstance(steps, dict):
            raise DecodeError("bad_steps", "steps", "steps: not an object")
        return cls(
            symbol=symbol,
            is_long=parse_bool(text_of(record.get("is_long")), "is_long"),
            entry_price=parse_decimal(text_of(record.get("entry_price")), "entry_price"),
            first_seen_ms=parse_int(text_of(record.get("first_seen_ms")), "first_seen_ms"),
            steps={parse_word(Action, word, "step"): _step(body) for word, body in steps.items()},
        )


def _step(body: object) -> Step:
    if not isinstance(body, dict):
        raise DecodeError("bad_steps", "steps", "steps: not an object")
    fields = Fields({name: text_of(value) for name, value in body.items()})
    return Step(
        attempt=fields.need_int("attempt"),
        plan_id=fields.need("plan_id"),
        proposed_at_ms=fields.need_int("proposed_at_ms"),
        done=fields.need_bool("done"),
    )
