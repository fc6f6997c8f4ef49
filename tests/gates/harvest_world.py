"""A calm world for the harvest chain: a long of 10 at 100, nothing moving."""

from dataclasses import replace
from decimal import Decimal

from qtops.contracts.episode import Episode
from qtops.contracts.facts import Known, Portfolio, Position
from qtops.contracts.harvest import CalibratedProposal, HarvestProposal
from qtops.contracts.market import INTERVAL_MS, Kline
from qtops.contracts.vocabulary import Action, GateMode, HeatBucket
from qtops.gates.heat import HeatFacts

D = Decimal
NOW = 1_770_000_000_000
EPISODE = Episode("BTCUSDT", is_long=True, entry_price=D(100), first_seen_ms=NOW)
PROPOSAL = HarvestProposal(
    plan_id="harvest-BTCUSDT-x-full-1",
    trace_id="harvest-BTCUSDT-x-full",
    symbol="BTCUSDT",
    action=Action.FULL_CLOSE_PROPOSED,
    position_amt=D(10),
    entry_price=D(100),
    mark_price=D(101),
    r_net=D("0.45"),
    risk_unit=D(2),
    cost_est=D("0.1"),
    kill_score=D("0.7"),
    computed_at_ms=NOW,
    components={"k_regime_flip": D(1), "k_age_penalty": D("0.1")},
    reason_codes=("kill_score",),
)
CALIBRATED = CalibratedProposal(
    PROPOSAL, Action.PARTIAL_25, D("0.1"), HeatBucket.COLD, GateMode.SHADOW, "cold", NOW
)


def proposal(**changes):
    return replace(PROPOSAL, **changes)


def calibrated(**changes):
    return replace(CALIBRATED, **changes)


def long_at(mark, entry=100, amount=10):
    return Position(D(amount), D(entry), D(mark))


def klines(closes, end_ms=NOW):
    first = end_ms - len(closes) * INTERVAL_MS
    return [Kline(first + i * INTERVAL_MS, D(c)) for i, c in enumerate(closes)]


def heat_facts(equity=1_000, sigma="0.1", amount=10, price=100, now_ms=NOW):
    """Heat is amount * price * sigma / equity: 0.1 as it stands."""
    portfolio = Portfolio(
        {"BTCUSDT": Position(D(amount), D(price), D(price))},
        None if equity is None else D(equity),
    )
    return HeatFacts(now_ms, Known(portfolio, NOW), Known({"BTCUSDT": D(sigma)}, NOW))
