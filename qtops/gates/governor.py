"""Governor (P3.2): limits on opening. Closes bypass every cap.

Caps hold on the position *after* the trade plus everything in flight, buys and sells apart:
for each symbol the worst case is max(long + open buys, short + open sells), valued at the mark. A
held position does not offset an order against it: a close may be filling right now.
Source: EXECUTION, "Caps under concurrency" and "Quantity".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.control import Mode, in_rollout
from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.facts import Facts, Known, Reservation
from qtops.contracts.plan import Plan
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.vocabulary import DenyReason, FactName, GateMode, GateName, Lane, Side
from qtops.gates.base import ALL, OPENS, Check, Gate, Need, known
from qtops.gates.common import COMMON_CHECKS

HOUR_MS = 3_600_000
BURST_WINDOW_MS = 300_000


@dataclass(frozen=True, slots=True)
class GovernorLimits:
    """Notional in USDT, times in ms. A limit of n lets n pass and refuses n + 1."""

    max_open_positions: int = 10
    max_notional_per_trade_usdt: Decimal = Decimal(200)
    max_total_notional_usdt: Decimal = Decimal(2000)
    symbol_cooldown_ms: int = 60_000
    max_opens_per_hour: int = 3
    max_opens_per_5min: int = 2
    max_input_age_ms: int = 10_000
    budget_mode: GateMode = GateMode.SHADOW
    allocation_mode: GateMode = GateMode.SHADOW
    max_budget_age_ms: int = 60_000


def _age(limits: GovernorLimits) -> int:
    return limits.max_input_age_ms


def _budget_age(limits: GovernorLimits) -> int:
    return limits.max_budget_age_ms


def _budget_binds(limits: GovernorLimits) -> bool:
    return limits.budget_mode is GateMode.ENFORCE


def _allocation_binds(limits: GovernorLimits) -> bool:
    return limits.allocation_mode is GateMode.ENFORCE


_CONTROL: Need[GovernorLimits] = Need(FactName.CONTROL, DenyReason.CONTROL_UNKNOWN, verifies=True)
_ROLLOUT: Need[GovernorLimits] = Need(FactName.ROLLOUT, DenyReason.ROLLOUT_UNKNOWN)
_PORTFOLIO: Need[GovernorLimits] = Need(
    FactName.PORTFOLIO, DenyReason.POSITIONS_UNKNOWN, max_age_ms=_age
)
_MARK: Need[GovernorLimits] = Need(
    FactName.MARK, DenyReason.MARK_PRICE_UNAVAILABLE, max_age_ms=_age
)
_RESERVATIONS: Need[GovernorLimits] = Need(FactName.RESERVATIONS, DenyReason.RESERVATIONS_UNKNOWN)
_COOLDOWN: Need[GovernorLimits] = Need(FactName.TRADE_COOLDOWN, DenyReason.COOLDOWN_UNKNOWN)
_HISTORY: Need[GovernorLimits] = Need(FactName.OPEN_HISTORY, DenyReason.HISTORY_UNKNOWN)
_BUDGET: Need[GovernorLimits] = Need(
    FactName.BUDGET,
    DenyReason.P28_BUDGET_UNKNOWN,
    max_age_ms=_budget_age,
    binds=_budget_binds,
)
_ALLOCATION: Need[GovernorLimits] = Need(
    FactName.ALLOCATION,
    DenyReason.P29_ALLOCATION_UNKNOWN,
    max_age_ms=_budget_age,
    binds=_allocation_binds,
)


def live_reservations(
    plan: Plan, facts: Facts, now_ms: int, *, include_reductions: bool = False
) -> list[Reservation]:
    """Other plans' capacity that still counts: not expired, and not yet visible as a position."""
    seen_until_ms = facts.portfolio.observed_at_ms if isinstance(facts.portfolio, Known) else -1
    return [
        r
        for r in known(facts.reservations).by_plan.values()
        if r.plan_id != plan.plan_id
        and (include_reductions or not r.reduce_only)
        and _counts(r, now_ms, seen_until_ms)
    ]


def spent_reservations(facts: Facts, now_ms: int) -> dict[str, str]:
    """Reservations that no longer count: plan id → state. Nothing when the inputs are missing."""
    if not isinstance(facts.reservations, Known):
        return {}
    seen_until_ms = facts.portfolio.observed_at_ms if isinstance(facts.portfolio, Known) else -1
    return {
        r.plan_id: r.state
        for r in facts.reservations.value.by_plan.values()
        if not _counts(r, now_ms, seen_until_ms)
    }


def _counts(reservation: Reservation, now_ms: int, seen_until_ms: int) -> bool:
    if reservation.state == "issued":
        return now_ms < reservation.expires_at_ms
    if reservation.state == "filled":
        return seen_until_ms <= reservation.filled_at_ms
    return True


