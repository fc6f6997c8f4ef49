"""What one fill does to one position: netting, flipping, entry price, realised profit."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
MONEY = Decimal("0.00000001")
ENTRY = Decimal("0.000000000001")


def money(value: Decimal) -> Decimal:
    """Rounded to the eight decimals that balances and fees have."""
    return value.quantize(MONEY, ROUND_HALF_UP)


@dataclass(slots=True)
class Position:
    """A signed amount at an average entry. `isolated_wallet` is money set aside for it.

    `earned` is all profit that fills have ever realised here, before fees.
    """

    symbol: str
    side: str
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    update_ms: int = 0
    earned: Decimal = ZERO

    def unrealized(self, mark: Decimal) -> Decimal:
        return money((mark - self.entry) * self.amount)

    def notional(self, mark: Decimal) -> Decimal:
        return self.amount * mark

    def break_even(self, taker_rate: Decimal) -> Decimal:
        """The entry moved by one taker fee, away from profit."""
        if self.amount == 0:
            return ZERO
        move = taker_rate if self.amount > 0 else -taker_rate
        return self.entry * (1 + move)

    def fill(self, signed_quantity: Decimal, price: Decimal, now_ms: int) -> Decimal:
        """Apply a fill and return the realised profit, which only a reducing part earns."""
        self.update_ms = now_ms
        before = self.amount
        after = before + signed_quantity
        closing = closing_part(before, signed_quantity)
        realized = money((price - self.entry) * -closing)
        if closing == 0:
            self.entry = weighted_entry(before, self.entry, signed_quantity, price)
        elif after == 0:
            self.entry = ZERO
        elif (after > 0) != (before > 0):
            self.entry = price
        self.amount = after
        self.earned += realized
        return realized


def closing_part(before: Decimal, signed_quantity: Decimal) -> Decimal:
    """The part of a fill that reduces the position, with the fill's sign."""
    if before == 0 or (before > 0) == (signed_quantity > 0):
        return ZERO
    size = min(abs(before), abs(signed_quantity))
    return size if signed_quantity > 0 else -size


def weighted_entry(
    before: Decimal, entry: Decimal, signed_quantity: Decimal, price: Decimal
) -> Decimal:
    """The average entry after adding to a position."""
    if before == 0:
        return price
    cost = before * entry + signed_quantity * price
    return (cost / (before + signed_quantity)).quantize(ENTRY, ROUND_HALF_UP)
