"""`portfolio.state`: what the account is worth, how exposed it is, how far below its peak."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from qtops.contracts.codec import Fields, parse_int
from qtops.contracts.facts import Missing, Portfolio
from qtops.contracts.values import ZERO, fmt_decimal

# Ratios and drawdowns are written to this many places; what they rest on is written exactly.
_PLACES = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class PortfolioState:
    """The account at one moment (Redis server's UTC ms), in USDT.

    Exposure is at mark prices: gross sums |notional|, net sums it signed. Equity is the margin
    balance, unrealised profit included; None where it could not be read, and so is all that
    follows from it. `equity_at_ms` says when equity was asked for, which is before `at_ms`.
    """

    at_ms: int
    gross_exposure_usdt: Decimal
    net_exposure_usdt: Decimal
    position_count: int
    equity_usdt: Decimal | None = None
    peak_equity_usdt: Decimal | None = None
    equity_at_ms: int | None = None

    @classmethod
    def of(cls, portfolio: Portfolio, at_ms: int) -> "PortfolioState":
        notionals = [p.amount * p.mark_price for p in portfolio.positions.values()]
        return cls(
            at_ms=at_ms,
            gross_exposure_usdt=sum(map(abs, notionals), ZERO),
            net_exposure_usdt=sum(notionals, ZERO),
            position_count=len(notionals),
            equity_usdt=portfolio.equity_usdt,
            peak_equity_usdt=portfolio.peak_equity_usdt,
            equity_at_ms=portfolio.equity_at_ms,
        )

    @property
    def drawdown_usdt(self) -> Decimal | None:
        """How far equity is below its peak, never below zero; None unless both are known."""
        if self.equity_usdt is None or self.peak_equity_usdt is None:
            return None
        return max(ZERO, self.peak_equity_usdt - self.equity_usdt)

    @property
    def drawdown(self) -> Decimal | None:
        """The same as a fraction of the peak; None too when the peak is not above zero.

        Above 1 when equity is below zero.
        """
        lost, peak = self.drawdown_usdt, self.peak_equity_usdt
        if lost is None or peak is None or peak <= ZERO:
            return None
        return lost / peak

    def to_fields(self) -> dict[str, str]:
        """With the original's field names. What is not known is left out."""
        known = {
            "equity_usd": self.equity_usdt,
            "peak_equity_usd": self.peak_equity_usdt,
            "drawdown_usd": self.drawdown_usdt,
            "drawdown": None if self.drawdown is None else self.drawdown.quantize(_PLACES),
            "equity_at_ms": self.equity_at_ms,
        }
        return {
            "observed_at_ms": str(self.at_ms),
            "gross_exposure_usd": fmt_decimal(self.gross_exposure_usdt),
            "net_exposure_usd": fmt_decimal(self.net_exposure_usdt),
            "position_count": str(self.position_count),
            **{name: fmt_decimal(Decimal(v)) for name, v in known.items() if v is not None},
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "PortfolioState":
        """Drawdown is computed again, not believed."""
        fields = Fields(raw)
        when = fields.take("equity_at_ms")
        return cls(
            at_ms=fields.need_int("observed_at_ms"),
            gross_exposure_usdt=fields.need_decimal("gross_exposure_usd"),
            net_exposure_usdt=fields.need_decimal("net_exposure_usd"),
            position_count=fields.need_int("position_count"),
            equity_usdt=fields.optional_decimal("equity_usd"),
            peak_equity_usdt=fields.optional_decimal("peak_equity_usd"),
            equity_at_ms=None if when is None else parse_int(when, "equity_at_ms"),
        )


def with_peak(portfolio: Portfolio, stored: Decimal | Missing | None) -> Portfolio:
    """The portfolio with its peak: the higher of equity and what is stored; None is absent.

    An absent peak begins with the equity. An unreadable one stays unknown, and so does the
    drawdown: replacing it by a lower one would hide a loss. Without equity there is no peak to say.
    """
    equity = portfolio.equity_usdt
    if equity is None:
        return portfolio
    if isinstance(stored, Missing):
        return portfolio
    peak = equity if stored is None else max(equity, stored)
    return replace(portfolio, peak_equity_usdt=peak)
