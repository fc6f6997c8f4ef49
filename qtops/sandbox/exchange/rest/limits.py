"""Request weight per address, order counts per account, in fixed windows of the venue's clock."""

from dataclasses import dataclass, field

from qtops.sandbox.exchange.core.errors import BinanceError, refuse

MINUTE_MS, TEN_SECONDS_MS = 60_000, 10_000


@dataclass(slots=True)
class Window:
    """A counter that starts again at every multiple of its length."""

    length_ms: int
    limit: int
    used: int = 0
    number: int = -1

    def add(self, amount: int, now_ms: int) -> bool:
        """Count; False when that exceeds the limit."""
        self.roll(now_ms)
        self.used += amount
        return self.used <= self.limit

    def roll(self, now_ms: int) -> None:
        number = now_ms // self.length_ms
        if number != self.number:
            self.number, self.used = number, 0

    def seconds_left(self, now_ms: int) -> int:
        return -(-(self.length_ms - now_ms % self.length_ms) // 1000)


@dataclass(slots=True)
class Limits:
    """What exchangeInfo publishes as rateLimits, enforced."""

    weight_per_minute: int = 2400
    orders_per_10s: int = 300
    orders_per_minute: int = 1200
    _weights: dict[str, Window] = field(default_factory=dict)
    _ten_seconds: Window = field(init=False)
    _minute: Window = field(init=False)

    def __post_init__(self) -> None:
        self._ten_seconds = Window(TEN_SECONDS_MS, self.orders_per_10s)
        self._minute = Window(MINUTE_MS, self.orders_per_minute)

    def charge_weight(self, address: str, weight: int, now_ms: int) -> None:
        """-1003 (HTTP 429) beyond the weight of the minute."""
        window = self._weights.setdefault(address, Window(MINUTE_MS, self.weight_per_minute))
        if not window.add(weight, now_ms):
            raise _wait(refuse(-1003, self.weight_per_minute), window, now_ms)

    def charge_orders(self, ten_seconds: int, minute: int, now_ms: int) -> None:
        """-1015 (HTTP 429) beyond the orders of ten seconds or of the minute."""
        if not self._ten_seconds.add(ten_seconds, now_ms):
            refusal = refuse(-1015, self.orders_per_10s, "10 SECOND")
            raise _wait(refusal, self._ten_seconds, now_ms)
        if not self._minute.add(minute, now_ms):
            refusal = refuse(-1015, self.orders_per_minute, "1 MINUTE")
            raise _wait(refusal, self._minute, now_ms)

    def headers(self, address: str, now_ms: int, *, is_order: bool) -> dict[str, str]:
        """The used amounts, as the venue sends them back."""
        window = self._weights.get(address)
        used = {"X-MBX-USED-WEIGHT-1M": "0" if window is None else str(window.used)}
        if is_order:
            self._ten_seconds.roll(now_ms)
            self._minute.roll(now_ms)
            used["X-MBX-ORDER-COUNT-10S"] = str(self._ten_seconds.used)
            used["X-MBX-ORDER-COUNT-1M"] = str(self._minute.used)
        return used

    def rows(self) -> list[dict[str, str | int]]:
        return [_row("REQUEST_WEIGHT", "MINUTE", 1, self.weight_per_minute), *self.order_rows()]

    def order_rows(self) -> list[dict[str, str | int]]:
        return [
            _row("ORDERS", "MINUTE", 1, self.orders_per_minute),
            _row("ORDERS", "SECOND", 10, self.orders_per_10s),
        ]


def _row(kind: str, interval: str, number: int, limit: int) -> dict[str, str | int]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _wait(refusal: BinanceError, window: Window, now_ms: int) -> BinanceError:
    refusal.retry_after_s = window.seconds_left(now_ms)
    return refusal
