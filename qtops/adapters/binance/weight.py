"""The request budget of one API key: what was used, who may still send, until when we are barred.

Opens stop at 60 % of a budget and background reads at 80 %; closes, cancels and lookups use the
rest. A bar by the exchange (429, 418) holds for everyone: a request during a ban prolongs it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

WEIGHT_1M: Final = "REQUEST_WEIGHT/1M"
ORDERS_10S: Final = "ORDERS/10S"
ORDERS_1M: Final = "ORDERS/1M"

WINDOW_MS: Final = {WEIGHT_1M: 60_000, ORDERS_10S: 10_000, ORDERS_1M: 60_000}

# Production's limits; exchangeInfo replaces them (the testnet allows 6000).
DEFAULT_LIMITS: Final = {WEIGHT_1M: 2_400, ORDERS_10S: 300, ORDERS_1M: 1_200}

_HEADERS: Final = {
    WEIGHT_1M: "x-mbx-used-weight-1m",
    ORDERS_10S: "x-mbx-order-count-10s",
    ORDERS_1M: "x-mbx-order-count-1m",
}

TOO_MANY_REQUESTS: Final = 429
BANNED: Final = 418
_TOO_MANY_ORDERS: Final = -1015
_SHORTEST_BAN_S: Final = 120.0
_BANNED_UNTIL: Final = re.compile(r"until (\d{13})\b")


class Priority(Enum):
    """Who asks. The value is the share of every budget, in per cent, this caller may fill."""

    # An open also needs the weight that looking it up may cost, so it heeds every budget.
    OPEN = 60
    BACKGROUND = 80
    ESSENTIAL = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request takes from the budgets."""

    weight: int = 1
    orders: int = 0

    def of(self, budget: str) -> int:
        return self.weight if budget == WEIGHT_1M else self.orders


@dataclass(frozen=True, slots=True)
class Usage:
    """What one response said. `used` by budget; `penalty_s` is how long we are barred."""

    used: Mapping[str, int] = field(default_factory=dict)
    penalty_s: float | None = None
    orders_only: bool = False


class RateLedger(Protocol):
    """Where a key's budget is kept: in this process, or shared by all processes of the key."""

    async def reserve(self, cost: Cost, priority: Priority, now_ms: int) -> int:
        """Take `cost` and return 0, or take nothing and return the milliseconds to wait."""
        ...

    async def observe(self, usage: Usage, now_ms: int) -> None:
        """Learn from a response. Must not raise: it may follow an executed order."""
        ...

    async def set_limits(self, limits: Mapping[str, int]) -> None:
        """Budgets as the exchange publishes them; unnamed budgets keep their limit."""
        ...


def parse_usage(
    headers: Mapping[str, str], status: int, error: tuple[int, str] | None, now_ms: int
) -> Usage:
    """The budgets' state after one response; `headers` must be case-insensitive or lower-case.

    Retry-After counts. Without it a 429 bars until the window ends (10 s for order counts, else
    60 s), a 418 until the time its text names, at least 2 minutes.
    """
    used = {
        budget: int(headers[name])
        for budget, name in _HEADERS.items()
        if headers.get(name, "").isdecimal()
    }
    code, message = error or (0, "")
    orders_only = status == TOO_MANY_REQUESTS and code == _TOO_MANY_ORDERS
    return Usage(used, _penalty_s(headers, status, message, orders_only, now_ms), orders_only)


def _penalty_s(
    headers: Mapping[str, str],
    status: int,
    message: str,
    orders_only: bool,  # noqa: FBT001 - private
    now_ms: int,
) -> float | None:
    if status not in {TOO_MANY_REQUESTS, BANNED}:
        return None
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    if status == BANNED:
        until = _BANNED_UNTIL.search(message)
        named_s = (int(until[1]) - now_ms) / 1000 if until else 0.0
        return named_s if named_s > 0 else _SHORTEST_BAN_S
    return _to_window_end(ORDERS_10S if orders_only else WEIGHT_1M, now_ms) / 1000


def _to_window_end(budget: str, now_ms: int) -> int:
    return WINDOW_MS[budget] - now_ms % WINDOW_MS[budget]


class RateBudget:
    """A RateLedger in memory. Windows are aligned to the exchange's clock, so pass its time.

    Within a window the count only grows: the larger of the exchange's number and our own tally.
    """

    def __init__(self, limits: Mapping[str, int] = DEFAULT_LIMITS) -> None:
        self._limits = {**DEFAULT_LIMITS, **limits}
        self._used: dict[str, tuple[int, int]] = {}
        self.blocked_until_ms = 0
        self.orders_blocked_until_ms = 0

    async def reserve(self, cost: Cost, priority: Priority, now_ms: int) -> int:
        wait_ms = self.wait_ms(cost, priority, now_ms)
        if wait_ms == 0:
            for budget in WINDOW_MS:
                self._raise_to(budget, self.used(budget, now_ms) + cost.of(budget), now_ms)
        return wait_ms

    async def observe(self, usage: Usage, now_ms: int) -> None:
        for budget, used in usage.used.items():
            self._raise_to(budget, used, now_ms)
        if usage.penalty_s is None:
            return
        until_ms = now_ms + round(usage.penalty_s * 1000)
        if usage.orders_only:
            self.orders_blocked_until_ms = max(self.orders_blocked_until_ms, until_ms)
        else:
            self.blocked_until_ms = max(self.blocked_until_ms, until_ms)

    async def set_limits(self, limits: Mapping[str, int]) -> None:
        self._limits.update({name: limits[name] for name in WINDOW_MS if limits.get(name, 0) > 0})

    def used(self, budget: str, now_ms: int) -> int:
        """What this window has used so far."""
        window, used = self._used.get(budget, (0, 0))
        return used if window == now_ms // WINDOW_MS[budget] else 0

    def wait_ms(self, cost: Cost, priority: Priority, now_ms: int) -> int:
        """Milliseconds until a request of this cost and priority may leave; 0 is now."""
        waits = [self.blocked_until_ms - now_ms]
        if cost.orders:
            waits.append(self.orders_blocked_until_ms - now_ms)
        for budget in WINDOW_MS:
            asked = cost.of(budget)
            share = self._limits[budget] * priority.value // 100
            limited = asked > 0 or priority is Priority.OPEN
            if limited and self.used(budget, now_ms) + asked > share:
                waits.append(_to_window_end(budget, now_ms))
        return max(0, *waits)

    def _raise_to(self, budget: str, used: int, now_ms: int) -> None:
        self._used[budget] = (
            now_ms // WINDOW_MS[budget],
            max(self.used(budget, now_ms), used),
        )
