"""Intent bridge: what an intent means for the position that is there, and whether it may be asked.

A wish becomes a plan in two steps. `draft` says what it *is*: against a position it is a close,
with it or from flat an open; what was said to be reduce-only never becomes an open. `CHECKS` then
says whether that plan may be asked for. Flat is a known zero; a snapshot that is not there is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Final

from qtops.contracts.decision import Deny
from qtops.contracts.facts import Facts, Known, Missing, Position
from qtops.contracts.intent import Intent
from qtops.contracts.plan import FRACTIONS, Plan
from qtops.contracts.values import ZERO, floor_to_step, fmt_decimal
from qtops.contracts.vocabulary import Action, DenyReason, FactName, Feeder, PlanDecision, Side
from qtops.gates.base import ALL, FUTURE_TOLERANCE_MS, OPENS, Check, Need, first_denial, known
from qtops.gates.common import order_is_market

HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class BridgeLimits:
    """Times in ms. `max_exposure_pct` of equity, gross; 0 is no limit. `flat_eps` in base units."""

    max_age_ms: int = 60_000
    policy_max_age_ms: int = 3_600_000
    position_max_age_ms: int = 10_000
    input_max_age_ms: int = 30_000
    min_hold_ms: int = 900_000
    max_notional_usdt: Decimal = Decimal(3000)
    max_exposure_pct: Decimal = Decimal(80)
    flat_eps: Decimal = ZERO
    allow_short: bool = False
    allow_increase: bool = False
    require_ledger: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """An intent as it lies in the stream. `seen_in` is the entry whose plan it already became."""

    intent: Intent
    entry_id: str
    seen_in: str = ""

    @property
    def entry_ms(self) -> int:
        return int(self.entry_id.partition("-")[0])

    @property
    def asked_at_ms(self) -> int:
        """The producer's time, or where it says none the entry's (UTC ms)."""
        said = self.intent.timestamp_ms
        return self.entry_ms if said is None else said

    @property
    def plan_id(self) -> str:
        """The same for every delivery: entry id, symbol, side and the size *as it was asked for*.

        For a size in base units it is the original's id: the first 16 hex digits of a sha256.
        """
        intent = self.intent
        size = intent.quantity if intent.quantity is not None else intent.notional_usdt
        unit = "" if intent.quantity is not None else "USD"
        text = f"{fmt_decimal(size or ZERO)}{unit}"
        whole = f"{self.entry_id}|{intent.symbol}|{intent.side.value}|{text}"
        return sha256(whole.encode()).hexdigest()[:16]

    @property
    def identity(self) -> str:
        """What the intent is known by for a day: its producer's id for it, or the entry's."""
        own = self.intent.extra.get("intent_id") or self.intent.extra.get("signal_id")
        if not own:
            return self.entry_id
        return sha256(f"{self.intent.source}\0{own}".encode()).hexdigest()[:32]


def _age(limits: BridgeLimits) -> int:
    return limits.input_max_age_ms


_POSITION: Need[BridgeLimits] = Need(
    FactName.POSITION,
    DenyReason.NO_EXCHANGE_SNAPSHOT,
    stale=DenyReason.STALE_EXCHANGE_STATE,
    max_age_ms=lambda limits: limits.position_max_age_ms,
)
_ALLOWLIST: Need[BridgeLimits] = Need(
    FactName.ALLOWLIST,
    DenyReason.ALLOWLIST_UNKNOWN,
    stale=DenyReason.POLICY_STALE,
    max_age_ms=lambda limits: limits.policy_max_age_ms,
)
_MARK: Need[BridgeLimits] = Need(FactName.MARK, DenyReason.MARK_PRICE_UNAVAILABLE, max_age_ms=_age)
_PORTFOLIO: Need[BridgeLimits] = Need(
    FactName.PORTFOLIO, DenyReason.EQUITY_UNKNOWN, max_age_ms=_age
)
_FILTERS: Need[BridgeLimits] = Need(FactName.FILTERS, DenyReason.FILTERS_UNKNOWN)
_LAST_FILL: Need[BridgeLimits] = Need(FactName.EXEC_COOLDOWN, DenyReason.COOLDOWN_UNKNOWN)


def symbol_listed(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """Only symbols of the policy are opened; a position in another one can be got out of."""
    listed = known(facts.allowlist)
    if plan.symbol not in listed.symbols:
        return Deny(DenyReason.SYMBOL_NOT_IN_ALLOWLIST, f"{plan.symbol}, list {listed.tier}")
    return None


def short_is_allowed(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """A SELL that has no long to close opens a short, and only with leave."""
    if plan.side is Side.SELL and not limits.allow_short:
        return Deny(DenyReason.SHORT_NOT_ALLOWED, "SELL without a long position")
    return None


def increase_is_allowed(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """Adding to a position needs leave."""
    amount = known(facts.position).amount
    if abs(amount) > limits.flat_eps and not limits.allow_increase:
        return Deny(DenyReason.POSITION_EXISTS, f"exchange position {fmt_decimal(amount)}")
    return None


def ledger_agrees(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """A book that is there must be on the exchange's side; one that never was is no obstacle.

    Otherwise a book would be needed to open, and an open to have a book.
    """
    if isinstance(facts.book, Missing):
        # Only a book that never was: one that cannot be read may say anything.
        if limits.require_ledger or facts.book.why != "absent":
            return Deny(DenyReason.LEDGER_UNKNOWN, f"book {facts.book.why}")
        return None
    amount, book = known(facts.position).amount, facts.book.value
    if _side(amount, limits) != _side(book, limits):
        return Deny(
            DenyReason.RECONCILE_REQUIRED_SIDE_MISMATCH,
            f"exchange {fmt_decimal(amount)}, book {fmt_decimal(book)}",
        )
    return None


def held_long_enough(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """Opens wait after a symbol's last fill: a flip is a close and an open, and churn needs both.

    A close never waits, whatever opened the position a moment ago.
    """
    last_ms = known(facts.exec_cooldown)
    if last_ms is not None and now_ms - last_ms < limits.min_hold_ms:
        left_ms = limits.min_hold_ms - (now_ms - last_ms)
        return Deny(DenyReason.MIN_HOLD_ACTIVE, f"{left_ms} ms left")
    return None


def notional_within(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """One open stays within the cap, in USDT at the mark price."""
    notional = plan.quantity * known(facts.mark)
    if notional > limits.max_notional_usdt:
        cap = fmt_decimal(limits.max_notional_usdt)
        return Deny(DenyReason.NOTIONAL_PER_TRADE_EXCEEDED, f"{fmt_decimal(notional)} > {cap} USDT")
    return None


def exposure_within(plan: Plan, facts: Facts, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """Gross notional of all positions and this open, as a share of equity. 0 turns it off.

    What gates have promised to other plans is not in it: the governor, which promises, counts it.
    """
    if limits.max_exposure_pct == ZERO:
        return None
    if absent := _PORTFOLIO.absence(facts, now_ms, limits):
        return absent
    portfolio = known(facts.portfolio)
    equity = portfolio.equity_usdt
    if equity is None or equity <= ZERO:
        return Deny(DenyReason.EQUITY_UNKNOWN, "no equity to measure exposure against")
    gross = sum((abs(p.amount) * p.mark_price for p in portfolio.positions.values()), ZERO)
    after = gross + plan.quantity * known(facts.mark)
    if after * HUNDRED > equity * limits.max_exposure_pct:
        share = fmt_decimal((after * HUNDRED / equity).quantize(Decimal("0.01")))
        cap = fmt_decimal(limits.max_exposure_pct)
        return Deny(DenyReason.EXPOSURE_LIMIT_EXCEEDED, f"{share} % of equity, limit {cap} %")
    return None


CHECKS: Final[tuple[Check[BridgeLimits], ...]] = (
    Check(order_is_market, ALL),
    Check(symbol_listed, OPENS, (_ALLOWLIST,)),
    Check(increase_is_allowed, OPENS, (_POSITION,)),
    Check(short_is_allowed, OPENS),
    Check(ledger_agrees, OPENS, (_POSITION,)),
    Check(held_long_enough, OPENS, (_LAST_FILL,)),
    Check(notional_within, OPENS, (_FILTERS, _MARK)),
    Check(exposure_within, OPENS, (_MARK,)),
)

# The book and the portfolio are asked for by rules that can do without them.
FACTS: Final = frozenset(
    {FactName.BOOK, FactName.PORTFOLIO, *(n.fact for check in CHECKS for n in check.needs)}
) - {FactName.ALLOWLIST}


def bridge(wish: Wish, facts: Facts, now_ms: int, limits: BridgeLimits) -> Plan | Deny:
    """The plan that the intent asks for, or why there is none; no side effect."""
    if wish.seen_in:
        return Deny(DenyReason.DUPLICATE_INTENT, f"became a plan as entry {wish.seen_in}")
    denial = _too_old(wish, now_ms, limits)
    if denial is not None:
        return denial
    plan = draft(wish, facts, now_ms, limits)
    if isinstance(plan, Deny):
        return plan
    return first_denial(CHECKS, plan, facts, now_ms, limits) or plan


def _too_old(wish: Wish, now_ms: int, limits: BridgeLimits) -> Deny | None:
    """An intent's age is never unknown: where its producer says none, the stream does."""
    if wish.asked_at_ms - now_ms > FUTURE_TOLERANCE_MS:
        ahead_ms = wish.asked_at_ms - now_ms
        return Deny(DenyReason.INTENT_STALE, f"timestamp is {ahead_ms} ms in the future")
    age_ms = now_ms - min(wish.asked_at_ms, wish.entry_ms)
    if age_ms > limits.max_age_ms:
        return Deny(DenyReason.INTENT_STALE, f"{age_ms} ms old, limit {limits.max_age_ms} ms")
    return None


