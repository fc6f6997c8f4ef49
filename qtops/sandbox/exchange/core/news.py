"""What the account is told of its own changes, in the order in which they happened."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from qtops.sandbox.exchange.core.orders import Order, Trade
from qtops.sandbox.exchange.core.positions import Position

ACCEPTED: Final = "NEW"
TRADED: Final = "TRADE"


@dataclass(frozen=True, slots=True)
class OrderNews:
    """An order as it was after one change. `execution` is NEW, TRADE, CANCELED or EXPIRED."""

    order: Order
    execution: str
    time_ms: int
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class AccountNews:
    """Wallet and position after one change; `change` is money that came without a trade."""

    reason: str
    wallet: Decimal
    change: Decimal
    time_ms: int
    position: Position | None = None


News = OrderNews | AccountNews
