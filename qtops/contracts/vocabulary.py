"""Closed word sets. Wire spellings are the operators' own and do not change."""

from enum import StrEnum


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


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


class GateName(StrEnum):
    """The three gates. The values are what `gate.decision` carries and audits report."""

    GOVERNOR = "governor"
    PORTFOLIO = "p26_portfolio_gate"
    POSITION = "p33_position_gate"


class Feeder(StrEnum):
    """Services before the gates: they decide in `gate.decision` too, and issue no permit."""

    HEAT_CALIBRATION = "heat_calibration"
    APPLY_LAYER = "apply_layer"
    INTENT_BRIDGE = "intent_bridge"


class TradingState(StrEnum):
    """ACTIVE: all orders. REDUCING: verified reductions only. HALTED: no automated order."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class GateMode(StrEnum):
    """Shadow records what it would have done; enforce does it."""

    SHADOW = "shadow"
    ENFORCE = "enforce"


class HeatBucket(StrEnum):
    """Heat of the portfolio as harvest calibration sees it. Hot lets a close through whole."""

    COLD = "COLD"
    WARM = "WARM"
    HOT = "HOT"
    UNKNOWN = "UNKNOWN"


class ApplyMode(StrEnum):
    """What the apply layer may ask for: nothing, or orders where only play money is at stake."""

    DRY_RUN = "dry_run"
    TESTNET = "testnet"


class Lane(StrEnum):
    """Which stream a plan came by. The manual lane is the operator's own."""

    AUTOMATED = "automated"
    MANUAL = "manual"


class FactName(StrEnum):
    """Every input a gate may ask for; see `qtops.contracts.facts`."""

    CONTROL = "control"
    ROLLOUT = "rollout"
    ALLOWLIST = "allowlist"
    FILTERS = "filters"
    POSITION = "position"
    BOOK = "book"
    MARK = "mark"
    PORTFOLIO = "portfolio"
    VOLATILITY = "volatility"
    CLUSTERS = "clusters"
    BUDGET = "budget"
    ALLOCATION = "allocation"
    RESERVATIONS = "reservations"
    TRADE_COOLDOWN = "trade_cooldown"
    EXEC_COOLDOWN = "exec_cooldown"
    HEAT_COOLDOWN = "heat_cooldown"
    OPEN_HISTORY = "open_history"
    RECONCILE_HOLD = "reconcile_hold"


class RiskClass(StrEnum):
    """What an operation may do to a host; the first changes nothing."""

    READ_ONLY = "READ_ONLY"
    LOW_RISK_CONFIG = "LOW_RISK_CONFIG"
    SERVICE_RESTART = "SERVICE_RESTART"
    FILESYSTEM_WRITE = "FILESYSTEM_WRITE"

    @property
    def writes(self) -> bool:
        return self is not RiskClass.READ_ONLY


class DenyReason(StrEnum):
    """Why a gate or the executor refused. The original's codes where it had one."""

    # control
    KILL_SWITCH_ACTIVE = "kill_switch_active"
    REDUCING_ONLY = "reducing_only"
    MODE_FORBIDS = "mode_forbids"
    KILL_EPOCH_CHANGED = "kill_epoch_changed"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    MANUAL_LANE_DISABLED = "manual_lane_disabled"
    # the plan itself
    UNDECODABLE_PLAN = "undecodable_plan"
    ORDER_TYPE_NOT_ALLOWED = "order_type_not_allowed"
    ACTION_CONTRADICTS_REDUCE_ONLY = "action_contradicts_reduce_only"
    ACTION_HOLD = "action_hold"
    PLAN_STALE = "plan_stale"
    SYMBOL_NOT_IN_ALLOWLIST = "symbol_not_in_allowlist"
    # intent bridge
    INTENT_STALE = "intent_stale"
    DUPLICATE_INTENT = "duplicate_intent"
    SHORT_NOT_ALLOWED = "short_not_allowed"
    EXPOSURE_LIMIT_EXCEEDED = "exposure_limit_exceeded"
    MIN_HOLD_ACTIVE = "min_hold_active"
    # governor
    ROLLOUT_EXCLUDED = "rollout_excluded"
    SYMBOL_COOLDOWN = "symbol_cooldown"
    MAX_POSITIONS_REACHED = "max_positions_reached"
    NOTIONAL_PER_TRADE_EXCEEDED = "notional_per_trade_exceeded"
    TOTAL_NOTIONAL_EXCEEDED = "total_notional_exceeded"
    HOURLY_LIMIT_EXCEEDED = "hourly_limit_exceeded"
    BURST_LIMIT_EXCEEDED = "burst_limit_exceeded"
    UNRESOLVED_ORDER = "unresolved_order"
    P28_BUDGET_VIOLATION = "p28_budget_violation"
    P28_BUDGET_UNKNOWN = "p28_budget_unknown"
    P29_ALLOCATION_CAP = "p29_allocation_cap"
    P29_ALLOCATION_UNKNOWN = "p29_allocation_unknown"
    # position gate
    NO_EXCHANGE_SNAPSHOT = "no_exchange_snapshot"
    STALE_EXCHANGE_STATE = "stale_exchange_state"
    POSITION_EXISTS = "position_exists"
    WOULD_FLIP = "would_flip"
    NO_POSITION = "no_position"
    CLOSE_SIDE_MISMATCH = "close_side_mismatch"
    RECONCILE_REQUIRED_SIDE_MISMATCH = "reconcile_required_side_mismatch"
    RECONCILE_REQUIRED_QTY_MISMATCH = "reconcile_required_qty_mismatch"
    COOLDOWN_IN_FLIGHT = "cooldown_in_flight"
    RECONCILE_HOLD_ACTIVE = "reconcile_hold_active"
    QUANTITY_BELOW_STEP = "quantity_below_step"
    # portfolio gate
    FAIL_CLOSED_PORTFOLIO_STATE = "fail_closed_portfolio_state"
    PORTFOLIO_RISK_OFF = "portfolio_risk_off"
    # inputs that could not be had (opens only)
    ALLOWLIST_UNKNOWN = "allowlist_unknown"
    POLICY_STALE = "policy_stale"
    EQUITY_UNKNOWN = "equity_unknown"
    LEDGER_UNKNOWN = "ledger_unknown"
    CONTROL_UNKNOWN = "control_unknown"
    ROLLOUT_UNKNOWN = "rollout_unknown"
    FILTERS_UNKNOWN = "filters_unknown"
    MARK_PRICE_UNAVAILABLE = "mark_price_unavailable"
    POSITIONS_UNKNOWN = "positions_unknown"
    RESERVATIONS_UNKNOWN = "reservations_unknown"
    COOLDOWN_UNKNOWN = "cooldown_unknown"
    HISTORY_UNKNOWN = "history_unknown"
    HOLD_UNKNOWN = "hold_unknown"
    # permits, as the executor sees them
    PERMIT_MISSING = "permit_missing"
    PERMIT_DENIED = "permit_denied"
    PERMIT_FORGED = "permit_forged"
    PERMIT_OTHER_PLAN = "permit_other_plan"
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_UNREADABLE = "permit_unreadable"
    # order building
    MIN_QUANTITY = "min_quantity"
    MIN_NOTIONAL = "min_notional"
    MAX_QUANTITY = "max_quantity"
    # apply layer
    APPLY_DRY_RUN = "dry_run"
    DUPLICATE_PLAN = "duplicate_plan"
    # a bug in a gate
    EVALUATION_ERROR = "evaluation_error"