def draft(wish: Wish, facts: Facts, now_ms: int, limits: BridgeLimits) -> Plan | Deny:
    """What the intent means for the position: a close, a reduction, or an open.

    A position that is not known makes an open of everything but what is said to be reduce-only;
    the checks refuse it then.
    """
    intent = wish.intent
    absent = _POSITION.absence(facts, now_ms, limits)
    amount = None if absent else known(facts.position).amount
    reduces = amount is not None and _side(amount, limits) == -intent.side.sign
    if intent.reduce_only and amount is not None and not reduces:
        held = f"exchange position {fmt_decimal(amount)}"
        flat = _side(amount, limits) == 0
        return Deny(DenyReason.NO_POSITION if flat else DenyReason.CLOSE_SIDE_MISMATCH, held)
    reduce_only = bool(intent.reduce_only) or reduces
    if absent is not None and not reduce_only:
        return absent
    quantity = _quantity(intent, facts, now_ms, limits, reduce_only=reduce_only)
    if isinstance(quantity, Deny):
        return quantity
    if reduces and amount is not None:
        quantity = min(quantity, abs(amount))
    return _plan(wish, quantity, _action(quantity, amount, reduce_only=reduce_only))


def _quantity(
    intent: Intent, facts: Facts, now_ms: int, limits: BridgeLimits, *, reduce_only: bool
) -> Decimal | Deny:
    """Base units, floored to the market lot step; a reduction goes unfloored without filters."""
    quantity = intent.quantity
    if quantity is None:
        price = _price(facts, now_ms, limits, reduce_only=reduce_only)
        if isinstance(price, Deny):
            return price
        quantity = (intent.notional_usdt or ZERO) / price
    wanted = quantity
    if isinstance(facts.filters, Known):
        quantity = floor_to_step(quantity, facts.filters.value.market_step)
    if quantity <= ZERO:
        return Deny(DenyReason.QUANTITY_BELOW_STEP, f"{fmt_decimal(wanted)} is below one step")
    return quantity


