"""The automatic breakers: readings in, one look each out. Pure; a limit of 0 is off.

What cannot be read makes a breaker `unseen`, never tripped and never calm: that data stopped coming
is what `stale_data` judges, and only once it has come.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from qtops.contracts.breakers import Breaker, BreakerStatus, Look
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import VenueTrade
from qtops.gates.last_hop import ForeignRule, Suspect, trips

DAY_MS: Final = 86_400_000
SKEWS: Final = 3  # measurements that must agree: a single slow answer is no skewed clock
_HUNDRED: Final = Decimal(100)
_QUOTE: Final = "USDT"
_ANSWER: Final = re.compile(r"binance_error:-?\d+|http_error:\d+|no_answer")


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """The settings. Percentages are of equity; each limit trips when it is reached."""

    errors: int = 5
    error_window_ms: int = 600_000
    burst: int = 20
    burst_window_ms: int = 60_000
    daily_loss_pct: Decimal = Decimal("2.5")
    drawdown_pct: Decimal = Decimal(8)
    losses: int = 3
    skew_ms: int = 1_000
    stale_ms: int = 60_000
    foreign: ForeignRule = ForeignRule.OPENS


@dataclass(frozen=True, slots=True)
class Sent:
    """One plan's end, at the Redis server's ms. `answer` is the exchange's error, if it was one."""

    at_ms: int
    answer: str
    is_open: bool

    @classmethod
    def of(cls, result: Result, at_ms: int) -> "Sent | None":
        """None for a plan that sent nothing. What does not say that it reduced counts as an open.

        A rejected order was sent: a loop that is always refused is a burst too.
        """
        answer = _ANSWER.match(result.error)
        if not (answer or result.order_id or "submitted_qty" in result.details):
            return None
        is_open = result.details.get("reduce_only") not in {True, "true"}
        return cls(at_ms, answer.group() if answer else "", is_open)


@dataclass(frozen=True, slots=True)
class Readings:
    """What the breakers judge. Times are the Redis server's ms; None is: cannot be read now.

    `trades` are all fills since `armed_at_ms` or the last 24 hours, the later of the two; `feeds`
    holds when each feed that was ever seen was last true; `suspects` passed the second look.
    """

    now_ms: int
    armed_at_ms: int
    started_at_ms: int
    sent: Sequence[Sent] = ()
    trades: Sequence[VenueTrade] | None = None
    equity_usdt: Decimal | None = None
    peak_equity_usdt: Decimal | None = None
    skews_ms: Sequence[int] = ()
    feeds: Mapping[str, int] = field(default_factory=dict)
    suspects: Sequence[Suspect] | None = None


def look_at(readings: Readings, limits: BreakerLimits) -> list[Look]:
    """Every breaker's look, in the order of `Breaker`."""
    return [_JUDGES[breaker](readings, limits) for breaker in Breaker]


def _judged(breaker: Breaker, value: str, limit: str, detail: str, *, over: bool) -> Look:
    status = BreakerStatus.OVER if over else BreakerStatus.ARMED
    return Look(breaker, status, value, limit, detail if over else "")


def _unseen(breaker: Breaker, limit: str, why: str) -> Look:
    return Look(breaker, BreakerStatus.UNSEEN, "", limit, why)


def _off(breaker: Breaker) -> Look:
    return Look(breaker, BreakerStatus.OFF)


def _recent(readings: Readings, window_ms: int) -> list[Sent]:
    """What was sent inside the window and since the breakers were armed."""
    since_ms = max(readings.now_ms - window_ms, readings.armed_at_ms)
    return [sent for sent in readings.sent if sent.at_ms > since_ms]


def error_budget(readings: Readings, limits: BreakerLimits) -> Look:
    """The same answer of the exchange, so many times within the window."""
    if not limits.errors:
        return _off(Breaker.ERRORS)
    answers = Counter(s.answer for s in _recent(readings, limits.error_window_ms) if s.answer)
    worst, count = answers.most_common(1)[0] if answers else ("", 0)
    detail = f"{count} x {worst} within {limits.error_window_ms // 1000} s"
    return _judged(
        Breaker.ERRORS, str(count), str(limits.errors), detail, over=count >= limits.errors
    )


def burst(readings: Readings, limits: BreakerLimits) -> Look:
    """So many orders that open, sent within the window. Reductions are free."""
    if not limits.burst:
        return _off(Breaker.BURST)
    count = sum(sent.is_open for sent in _recent(readings, limits.burst_window_ms))
    detail = f"{count} opening orders within {limits.burst_window_ms // 1000} s"
    return _judged(Breaker.BURST, str(count), str(limits.burst), detail, over=count >= limits.burst)


