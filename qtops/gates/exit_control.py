"""Whether the exit monitor may publish: KILL before MODE before ROLLOUT before DEFAULT.

This holds the monitor's own exits only. Reductions of other producers are the gates' matter.
"""

from dataclasses import dataclass
from enum import StrEnum

from qtops.contracts.control import WHOLE_ROLLOUT_PCT, in_rollout
from qtops.contracts.facts import ControlState, Fact, Known
from qtops.contracts.vocabulary import GateMode, TradingState


class Level(StrEnum):
    """Who decided."""

    KILL = "KILL"
    MODE = "MODE"
    ROLLOUT = "ROLLOUT"
    DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether an exit is published, and the level that decided it."""

    allowed: bool
    decided_by: Level


def rule_exit(kill: Fact[ControlState], mode: GateMode, rollout_pct: int, symbol: str) -> Ruling:
    """The first level that has something to say.

    An unreadable kill switch means HALTED, as everywhere; REDUCING lets exits through. Below 100 %
    the rollout decides both ways, by the same stable hash as the rollout of opens.
    """
    if not isinstance(kill, Known) or kill.value.trading_state is TradingState.HALTED:
        return Ruling(allowed=False, decided_by=Level.KILL)
    if mode is GateMode.SHADOW:
        return Ruling(allowed=False, decided_by=Level.MODE)
    if rollout_pct < WHOLE_ROLLOUT_PCT:
        return Ruling(allowed=in_rollout(symbol, rollout_pct), decided_by=Level.ROLLOUT)
    return Ruling(allowed=True, decided_by=Level.DEFAULT)