def _price(facts: Facts, now_ms: int, limits: BridgeLimits, *, reduce_only: bool) -> Decimal | Deny:
    """The mark. For a reduction an older one will do: the position bounds the size, not the price.

    A reduction in USD without any price has no size, and one is not made up for it.
    """
    absent = _MARK.absence(facts, now_ms, limits)
    mark = facts.mark.value if isinstance(facts.mark, Known) else ZERO
    if mark > ZERO and (absent is None or reduce_only):
        return mark
    snapshot = facts.position.value if isinstance(facts.position, Known) else Position(ZERO)
    if reduce_only and snapshot.mark_price > ZERO:
        return snapshot.mark_price
    return absent or Deny(DenyReason.MARK_PRICE_UNAVAILABLE)


def _action(quantity: Decimal, amount: Decimal | None, *, reduce_only: bool) -> Action:
    """The smallest share of the position that holds the quantity; the quantity stays exact."""
    if not reduce_only:
        return Action.ENTRY_PROPOSED
    for action in (Action.PARTIAL_25, Action.PARTIAL_50, Action.PARTIAL_75):
        if amount is not None and quantity <= abs(amount) * FRACTIONS[action]:
            return action
    return Action.FULL_CLOSE_PROPOSED


# What a plan says itself; a producer's word under such a name is kept under another.
_OWN: Final = frozenset(
    {"plan_id", "decision", "action", "kill_score", "intent_entry", "intent_source", "type"}
    | {"order_type", "timestamp", "signature"}
)


def _plan(wish: Wish, quantity: Decimal, action: Action) -> Plan:
    intent = wish.intent
    return Plan(
        plan_id=wish.plan_id,
        decision=PlanDecision.EXECUTE,
        symbol=intent.symbol,
        side=intent.side,
        quantity=quantity,
        reduce_only=action is not Action.ENTRY_PROPOSED,
        source=Feeder.INTENT_BRIDGE.value,
        action=action,
        order_type=_order_type(intent.extra),
        timestamp_ms=wish.asked_at_ms,
        extra=_extra(wish),
    )


def _order_type(extra: Mapping[str, str]) -> str:
    said = extra.get("type") or extra.get("order_type") or "MARKET"
    return said.strip().upper()


def _extra(wish: Wish) -> dict[str, str]:
    """Leverage, stops, confidence, …: everything else the producer said, and who it was."""
    said = {
        f"intent_{name}" if name in _OWN else name: value
        for name, value in wish.intent.extra.items()
        if value
    }
    own = {"intent_entry": wish.entry_id, "intent_source": wish.intent.source}
    return said | {name: value for name, value in own.items() if value}


def _side(amount: Decimal, limits: BridgeLimits) -> int:
    """1 long, -1 short, 0 flat: known to be nothing, or no more than the operator calls nothing."""
    if abs(amount) <= limits.flat_eps:
        return 0
    return 1 if amount > ZERO else -1
