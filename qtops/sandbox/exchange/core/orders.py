"""Orders and fills as the exchange keeps them, and the index that finds them again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
BUY, SELL = "BUY", "SELL"
LIMIT, MARKET = "LIMIT", "MARKET"
BOTH, LONG, SHORT = "BOTH", "LONG", "SHORT"
NEW, PARTIALLY_FILLED, FILLED = "NEW", "PARTIALLY_FILLED", "FILLED"
CANCELED, EXPIRED = "CANCELED", "EXPIRED"
OPEN_STATUSES = frozenset({NEW, PARTIALLY_FILLED})
FIRST_ORDER_ID = 33_900_000_001
FIRST_TRADE_ID = 1_190_000_001


def sign_of(side: str) -> int:
    """+1 for BUY, -1 for SELL."""
    return 1 if side == BUY else -1


@dataclass(slots=True)
class Order:
    """One order over its life. `quantity` is what may fill: reduce-only is cut on arrival."""

    order_id: int
    client_id: str
    symbol: str
    side: str
    kind: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    position_side: str
    time_ms: int
    update_ms: int
    arrival_ms: int = 0
    good_till_ms: int = 0
    price_match: str = "NONE"
    self_trade_mode: str = "EXPIRE_MAKER"
    status: str = NEW
    executed: Decimal = ZERO
    quote: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def average_price(self) -> Decimal:
        return self.quote / self.executed if self.executed else ZERO

    def close(self, status: str, now_ms: int) -> None:
        """End the order's life; what has been executed stays."""
        self.status = status
        self.update_ms = now_ms


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill. `realized` excludes the fee; the wallet moves by realized minus commission."""

    trade_id: int
    order_id: int
    symbol: str
    side: str
    position_side: str
    price: Decimal
    quantity: Decimal
    quote: Decimal
    realized: Decimal
    commission: Decimal
    is_maker: bool
    time_ms: int


@dataclass(slots=True)
class OrderIndex:
    """Every order ever accepted. A client id names the newest order that carried it."""

    by_id: dict[int, Order] = field(default_factory=dict)
    newest_by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)
    open_by_id: dict[int, Order] = field(default_factory=dict)

    def next_id(self) -> int:
        return FIRST_ORDER_ID + len(self.by_id)

    def add(self, order: Order) -> None:
        self.by_id[order.order_id] = order
        self.newest_by_client_id[order.symbol, order.client_id] = order
        self.settle(order)

    def settle(self, order: Order) -> None:
        """Keep the set of open orders in step with the order's status."""
        if order.is_open:
            self.open_by_id[order.order_id] = order
        else:
            self.open_by_id.pop(order.order_id, None)

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """By id when given, else by client id. An id of another symbol is unknown."""
        if order_id is not None:
            order = self.by_id.get(order_id)
            return order if order is not None and order.symbol == symbol else None
        return self.newest_by_client_id.get((symbol, client_id or ""))

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        return [o for o in self.open_by_id.values() if symbol in {None, o.symbol}]

    def has_open_client_id(self, client_id: str) -> bool:
        return any(order.client_id == client_id for order in self.open_by_id.values())

    def history(self, symbol: str | None = None) -> Iterator[Order]:
        """All orders, oldest first."""
        return (o for o in self.by_id.values() if symbol in {None, o.symbol})
