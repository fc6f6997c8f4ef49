"""Everything the exchange must not forget, as flat records, and which of them have changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.sandbox.exchange.core.news import News
from qtops.sandbox.exchange.core.orders import BOTH, LONG, SHORT, Order, OrderIndex, Trade
from qtops.sandbox.exchange.core.positions import Position

ZERO = Decimal(0)


@dataclass(slots=True)
class Account:
    """What exists once. `requests_received` counts order POSTs, also the refused ones."""

    wallet: Decimal
    hedge_mode: bool = False
    multi_assets: bool = False
    clock_offset_ms: int = 0
    requests_received: int = 0
    update_ms: int = 0


@dataclass(slots=True)
class SymbolState:
    """What exists once a symbol besides positions and orders."""

    symbol: str
    mark: Decimal
    leverage: int
    is_isolated: bool = False


@dataclass(frozen=True, slots=True)
class MarkChange:
    """A mark price and since when it holds; the past of the charts."""

    symbol: str
    mark: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came or went without a trade: a change by the control interface."""

    transfer_id: int
    amount: Decimal
    time_ms: int


Record = Account | SymbolState | MarkChange | Transfer | Order | Trade | Position


@dataclass(slots=True)
class State:
    """The records, indexed.

    `changed` collects what the journal has yet to write, `news` what the stream has yet to tell.
    """

    account: Account
    symbols: dict[str, SymbolState]
    orders: OrderIndex = field(default_factory=OrderIndex)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    marks: dict[str, list[MarkChange]] = field(default_factory=dict)
    changed: dict[int, Record] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    def touch(self, *records: Record) -> None:
        """Remember to write these; a record that changes twice is written once."""
        for record in records:
            self.changed[id(record)] = record

    def drain(self) -> list[Record]:
        """The records changed since the last call."""
        records = list(self.changed.values())
        self.changed.clear()
        return records

    def drain_news(self) -> list[News]:
        """What happened since the last call."""
        news, self.news = self.news, []
        return news

    def everything(self) -> list[Record]:
        """All records, in an order `restore` accepts."""
        return [
            self.account,
            *self.symbols.values(),
            *(change for changes in self.marks.values() for change in changes),
            *self.transfers,
            *(p for p in self.positions.values() if p.update_ms),
            *self.orders.by_id.values(),
            *self.trades,
        ]

    def restore(self, records: Iterable[Record]) -> None:
        """Put records back as they were written; a later one replaces an earlier one."""
        for record in records:
            self._put(record)

    def position(self, symbol: str, side: str) -> Position:
        """The position of that side, flat when there never was one."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def sides(self) -> tuple[str, ...]:
        return (LONG, SHORT) if self.account.hedge_mode else (BOTH,)

    def held(self, symbol: str | None = None) -> list[Position]:
        """Positions that are not flat."""
        return [
            p for p in self.positions.values() if p.amount != ZERO and symbol in {None, p.symbol}
        ]

    def _put(self, record: Record) -> None:
        match record:
            case Account():
                self.account = record
            case SymbolState():
                self.symbols[record.symbol] = record
            case Position():
                self.positions[record.symbol, record.side] = record
            case Order():
                self.orders.add(record)
            case Trade():
                self.trades.append(record)
            case Transfer():
                self.transfers.append(record)
            case MarkChange():
                self.marks.setdefault(record.symbol, []).append(record)
