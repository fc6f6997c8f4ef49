"""What a gate is: a table of checks over facts, and what to grant when none of them objects.

Reading `checks=(…)` is reading the policy: first denial wins, an empty table is an error, and a
check never sees a fact that is missing or too old. What an absent fact does is said in the row that
needs it, so the polarity table in docs/gates.md is these rows, rendered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.facts import Facts, Known, Missing
from qtops.contracts.plan import Plan
from qtops.contracts.vocabulary import DenyReason, Effect, FactName, GateName

L_contra = TypeVar("L_contra", contravariant=True)
V = TypeVar("V")

# Clocks that meet in Redis agree to the millisecond; an observation from the future beyond this
# is not an observation.
FUTURE_TOLERANCE_MS = 1_000

OPENS = frozenset({Effect.OPEN})
REDUCTIONS = frozenset({Effect.REDUCE, Effect.CLOSE})
ALL = OPENS | REDUCTIONS


@dataclass(frozen=True, slots=True)
class Need(Generic[L_contra]):
    """A fact that a check rests on, and what its absence means.

    An absent fact blocks opens, always. It blocks reductions only if it is what *verifies* them
    (`verifies=True`); otherwise the check is skipped for them.

    Args:
        fact: the input.
        missing: the reason when it is absent or unreadable.
        stale: the reason when it is older than `max_age_ms`; defaults to `missing`.
        max_age_ms: the oldest usable age, from the limits; None where age has no meaning.
        verifies: whether a reduction is unverified without it.
        binds: whether the limits make it binding; None is always. Where it does not bind, its
            absence skips the check.

    """

    fact: FactName
    missing: DenyReason
    stale: DenyReason | None = None
    max_age_ms: Callable[[L_contra], int] | None = None
    verifies: bool = False
    binds: Callable[[L_contra], bool] | None = None

    def absence(self, facts: Facts, now_ms: int, limits: L_contra) -> Deny | None:
        """Why the fact cannot be used; None when it can."""
        reading: Known[object] | Missing = getattr(facts, self.fact.value)
        if isinstance(reading, Missing):
            return Deny(self.missing, f"{self.fact.value} {reading.why}")
        if self.max_age_ms is None:
            return None
        age_ms = now_ms - reading.observed_at_ms
        limit_ms = self.max_age_ms(limits)
        if -FUTURE_TOLERANCE_MS <= age_ms <= limit_ms:
            return None
        detail = f"{self.fact.value} is {age_ms} ms old, limit {limit_ms} ms"
        return Deny(self.stale or self.missing, detail)

    def blocks(self, effect: Effect) -> bool:
        return effect is Effect.OPEN or self.verifies


Rule = Callable[[Plan, Facts, int, L_contra], Deny | None]


@dataclass(frozen=True, slots=True)
class Check(Generic[L_contra]):
    """One rule, the effects it applies to, and the facts it needs."""

    rule: Rule[L_contra]
    applies: frozenset[Effect]
    needs: tuple[Need[L_contra], ...] = ()

    @property
    def name(self) -> str:
        return self.rule.__name__


Grant = Callable[[Plan, Facts, int, L_contra], Decision]


@dataclass(frozen=True, slots=True)
class Gate(Generic[L_contra]):
    """A named table of checks. `decide` is the only way in; it has no side effect.

    `advice` lists what `grant` uses to shape a reduction and goes on without; `fallbacks` what has
    a stand-in for every plan, opens too.
    """

    name: GateName
    checks: tuple[Check[L_contra], ...]
    grant: Grant[L_contra]
    advice: tuple[Need[L_contra], ...] = ()
    fallbacks: tuple[Need[L_contra], ...] = ()

    def __post_init__(self) -> None:
        if not self.checks:
            message = f"gate {self.name} has no checks; it would allow everything"
            raise ValueError(message)

    def decide(self, plan: Plan, facts: Facts, now_ms: int, limits: L_contra) -> Decision:
        """Allow or Deny `plan`, given `facts` at `now_ms` (UTC ms, Redis server's clock)."""
        denial = first_denial(self.checks, plan, facts, now_ms, limits)
        if denial is not None:
            return denial
        decision = self.grant(plan, facts, now_ms, limits)
        if isinstance(decision, Allow) and decision.quantity <= 0:
            return Deny(DenyReason.QUANTITY_BELOW_STEP, f"quantity {decision.quantity}")
        return decision

    @property
    def facts(self) -> frozenset[FactName]:
        """Every fact the gate may ask for; what its service has to gather."""
        checked = (need for check in self.checks for need in check.needs)
        return frozenset(need.fact for need in (*self.advice, *self.fallbacks, *checked))

    def without(self, check: Check[L_contra]) -> "Gate[L_contra]":
        """The same gate lacking one check; tests use it to show that each one earns its place."""
        rest = tuple(c for c in self.checks if c is not check)
        return Gate(self.name, rest, self.grant, self.advice, self.fallbacks)

    def polarity(self) -> Iterator[tuple[FactName, Effect, DenyReason | None, bool]]:
        """Rows (fact, effect, reason or None for "goes on", has an age limit)."""
        for check in self.checks:
            for need in check.needs:
                for effect in Effect:
                    if effect in check.applies:
                        reason = need.missing if need.blocks(effect) else None
                        yield need.fact, effect, reason, need.max_age_ms is not None
        goes_on = [(need, effect) for need in self.fallbacks for effect in Effect]
        goes_on += [(need, e) for need in self.advice for e in (Effect.REDUCE, Effect.CLOSE)]
        for need, effect in goes_on:
            yield need.fact, effect, None, need.max_age_ms is not None


def first_denial(
    checks: tuple[Check[L_contra], ...],
    plan: Plan,
    facts: Facts,
    now_ms: int,
    limits: L_contra,
) -> Deny | None:
    """The first objection of a table to `plan`; None when it has none."""
    for check in checks:
        if plan.effect not in check.applies:
            continue
        denial, skip = _absences(check, plan.effect, facts, now_ms, limits)
        if denial is None and not skip:
            denial = check.rule(plan, facts, now_ms, limits)
        if denial is not None:
            return denial
    return None


def _absences(
    check: Check[L_contra],
    effect: Effect,
    facts: Facts,
    now_ms: int,
    limits: L_contra,
) -> tuple[Deny | None, bool]:
    """(denial, whether to skip the check) by what the check needs and cannot have."""
    skip = False
    for need in check.needs:
        absent = need.absence(facts, now_ms, limits)
        if absent is None:
            continue
        if need.blocks(effect) and (need.binds is None or need.binds(limits)):
            return absent, False
        skip = True
    return None, skip


def known(reading: Known[V] | Missing) -> V:
    """The value of a fact that the check's needs have already established."""
    if isinstance(reading, Missing):
        message = f"a check read a fact it does not need: {reading.why}"
        raise LookupError(message)  # noqa: TRY004  a missing fact is no type error
    return reading.value
