"""Everything a gate may know. A fact is known, with the time it was observed, or it is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from qtops.contracts.universe import Allowlist
from qtops.contracts.values import ZERO
from qtops.contracts.venue import Filters
from qtops.contracts.vocabulary import Side, TradingState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A value and the moment (Redis server's UTC ms) for which it was true."""

    value: T
    observed_at_ms: int


@dataclass(frozen=True, slots=True)
class Missing:
    """No value. `why` is `absent`, `unreadable: …` or `not requested`; none of them means zero."""

    why: str


Fact = Known[T] | Missing
NOT_REQUESTED = Missing("not requested")


@dataclass(frozen=True, slots=True)
class ControlState:
    """The stop switches, as one reading."""

    trading_state: TradingState
    epoch: int
    mode: str
    manual_lane: bool


@dataclass(frozen=True, slots=True)
class Position:
    """The exchange's position. `amount` is signed base units; flat is zero, and known."""

    amount: Decimal
    entry_price: Decimal = ZERO
    mark_price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All non-empty positions at one moment, and the account's equity in USDT if it was read.

    `equity_at_ms` is when equity was asked for; the peak is the highest equity ever seen.
    """

    positions: Mapping[str, Position]
    equity_usdt: Decimal | None = None
    peak_equity_usdt: Decimal | None = None
    equity_at_ms: int | None = None

    def notionals(self) -> dict[str, Decimal]:
        """Signed notional of every open position, USDT at the mark."""
        return {s: p.amount * p.mark_price for s, p in self.positions.items() if p.amount != ZERO}


@dataclass(frozen=True, slots=True)
class Clusters:
    """Stress of correlated positions, and the book it was measured on: symbol → LONG or SHORT."""

    stress: Decimal
    sides: Mapping[str, str]
    members: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capacity promised to a plan. Notional in USDT at the mark when it was issued.

    States: `issued` (permit out, expires), `admitted` (executor holds it, does not expire),
    `unknown` (outcome not known, does not expire), `filled` (until a later snapshot shows it).
    """

    plan_id: str
    symbol: str
    side: Side
    quantity: Decimal
    notional_usdt: Decimal
    state: str
    expires_at_ms: int
    filled_at_ms: int = 0
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Reservations:
    """Every reservation, and the version that compare-and-swap relies on."""

    by_plan: Mapping[str, Reservation]
    version: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One reading of the world for one plan. A gate that reads what it did not ask for refuses."""

    control: Fact[ControlState] = NOT_REQUESTED
    rollout: Fact[int] = NOT_REQUESTED
    allowlist: Fact[Allowlist] = NOT_REQUESTED
    filters: Fact[Filters] = NOT_REQUESTED
    position: Fact[Position] = NOT_REQUESTED
    book: Fact[Decimal] = NOT_REQUESTED
    mark: Fact[Decimal] = NOT_REQUESTED
    portfolio: Fact[Portfolio] = NOT_REQUESTED
    volatility: Fact[Mapping[str, Decimal]] = NOT_REQUESTED
    clusters: Fact[Clusters] = NOT_REQUESTED
    budget: Fact[Decimal] = NOT_REQUESTED
    allocation: Fact[Decimal] = NOT_REQUESTED
    reservations: Fact[Reservations] = NOT_REQUESTED
    trade_cooldown: Fact[int | None] = NOT_REQUESTED
    exec_cooldown: Fact[int | None] = NOT_REQUESTED
    heat_cooldown: Fact[int | None] = NOT_REQUESTED
    open_history: Fact[tuple[int, ...]] = NOT_REQUESTED
    reconcile_hold: Fact[str] = NOT_REQUESTED