def mode_lets_orders_out(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """DRY_RUN is the mode in which no order leaves at all; the executor checks the venue too."""
    mode = known(facts.control).mode
    if mode.strip().upper() == Mode.DRY_RUN:
        return Deny(DenyReason.MODE_FORBIDS, mode)
    return None


def symbol_rolled_out(plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits) -> Deny | None:
    """Automated opens only in symbols of the rollout; an operator's own open is not automated."""
    pct = known(facts.rollout)
    if plan.lane is not Lane.MANUAL and not in_rollout(plan.symbol, pct):
        return Deny(DenyReason.ROLLOUT_EXCLUDED, f"not among the first {pct} %")
    return None


def nothing_unresolved(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """An order of unknown outcome blocks opens of its symbol until evidence settles it."""
    for r in live_reservations(plan, facts, now_ms, include_reductions=True):
        if r.symbol == plan.symbol and r.state == "unknown":
            return Deny(DenyReason.UNRESOLVED_ORDER, f"plan {r.plan_id}")
    return None


def symbol_cooled_down(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """One open a symbol per cooldown; one that is still in flight counts as just done."""
    if any(r.symbol == plan.symbol for r in live_reservations(plan, facts, now_ms)):
        return Deny(DenyReason.SYMBOL_COOLDOWN, "another open of this symbol is in flight")
    last_ms = known(facts.trade_cooldown)
    if last_ms is not None and now_ms - last_ms < limits.symbol_cooldown_ms:
        left_ms = limits.symbol_cooldown_ms - (now_ms - last_ms)
        return Deny(DenyReason.SYMBOL_COOLDOWN, f"{left_ms} ms left")
    return None


def trade_within_notional(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """Quantity * mark may not exceed the cap for one trade."""
    if known(facts.mark) <= ZERO:
        return Deny(DenyReason.MARK_PRICE_UNAVAILABLE, "mark is not above zero")
    notional = plan.quantity * known(facts.mark)
    if notional > limits.max_notional_per_trade_usdt:
        return Deny(
            DenyReason.NOTIONAL_PER_TRADE_EXCEEDED,
            f"{_usdt(notional)} > {_usdt(limits.max_notional_per_trade_usdt)} USDT",
        )
    return None


def position_count_within(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """Symbols with exposure after the trade and all reservations may not exceed the cap."""
    symbols = {s for s, p in known(facts.portfolio).positions.items() if p.amount != ZERO}
    symbols |= {r.symbol for r in live_reservations(plan, facts, now_ms)}
    if len(symbols | {plan.symbol}) > limits.max_open_positions:
        return Deny(
            DenyReason.MAX_POSITIONS_REACHED,
            f"{len(symbols)} open or reserved, limit {limits.max_open_positions}",
        )
    return None


def total_within_notional(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """The worst case over all symbols, valued at the mark, may not exceed the total cap."""
    positions = known(facts.portfolio).positions
    unpriced = [s for s, p in positions.items() if p.amount != ZERO and p.mark_price <= ZERO]
    if unpriced:
        return Deny(DenyReason.POSITIONS_UNKNOWN, f"no mark price for {min(unpriced)}")
    total = total_exposure_usdt(plan, facts, now_ms)
    if total > limits.max_total_notional_usdt:
        return Deny(
            DenyReason.TOTAL_NOTIONAL_EXCEEDED,
            f"{_usdt(total)} > {_usdt(limits.max_total_notional_usdt)} USDT",
        )
    return None


def total_exposure_usdt(plan: Plan, facts: Facts, now_ms: int) -> Decimal:
    """Sum over symbols of the worst-case absolute position after `plan` and reservations, USDT."""
    positions = known(facts.portfolio).positions
    reservations = live_reservations(plan, facts, now_ms)
    prices = {symbol: position.mark_price for symbol, position in positions.items()}
    for r in reservations:
        price = r.notional_usdt / r.quantity
        prices[r.symbol] = max(prices.get(r.symbol, ZERO), price)
    prices[plan.symbol] = known(facts.mark)
    in_flight = [(r.symbol, r.side, r.quantity) for r in reservations]
    in_flight.append((plan.symbol, plan.side, plan.quantity))
    total = ZERO
    for symbol, price in prices.items():
        held = positions[symbol].amount if symbol in positions else ZERO
        total += _worst_case(held, ((s, q) for name, s, q in in_flight if name == symbol)) * price
    return total


def symbol_within_budget(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """In enforce mode the symbol's position, reservations and this open stay within its budget."""
    return _over_budget(plan, facts, now_ms) if _budget_binds(limits) else None


def symbol_within_allocation(
    plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits
) -> Deny | None:
    """In enforce mode the same sum stays within the symbol's allocation target."""
    return _over_target(plan, facts, now_ms) if _allocation_binds(limits) else None


def _over_budget(plan: Plan, facts: Facts, now_ms: int) -> Deny | None:
    over = _excess(plan, facts, now_ms, known(facts.budget))
    return Deny(DenyReason.P28_BUDGET_VIOLATION, over) if over else None


def _over_target(plan: Plan, facts: Facts, now_ms: int) -> Deny | None:
    over = _excess(plan, facts, now_ms, known(facts.allocation))
    return Deny(DenyReason.P29_ALLOCATION_CAP, over) if over else None


def _excess(plan: Plan, facts: Facts, now_ms: int, limit_usdt: Decimal) -> str:
    exposure = symbol_exposure_usdt(plan, facts, now_ms)
    return f"{_usdt(exposure)} > {_usdt(limit_usdt)} USDT" if exposure > limit_usdt else ""


def symbol_exposure_usdt(plan: Plan, facts: Facts, now_ms: int) -> Decimal:
    """The worst-case absolute position of the plan's symbol, valued at the mark, USDT."""
    position = known(facts.portfolio).positions.get(plan.symbol)
    in_flight = [
        (r.side, r.quantity)
        for r in live_reservations(plan, facts, now_ms)
        if r.symbol == plan.symbol
    ]
    in_flight.append((plan.side, plan.quantity))
    return _worst_case(position.amount if position else ZERO, in_flight) * known(facts.mark)


def _would_deny(plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits) -> dict[str, str]:
    """What the budgets in shadow mode would have said against an open."""
    shadows = (
        ("p28_would_deny", _BUDGET, _over_budget),
        ("p29_would_deny", _ALLOCATION, _over_target),
    )
    terms: dict[str, str] = {}
    for term, need, rule in shadows:
        denial = need.absence(facts, now_ms, limits) or rule(plan, facts, now_ms)
        if denial is not None:
            terms[term] = f"{denial.reason.value}: {denial.detail}"
    return terms


def _worst_case(held: Decimal, in_flight: Iterable[tuple[Side, Decimal]]) -> Decimal:
    buys, sells = ZERO, ZERO
    for side, quantity in in_flight:
        if side is Side.BUY:
            buys += quantity
        else:
            sells += quantity
    return max(max(held, ZERO) + buys, max(-held, ZERO) + sells)


def open_rate_within(plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits) -> Deny | None:
    """Filled opens of the symbol in the last hour and the last five minutes, this one included."""
    times = known(facts.open_history)
    in_hour = 1 + sum(1 for t in times if now_ms - t < HOUR_MS)
    if in_hour > limits.max_opens_per_hour:
        return Deny(DenyReason.HOURLY_LIMIT_EXCEEDED, f"limit {limits.max_opens_per_hour}")
    in_burst = 1 + sum(1 for t in times if now_ms - t < BURST_WINDOW_MS)
    if in_burst > limits.max_opens_per_5min:
        return Deny(DenyReason.BURST_LIMIT_EXCEEDED, f"limit {limits.max_opens_per_5min}")
    return None


def grant(plan: Plan, facts: Facts, now_ms: int, limits: GovernorLimits) -> Decision:
    """The plan's quantity, with its notional where a mark is known."""
    terms = {"decision": "EXECUTE"}
    if not plan.reduce_only:
        terms |= _would_deny(plan, facts, now_ms, limits)
    if isinstance(facts.mark, Known):
        terms["computed_notional"] = fmt_decimal(plan.quantity * facts.mark.value)
    return Allow(plan.quantity, terms)


def _usdt(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.01")), "f")


GOVERNOR: Gate[GovernorLimits] = Gate(
    name=GateName.GOVERNOR,
    checks=(
        *COMMON_CHECKS,
        Check(mode_lets_orders_out, ALL, (_CONTROL,)),
        Check(symbol_rolled_out, OPENS, (_ROLLOUT,)),
        Check(nothing_unresolved, OPENS, (_RESERVATIONS,)),
        Check(symbol_cooled_down, OPENS, (_RESERVATIONS, _COOLDOWN)),
        Check(open_rate_within, OPENS, (_HISTORY,)),
        Check(trade_within_notional, OPENS, (_MARK,)),
        Check(position_count_within, OPENS, (_PORTFOLIO, _RESERVATIONS)),
        Check(total_within_notional, OPENS, (_PORTFOLIO, _RESERVATIONS, _MARK)),
        Check(symbol_within_budget, OPENS, (_PORTFOLIO, _RESERVATIONS, _MARK, _BUDGET)),
        Check(symbol_within_allocation, OPENS, (_PORTFOLIO, _RESERVATIONS, _MARK, _ALLOCATION)),
    ),
    grant=grant,
    advice=(_MARK,),
)
