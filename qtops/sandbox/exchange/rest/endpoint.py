"""What an endpoint is: who may call it, what it costs, what answers."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.intake import read_symbol
from qtops.sandbox.exchange.core.market import Market
from qtops.sandbox.exchange.core.params import Params
from qtops.sandbox.exchange.core.state import State
from qtops.sandbox.exchange.rest.venue import Venue
from qtops.sandbox.exchange.rest.wire import Json


class Security(Enum):
    """NONE needs nothing, KEY the key header, SIGNED also timestamp and signature."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. `fill_share` is below 1 when a fault thins the book."""

    venue: Venue
    params: Params
    now_ms: int
    fill_share: Decimal = Decimal(1)

    @property
    def engine(self) -> Engine:
        return self.venue.engine

    @property
    def state(self) -> State:
        return self.venue.state

    @property
    def market(self) -> Market:
        return self.venue.market

    def symbol(self) -> str:
        return read_symbol(self.params, self.engine.instruments)

    def symbols(self) -> list[str]:
        """The symbol asked for, or all of them."""
        return [self.symbol()] if "symbol" in self.params else list(self.engine.instruments)

    def one_or_all(self, row: Callable[[str], Json]) -> Json:
        """An object for one symbol, a list for all."""
        rows = [row(symbol) for symbol in self.symbols()]
        return rows[0] if "symbol" in self.params else rows


Handler = Callable[[Call], Json]
Weight = Callable[[Params], int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`orders` is what it counts against the 10-second and the 1-minute order limit."""

    handler: Handler
    weight: int | Weight = 1
    security: Security = Security.NONE
    orders: tuple[int, int] = (0, 0)
    is_order: bool = False

    def weight_of(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def by_symbol(one: int, many: int) -> Weight:
    """The weight with a symbol, and without."""
    return lambda params: one if "symbol" in params else many


Table = dict[tuple[str, str], Endpoint]
