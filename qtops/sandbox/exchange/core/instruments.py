"""The contracts this exchange lists, with their trading rules (operators' values of 2026)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bracket:
    """Up to `cap` of notional, this leverage and maintenance ratio apply."""

    leverage: int
    floor: Decimal
    cap: Decimal
    ratio: Decimal
    cum: Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """One USDT perpetual. Precisions cap the decimals; tick and steps may be coarser."""

    symbol: str
    base: str
    mark: Decimal
    price_precision: int
    quantity_precision: int
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    step: Decimal
    max_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    percent: Decimal
    take_bound: str
    liquidation_fee: str
    onboard_ms: int
    brackets: tuple[Bracket, ...]
    maker_rate: Decimal = Decimal("0.000200")
    taker_rate: Decimal = Decimal("0.000500")
    max_orders: int = 200
    status: str = "TRADING"
    risk_control: str = "NONE"
    quote: str = "USDT"

    @property
    def percent_up(self) -> Decimal:
        return 1 + self.percent

    @property
    def percent_down(self) -> Decimal:
        return 1 - self.percent

    def bracket_of(self, notional: Decimal) -> Bracket:
        """The bracket that holds a position of this notional; the last one is open-ended."""
        size = abs(notional)
        for bracket in self.brackets:
            if size <= bracket.cap:
                return bracket
        return self.brackets[-1]

    def max_notional(self, leverage: int) -> Decimal:
        """The largest position that `leverage` allows."""
        fitting = [b.cap for b in self.brackets if b.leverage >= leverage]
        return max(fitting, default=ZERO)

    @property
    def max_leverage(self) -> int:
        return self.brackets[0].leverage


def ladder(*rows: tuple[int, int, str]) -> tuple[Bracket, ...]:
    """Brackets from (leverage, cap, ratio); `cum` keeps maintenance margin continuous."""
    brackets: list[Bracket] = []
    floor, cum, previous = ZERO, ZERO, None
    for leverage, cap, raw_ratio in rows:
        ratio = Decimal(raw_ratio)
        cum += ZERO if previous is None else floor * (ratio - previous)
        brackets.append(Bracket(leverage, floor, Decimal(cap), ratio, cum))
        floor, previous = Decimal(cap), ratio
    return tuple(brackets)


DEEP = ladder(
    (125, 300_000, "0.004"),
    (100, 800_000, "0.005"),
    (75, 3_000_000, "0.0065"),
    (50, 12_000_000, "0.01"),
    (25, 70_000_000, "0.02"),
    (20, 100_000_000, "0.025"),
    (10, 230_000_000, "0.05"),
    (5, 480_000_000, "0.1"),
    (4, 600_000_000, "0.125"),
    (3, 800_000_000, "0.15"),
    (2, 1_200_000_000, "0.25"),
    (1, 1_800_000_000, "0.5"),
)
NORMAL = ladder(
    (75, 50_000, "0.0065"),
    (50, 200_000, "0.01"),
    (40, 500_000, "0.0125"),
    (25, 2_000_000, "0.02"),
    (20, 5_000_000, "0.025"),
    (10, 15_000_000, "0.05"),
    (5, 30_000_000, "0.1"),
    (4, 40_000_000, "0.125"),
    (2, 60_000_000, "0.25"),
    (1, 100_000_000, "0.5"),
)

# AVAXUSDT has a step coarser than its precision: the only symbol that can answer -4023.
# symbol, base, mark | price and quantity precision | tick, min, max price
# | step, max, market max | min notional, percent price | take bound, liquidation fee, listed on
TABLE = """
BTCUSDT  BTC  88000 2 3 0.10     556.80   4529764  0.001 1000     120      100 0.05 0.05 0.0125 1567965300000
ETHUSDT  ETH  2950  2 3 0.01     39.86    306177   0.001 10000    2000     20  0.05 0.05 0.0125 1574838000000
BNBUSDT  BNB  860   3 2 0.010    6.600    100000   0.01  10000    2000     5   0.05 0.05 0.0150 1581318000000
SOLUSDT  SOL  128   4 2 0.0100   0.4200   6857     0.01  1000000  5000     5   0.05 0.05 0.0150 1600066800000
XRPUSDT  XRP  1.90  4 1 0.0001   0.0143   100000   0.1   10000000 2000000  5   0.05 0.05 0.0150 1578290400000
TRXUSDT  TRX  0.30  5 0 0.00001  0.00132  3.53444  1     10000000 5000000  5   0.10 0.10 0.0200 1579143600000
DOGEUSDT DOGE 0.13  6 0 0.000010 0.002440 30       1     50000000 30000000 5   0.10 0.10 0.0150 1594364400000
ADAUSDT  ADA  0.38  5 0 0.00010  0.01740  28.13500 1     2000000  300000   5   0.10 0.10 0.0150 1580439600000
LINKUSDT LINK 12.5  3 2 0.001    0.127    1000     0.01  100000   20000    20  0.10 0.10 0.0150 1579232400000
AVAXUSDT AVAX 12.4  4 1 0.0010   0.2900   498.8600 1     1000000  50000    5   0.10 0.10 0.0150 1600844400000
DOTUSDT  DOT  1.80  3 1 0.001    0.163    271.718  0.1   1000000  200000   5   0.10 0.10 0.0150 1598252400000
LTCUSDT  LTC  77    2 3 0.01     3.61     100000   0.001 10000    5000     20  0.10 0.10 0.0150 1578643200000
"""  # noqa: E501 -- a table is read by columns
DEEP_SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT"})


def parse_row(row: str) -> Instrument:
    """One instrument from its line of `TABLE`."""
    cells = row.split()
    symbol, base, mark, price_precision, quantity_precision = cells[:5]
    tick, low, high, step, most, market_most, notional, percent = map(Decimal, cells[5:13])
    return Instrument(
        symbol=symbol,
        base=base,
        mark=Decimal(mark),
        price_precision=int(price_precision),
        quantity_precision=int(quantity_precision),
        tick=tick,
        min_price=low,
        max_price=high,
        step=step,
        max_quantity=most,
        market_max_quantity=market_most,
        min_notional=notional,
        percent=percent,
        take_bound=cells[13],
        liquidation_fee=cells[14],
        onboard_ms=int(cells[15]),
        brackets=DEEP if symbol in DEEP_SYMBOLS else NORMAL,
    )


LISTED = {row.symbol: row for row in map(parse_row, filter(None, TABLE.splitlines()))}


def listed(symbols: Iterable[str]) -> dict[str, Instrument]:
    """The chosen instruments, in the order asked for. An unlisted symbol raises KeyError."""
    return {symbol: LISTED[symbol] for symbol in symbols}
