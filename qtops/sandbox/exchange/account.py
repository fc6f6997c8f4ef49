"""What the account consists of: wallet, modes, leverages, positions, marks, orders, fills."""

from dataclasses import dataclass, field
from decimal import Decimal

from qtops.sandbox.exchange.instruments import Instrument
from qtops.sandbox.exchange.orders import BOTH, LONG, SHORT, OrderIndex, Trade
from qtops.sandbox.exchange.positions import Position

DEFAULT_LEVERAGE = 20


@dataclass(frozen=True, slots=True)
class Income:
    """One movement of the wallet."""

    kind: str
    symbol: str
    amount: Decimal
    time_ms: int
    trade_id: int


@dataclass(slots=True)
class Settings:
    """A symbol's leverage and margin type."""

    leverage: int = DEFAULT_LEVERAGE
    is_isolated: bool = False


@dataclass(slots=True)
class Account:
    """The whole state that survives a restart, apart from what the journal's header fixes."""

    instruments: dict[str, Instrument]
    wallet: Decimal
    marks: dict[str, Decimal]
    is_hedge: bool = False
    is_multi_assets: bool = False
    settings: dict[str, Settings] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    orders: OrderIndex = field(default_factory=OrderIndex)
    trades: list[Trade] = field(default_factory=list)
    incomes: list[Income] = field(default_factory=list)
    countdowns: dict[str, int] = field(default_factory=dict)
    update_ms: int = 0

    def settings_of(self, symbol: str) -> Settings:
        return self.settings.setdefault(symbol, Settings())

    def position(self, symbol: str, side: str = BOTH) -> Position:
        """The position, made empty on first use."""
        key = symbol, side
        if key not in self.positions:
            self.positions[key] = Position(symbol, side)
        return self.positions[key]

    def sides(self) -> tuple[str, ...]:
        """The position rows a symbol has in the current mode."""
        return (LONG, SHORT) if self.is_hedge else (BOTH,)

    def rows(self, symbol: str | None = None) -> list[Position]:
        """One row per symbol and side, flat ones included, in listing order."""
        chosen = self.instruments if symbol is None else (symbol,)
        return [self.position(name, side) for name in chosen for side in self.sides()]

    def has_position(self, symbol: str | None = None) -> bool:
        return any(row.amount != 0 for row in self.rows(symbol))
