"""Heat calibration: how much of a proposed full close the portfolio's heat lets through.

    heat = sum of |notional| * sigma / equity        sigma: daily, of log returns
    COLD < HEAT_MIN <= WARM < HEAT_MAX <= HOT
    COLD: full close -> PARTIAL_25   WARM: full close -> PARTIAL_75   HOT: as proposed

Source: DOMAIN §2.3(b). There a missing input counted as COLD, which shrinks a close: here it
passes unchanged, because a missing input never holds a reduction back. So does a kill score at or
above the hard one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.facts import Fact, Missing, Portfolio
from qtops.contracts.harvest import CalibratedProposal, HarvestProposal
from qtops.contracts.values import ZERO
from qtops.contracts.vocabulary import Action, GateMode, HeatBucket

_SHRUNK = {HeatBucket.COLD: Action.PARTIAL_25, HeatBucket.WARM: Action.PARTIAL_75}
_PLACES = 8
_HOTTEST = Decimal(1_000_000)  # a tiny equity makes any number; more says no more


@dataclass(frozen=True, slots=True)
class HeatLimits:
    """Bounds of the buckets, and how old what they are computed from may be."""

    mode: GateMode = GateMode.SHADOW
    heat_min: Decimal = Decimal("0.25")
    heat_max: Decimal = Decimal("0.65")
    hard_kill_score: Decimal = Decimal("0.85")
    max_input_age_ms: int = 30_000
    max_volatility_age_ms: int = 1_800_000


@dataclass(frozen=True, slots=True)
class HeatFacts:
    """One reading of the portfolio."""

    now_ms: int
    portfolio: Fact[Portfolio]
    volatility: Fact[Mapping[str, Decimal]]


def portfolio_heat(facts: HeatFacts, limits: HeatLimits) -> Decimal | str:
    """Heat, or which input is missing. Equity is read or missing; there is no fallback."""
    portfolio, volatility = facts.portfolio, facts.volatility
    if isinstance(portfolio, Missing):
        return f"portfolio {portfolio.why}"
    if isinstance(volatility, Missing):
        return f"volatility {volatility.why}"
    if facts.now_ms - portfolio.observed_at_ms > limits.max_input_age_ms:
        return "portfolio stale"
    if facts.now_ms - volatility.observed_at_ms > limits.max_volatility_age_ms:
        return "volatility stale"
    return _heat(portfolio.value, volatility.value)


def _heat(portfolio: Portfolio, sigma: Mapping[str, Decimal]) -> Decimal | str:
    equity = portfolio.equity_usdt
    if equity is None or equity <= ZERO:
        return "equity absent"
    held = {s: p for s, p in portfolio.positions.items() if p.amount != ZERO}
    gaps = sorted(s for s, p in held.items() if s not in sigma or p.mark_price <= ZERO)
    if gaps:
        return f"no volatility or mark for {', '.join(gaps[:5])}"
    at_risk = sum((abs(p.amount) * p.mark_price * sigma[s] for s, p in held.items()), ZERO)
    return min(at_risk / equity, _HOTTEST)


def bucket_of(heat: Decimal, limits: HeatLimits) -> HeatBucket:
    """Each bound belongs to the hotter bucket."""
    if heat < limits.heat_min:
        return HeatBucket.COLD
    return HeatBucket.WARM if heat < limits.heat_max else HeatBucket.HOT


def calibrate(
    proposal: HarvestProposal, facts: HeatFacts, limits: HeatLimits
) -> CalibratedProposal:
    """The proposal with its calibrated action; the reason says what decided."""
    heat = portfolio_heat(facts, limits)
    bucket = bucket_of(heat, limits) if isinstance(heat, Decimal) else HeatBucket.UNKNOWN
    action = proposal.action
    if isinstance(heat, str):
        reason = f"missing_inputs: {heat}"
    elif action is not Action.FULL_CLOSE_PROPOSED:
        reason = "not_a_full_close"
    elif proposal.kill_score >= limits.hard_kill_score:
        reason = "kill_score_hard"
    else:
        action = _SHRUNK.get(bucket, action)
        reason = f"{bucket.value.lower()}_{action.value.lower()}"
    return CalibratedProposal(
        proposal=proposal,
        calibrated_action=action,
        heat_value=round(heat, _PLACES) if isinstance(heat, Decimal) else None,
        bucket=bucket,
        mode=limits.mode,
        reason=reason,
        timestamp_ms=facts.now_ms,
    )
