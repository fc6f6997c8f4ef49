"""Recorded decisions, made again: under the limits they were made with, and under others.

Each plan is judged on the facts as they were. What an earlier plan that is now refused would have
left for the later ones (reservations, positions, cooldowns) is not carried on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.gate_facts import GateFacts
from qtops.contracts.vocabulary import DenyReason, Effect, GateName
from qtops.errors import DecodeError
from qtops.gates.base import Gate
from qtops.gates.limits import limits_text, read_limits

ALLOWED: Final = "allow"


@dataclass(frozen=True, slots=True)
class Rules:
    """A gate, and the limits that it is to decide by."""

    gate: Gate[Any]
    limits: Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One recorded decision: what it was, and what it would be.

    `why_not` says why the record could not be reproduced; `would_be` means nothing then. `changed`
    names each limit that differs: (as recorded, as asked for).
    """

    plan_id: str
    symbol: str
    effect: Effect
    gate: GateName
    at_ms: int
    was: Decision
    would_be: Decision
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    why_not: str = ""

    @property
    def is_flip(self) -> bool:
        """Yes becomes no, or no becomes yes."""
        return not self.why_not and isinstance(self.was, Allow) != isinstance(self.would_be, Allow)

    @property
    def is_changed(self) -> bool:
        """The answer, the quantity, the terms or the reason differ; the words may."""
        return not self.why_not and _essence(self.was) != _essence(self.would_be)

    @property
    def is_exit(self) -> bool:
        return self.effect is not Effect.OPEN

    @property
    def reason(self) -> str:
        """The reason of the refusal that is new, or that falls away."""
        return reason_of(self.would_be if isinstance(self.would_be, Deny) else self.was)


def reason_of(decision: Decision) -> str:
    """The reason of a refusal; `allow` for a yes."""
    return ALLOWED if isinstance(decision, Allow) else decision.reason.value


def _essence(decision: Decision) -> tuple[object, ...]:
    if isinstance(decision, Allow):
        return decision.quantity, dict(decision.terms)
    return (decision.reason,)


def judge(record: GateFacts, rules: Rules) -> Verdict:
    """Decide it again, twice."""
    plan, would_be = record.plan, _decide(record, rules.gate, rules.limits)
    head = (plan.plan_id, plan.symbol, plan.effect, record.gate, record.now_ms, record.decision)
    try:
        limits = read_limits(type(rules.limits), record.limits)
    except DecodeError as error:
        return Verdict(*head, would_be, why_not=f"its limits: {error.message}")
    again = _decide(record, rules.gate, limits)
    if again != record.decision:
        return Verdict(*head, would_be, why_not=f"decided again it is {_words(again)}")
    asked = limits_text(rules.limits)
    kept = limits_text(limits)
    changed = {name: (kept[name], asked[name]) for name in asked if kept[name] != asked[name]}
    return Verdict(*head, would_be, changed)


def _decide(record: GateFacts, gate: Gate[Any], limits: Any) -> Decision:
    """As the gate's service does: a gate that raises refuses."""
    try:
        return gate.decide(record.plan, record.facts, record.now_ms, limits)
    except Exception as error:  # noqa: BLE001  whatever a gate raises, it is a refusal
        return Deny(DenyReason.EVALUATION_ERROR, type(error).__name__)


def _words(decision: Decision) -> str:
    if isinstance(decision, Allow):
        return f"allow {decision.quantity} {dict(decision.terms)}"
    return f"{decision.reason.value} ({decision.detail})"


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the decisions, oldest first."""

    read: int
    changed: tuple[Verdict, ...]
    not_reproducible: tuple[Verdict, ...]
    limits: Mapping[str, tuple[str, str]]

    @property
    def flips(self) -> tuple[Verdict, ...]:
        return tuple(v for v in self.changed if v.is_flip)

    @property
    def flipped_opens(self) -> int:
        return len({v.plan_id for v in self.flips if not v.is_exit})

    @property
    def flipped_exits(self) -> int:
        return len({v.plan_id for v in self.flips if v.is_exit})

    def by_reason(self) -> dict[str, int]:
        """Flips by reason, most first."""
        return dict(Counter(v.reason for v in self.flips).most_common())


def summary(verdicts: Iterable[Verdict]) -> Replay:
    """All verdicts together."""
    read, changed, others = 0, [], []
    recorded: dict[str, set[str]] = {}
    asked: dict[str, str] = {}
    for verdict in verdicts:
        read += 1
        for name, (was, is_now) in verdict.changed.items():
            recorded.setdefault(f"{verdict.gate.value}.{name}", set()).add(was)
            asked[f"{verdict.gate.value}.{name}"] = is_now
        if verdict.why_not:
            others.append(verdict)
        elif verdict.is_changed:
            changed.append(verdict)
    limits = {name: (", ".join(sorted(was)), asked[name]) for name, was in sorted(recorded.items())}
    return Replay(read, _oldest_first(changed), _oldest_first(others), limits)


def _oldest_first(verdicts: list[Verdict]) -> tuple[Verdict, ...]:
    return tuple(sorted(verdicts, key=lambda v: v.at_ms))
