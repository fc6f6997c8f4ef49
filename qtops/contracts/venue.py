"""What the exchange and we tell each other, independent of HTTP. Quantities in base units."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from qtops.contracts.vocabulary import Side


@dataclass(frozen=True, slots=True)
class Filters:
    """One symbol's trading rules, from exchangeInfo. MARKET orders use the market lot."""

    symbol: str
    status: str
    contract_type: str
    price_tick: Decimal
    lot_step: Decimal
    lot_min: Decimal
    lot_max: Decimal
    market_step: Decimal
    market_min: Decimal
    market_max: Decimal
    min_notional: Decimal
    quantity_precision: int
    price_precision: int


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the exchange shows it. `amount` is signed: negative is short."""

    symbol: str
    amount: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    update_time_ms: int
    position_side: str = "BOTH"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A MARKET order; nothing else leaves this system."""

    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    client_order_id: str
    order_type: Literal["MARKET"] = "MARKET"


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the exchange reports it. `average_price` is None where it did not say.

    Since 2026-06 the answer to a POST carries no price; GET by id does.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    status: str
    order_type: str
    reduce_only: bool
    original_quantity: Decimal
    executed_quantity: Decimal
    average_price: Decimal | None
    update_time_ms: int

    @property
    def is_final(self) -> bool:
        """No further fill can happen."""
        return self.status in FINAL_STATUSES


FINAL_STATUSES = frozenset(
    {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"},
)


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """One fill. The fee is in `commission_asset`, which may be BNB."""

    trade_id: str
    order_id: str
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    realized_pnl: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class VenueBalance:
    """The account in quote units (USDT)."""

    wallet: Decimal
    unrealized_pnl: Decimal
    available: Decimal

    @property
    def equity(self) -> Decimal:
        return self.wallet + self.unrealized_pnl