def daily_loss(readings: Readings, limits: BreakerLimits) -> Look:
    """Realised loss and fees of this UTC day, against the equity before them.

    Fees paid in another asset than USDT are not counted.
    """
    if not limits.daily_loss_pct:
        return _off(Breaker.DAILY_LOSS)
    limit = f"{fmt_decimal(limits.daily_loss_pct)} %"
    if readings.trades is None:
        return _unseen(Breaker.DAILY_LOSS, limit, "the fills cannot be read")
    if readings.equity_usdt is None:
        return _unseen(Breaker.DAILY_LOSS, limit, "the equity cannot be read")
    since_ms = max(readings.now_ms - readings.now_ms % DAY_MS, readings.armed_at_ms)
    today = [trade for trade in readings.trades if trade.time_ms >= since_ms]
    fees = sum((t.commission for t in today if t.commission_asset == _QUOTE), ZERO)
    lost = fees - sum((t.realized_pnl for t in today), ZERO)
    before = readings.equity_usdt + lost
    over = lost > ZERO and lost * _HUNDRED >= limits.daily_loss_pct * before
    text = f"{_short(lost)} USDT"
    detail = f"{text} lost today, of {_short(before)}"
    return _judged(Breaker.DAILY_LOSS, text, limit, detail, over=over)


def drawdown(readings: Readings, limits: BreakerLimits) -> Look:
    """Equity below its peak since the breakers were armed."""
    if not limits.drawdown_pct:
        return _off(Breaker.DRAWDOWN)
    limit = f"{fmt_decimal(limits.drawdown_pct)} %"
    equity, peak = readings.equity_usdt, readings.peak_equity_usdt
    if equity is None or peak is None or peak <= ZERO:
        return _unseen(Breaker.DRAWDOWN, limit, "the equity cannot be read")
    below = max(ZERO, peak - equity)
    over = below * _HUNDRED >= limits.drawdown_pct * peak
    detail = f"equity {_short(equity)} USDT, peak since armed {_short(peak)}"
    return _judged(
        Breaker.DRAWDOWN, f"{_short(below * _HUNDRED / peak)} %", limit, detail, over=over
    )


def consecutive_losses(readings: Readings, limits: BreakerLimits) -> Look:
    """Closing orders in a row that lost; an order's fills count together, fees do not."""
    if not limits.losses:
        return _off(Breaker.LOSSES)
    limit = str(limits.losses)
    if readings.trades is None:
        return _unseen(Breaker.LOSSES, limit, "the fills cannot be read")
    streak = _streak(t for t in readings.trades if t.time_ms >= readings.armed_at_ms)
    detail = f"{streak} closing orders in a row lost"
    return _judged(Breaker.LOSSES, str(streak), limit, detail, over=streak >= limits.losses)


def _streak(trades: Iterable[VenueTrade]) -> int:
    """Losing orders since the last one that gained, by the time of their last fill."""
    orders: dict[str, tuple[int, Decimal]] = {}
    for trade in trades:
        at_ms, pnl = orders.get(trade.order_id, (0, ZERO))
        orders[trade.order_id] = max(at_ms, trade.time_ms), pnl + trade.realized_pnl
    streak = 0
    for _, pnl in sorted(orders.values(), key=lambda row: row[0]):
        streak = streak + 1 if pnl < ZERO else streak if pnl == ZERO else 0
    return streak


def clock_skew(readings: Readings, limits: BreakerLimits) -> Look:
    """The exchange's clock against the Redis server's, the same verdict several times."""
    if not limits.skew_ms:
        return _off(Breaker.CLOCK)
    limit = f"{limits.skew_ms} ms"
    if len(readings.skews_ms) < SKEWS:
        return _unseen(Breaker.CLOCK, limit, "not measured often enough yet")
    least = min(readings.skews_ms[-SKEWS:], key=abs)
    over = abs(least) >= limits.skew_ms
    detail = f"the exchange's clock is {least} ms off the Redis server's"
    return _judged(Breaker.CLOCK, f"{least} ms", limit, detail, over=over)


def stale_data(readings: Readings, limits: BreakerLimits) -> Look:
    """How long a feed has been silent while we watched: since start, or since armed, at most."""
    if not limits.stale_ms:
        return _off(Breaker.STALE)
    limit = f"{limits.stale_ms // 1000} s"
    if not readings.feeds:
        return _unseen(Breaker.STALE, limit, "nothing came yet")
    feed, last_ms = min(readings.feeds.items(), key=lambda row: row[1])
    watched_ms = max(last_ms, readings.started_at_ms, readings.armed_at_ms)
    silent_ms = max(0, readings.now_ms - watched_ms)
    value = f"{silent_ms // 1000} s"
    detail = f"{feed} silent for {value}"
    return _judged(Breaker.STALE, value, limit, detail, over=silent_ms >= limits.stale_ms)


def last_hop(readings: Readings, limits: BreakerLimits) -> Look:
    """Orders at the exchange that no admission explains."""
    if readings.suspects is None:
        return _unseen(Breaker.LAST_HOP, "1", "the exchange's orders cannot be read")
    tripping = [s for s in readings.suspects if trips(s, limits.foreign)]
    detail = tripping[0].text if tripping else ""
    return _judged(Breaker.LAST_HOP, str(len(tripping)), "1", detail, over=bool(tripping))


def _short(amount: Decimal) -> str:
    return f"{amount:.2f}"


_JUDGES: Final[Mapping[Breaker, Callable[[Readings, BreakerLimits], Look]]] = {
    Breaker.LAST_HOP: last_hop,
    Breaker.ERRORS: error_budget,
    Breaker.BURST: burst,
    Breaker.DAILY_LOSS: daily_loss,
    Breaker.DRAWDOWN: drawdown,
    Breaker.LOSSES: consecutive_losses,
    Breaker.CLOCK: clock_skew,
    Breaker.STALE: stale_data,
}
