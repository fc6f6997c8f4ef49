"""Closed word sets. Wire spellings are the operators' own and do not change."""

from enum import StrEnum


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class Action(StrEnum):
    """What a plan proposes. The PARTIAL numbers are per cent of the position."""

    ENTRY_PROPOSED = "ENTRY_PROPOSED"
    FULL_CLOSE_PROPOSED = "FULL_CLOSE_PROPOSED"
    PARTIAL_75 = "PARTIAL_75"
    PARTIAL_50 = "PARTIAL_50"
    PARTIAL_25 = "PARTIAL_25"
    RECONCILE_CLOSE = "RECONCILE_CLOSE"
    HOLD = "HOLD"


class PlanDecision(StrEnum):
    """A plan's own verdict about itself. Only the first two ask for an order."""

    EXECUTE = "EXECUTE"
    RECONCILE_CLOSE = "RECONCILE_CLOSE"
    SKIP = "SKIP"
    BLOCKED = "BLOCKED"
    ERROR = "ERROR"

    @property
    def wants_order(self) -> bool:
        return self in {PlanDecision.EXECUTE, PlanDecision.RECONCILE_CLOSE}


class Effect(StrEnum):
    """What a plan does to exposure; decides which rules apply to it."""

    OPEN = "open"
    REDUCE = "reduce"
    CLOSE = "close"

    @property
    def is_reduction(self) -> bool:
        return self is not Effect.OPEN


class GateName(StrEnum):
    """The three gates. The values are what `gate.decision` carries and audits report."""

    GOVERNOR = "governor"
    PORTFOLIO = "p26_portfolio_gate"
    POSITION = "p33_position_gate"


class TradingState(StrEnum):
    """ACTIVE: all orders. REDUCING: verified reductions only. HALTED: no automated order."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class GateMode(StrEnum):
    SHADOW = "shadow"
    ENFORCE = "enforce"


class Lane(StrEnum):
    """Which stream a plan came by. The manual lane is the operator's own."""

    AUTOMATED = "automated"
    MANUAL = "manual"


class FactName(StrEnum):
    """Every input a gate may ask for; see `qtops.contracts.facts`."""

    CONTROL = "control"
    ALLOWLIST = "allowlist"
    FILTERS = "filters"
    POSITION = "position"
    BOOK = "book"
    MARK = "mark"
    PORTFOLIO = "portfolio"
    VOLATILITY = "volatility"
    RESERVATIONS = "reservations"
    COOLDOWN = "cooldown"
    OPEN_HISTORY = "open_history"
    RECONCILE_HOLD = "reconcile_hold"
