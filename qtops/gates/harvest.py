"""The harvest kernel: R ladder and kill score of one position. Source: DOMAIN §2.10.

    risk_unit = entry * STOP_PCT                     quote per unit of base
    cost      = entry * COST_BPS / 10000             quote per unit of base
    R_net     = ((mark - entry) * side - cost) / risk_unit
    R_net >= 2, 4, 6  ->  PARTIAL_25, PARTIAL_50, PARTIAL_75;  >= 1.5 proposes a break-even stop
    K = sigmoid(1.0 * flip + 0.5 * min(spike, 2) + 0.5 * min(ts_drop, 0.5) + 0.3 * min(age/24h, 1))
    K >= KILL  ->  FULL_CLOSE_PROPOSED

K lies between 0.5 (calm, new) and 0.9276; a flip alone makes it 0.7311. A component that is not
known counts nothing and is named: it can make a close smaller or later, never larger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from qtops.contracts.episode import Episode, PlanFate, Step
from qtops.contracts.facts import Position
from qtops.contracts.harvest import HarvestProposal
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import Action
from qtops.gates.regime import Regime

ONE = Decimal(1)
DAY_MS = Decimal(86_400_000)
LADDER = (
    (Decimal(6), Action.PARTIAL_75),
    (Decimal(4), Action.PARTIAL_50),
    (Decimal(2), Action.PARTIAL_25),
)
BREAK_EVEN_R = Decimal("1.5")
BREAK_EVEN_PCT = Decimal("0.002")
# component → (weight, cap)
WEIGHTS = {
    "k_regime_flip": (ONE, ONE),
    "k_sigma_spike": (Decimal("0.5"), Decimal(2)),
    "k_ts_drop": (Decimal("0.5"), Decimal("0.5")),
    "k_age_penalty": (Decimal("0.3"), ONE),
}
_RANK = {Action.PARTIAL_25: 1, Action.PARTIAL_50: 2, Action.PARTIAL_75: 3}
# What is written is short; decisions are made on the whole number.
_PLACES = 8
_BRIEF = Context(prec=12)


@dataclass(frozen=True, slots=True)
class HarvestLimits:
    """`retry_ms` is the first pause before another attempt; it doubles up to `retry_most_ms`."""

    stop_pct: Decimal = Decimal("0.02")
    cost_bps: Decimal = Decimal(10)
    kill_threshold: Decimal = Decimal("0.6")
    retry_ms: int = 300_000
    retry_most_ms: int = 900_000


def kill_score(components: Mapping[str, Decimal]) -> Decimal:
    """K of raw components (flip, spike, drop, age in days), each capped and weighted."""
    total = sum((part for part in weighted(components).values()), ZERO)
    return ONE / (ONE + (-total).exp())


def weighted(components: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What each component adds; a negative one adds nothing."""
    parts = {}
    for name, value in components.items():
        weight, cap = WEIGHTS[name]
        parts[name] = weight * min(max(value, ZERO), cap)
    return parts


def r_net(position: Position, limits: HarvestLimits) -> Decimal:
    """Profit after cost in units of the risk taken; all per unit of base."""
    entry = position.entry_price
    move = position.mark_price - entry
    profit = move if position.amount > ZERO else -move
    cost = entry * limits.cost_bps / 10_000
    return (profit - cost) / (entry * limits.stop_pct)


def ladder_step(r: Decimal) -> Action:
    """The highest step that R has reached."""
    return next((action for least, action in LADDER if r >= least), Action.HOLD)


def break_even_stop(position: Position, r: Decimal) -> Decimal | None:
    """A stop at the entry and a little more, from 1.5 R on. Reported only."""
    if r < BREAK_EVEN_R:
        return None
    side = ONE if position.amount > ZERO else -ONE
    return position.entry_price * (ONE + side * BREAK_EVEN_PCT)


def assess(
    episode: Episode,
    position: Position,
    regime: Regime | str,
    now_ms: int,
    limits: HarvestLimits,
) -> HarvestProposal:
    """What the kernel thinks of a position whose prices are known, before any identity."""
    components = {"k_age_penalty": Decimal(max(0, now_ms - episode.first_seen_ms)) / DAY_MS}
    reasons: list[str] = []
    if isinstance(regime, Regime):
        components |= {
            "k_regime_flip": regime.flip,
            "k_sigma_spike": regime.sigma_spike,
            "k_ts_drop": regime.ts_drop,
        }
    else:
        reasons.append(f"klines_{regime}")
    score, r = kill_score(components), r_net(position, limits)
    action = ladder_step(r)
    if score >= limits.kill_threshold:
        action = Action.FULL_CLOSE_PROPOSED
        reasons.append("kill_score")
    elif action is not Action.HOLD:
        reasons.append("r_ladder")
    entry = position.entry_price
    return HarvestProposal(
        plan_id="",
        trace_id="",
        symbol=episode.symbol,
        action=action,
        position_amt=position.amount,
        entry_price=entry,
        mark_price=position.mark_price,
        r_net=_BRIEF.plus(r),
        risk_unit=_BRIEF.plus(entry * limits.stop_pct),
        cost_est=_BRIEF.plus(entry * limits.cost_bps / 10_000),
        kill_score=round(score, _PLACES),
        computed_at_ms=now_ms,
        components={name: round(part, _PLACES) for name, part in weighted(components).items()},
        reason_codes=tuple(reasons),
        new_sl_proposed=break_even_stop(position, r),
    )


def next_attempt(
    episode: Episode, action: Action, fate: PlanFate, now_ms: int, limits: HarvestLimits
) -> int | str:
    """The number of the attempt to make now, or why none is made.

    A filled ladder step, and every step below it, is over. A full close is over when the position
    is: what a gate left of it is proposed again. An attempt that came to nothing is repeated after
    a pause that doubles; how often is not limited, because a way out must not close for good.
    """
    last = episode.steps.get(action)
    if action is Action.HOLD:
        return "hold"
    if action in _RANK and _RANK[action] <= _highest_done(episode):
        return "step_executed"
    if last is None:
        return 1
    if fate is PlanFate.OPEN:
        return "attempt_open"
    doublings = min(last.attempt - 1, 20)
    pause_ms = min(limits.retry_ms * 2**doublings, limits.retry_most_ms)
    if now_ms - last.proposed_at_ms < pause_ms:
        return "retry_later"
    return last.attempt + 1


def _highest_done(episode: Episode) -> int:
    return max((_RANK.get(a, 0) for a, step in episode.steps.items() if step.done), default=0)


def settle_steps(episode: Episode, fates: Mapping[str, PlanFate]) -> Episode:
    """The episode with what is known now of its attempts; a step once done stays done."""
    for action, step in episode.steps.items():
        if not step.done and fates.get(step.plan_id) is PlanFate.EXECUTED:
            done = Step(step.attempt, step.plan_id, step.proposed_at_ms, done=True)
            episode = episode.with_step(action, done)
    return episode
