"""One request budget for all processes that use the same API key, kept in Redis.

While Redis does not answer, each process counts for itself: a budget that cannot be asked must not
hold back the order that closes a position.
"""

import hashlib
from collections.abc import Mapping

from qtops.adapters import scripts
from qtops.adapters.binance.weight import (
    DEFAULT_LIMITS,
    WINDOW_MS,
    Cost,
    Priority,
    RateBudget,
    Usage,
)
from qtops.adapters.fields import flatten
from qtops.adapters.link import RedisLink
from qtops.contracts.registry import Key
from qtops.errors import RedisError

TTL_S = Key.RATE_BUDGET.value.ttl_s or 0


class RedisRateLedger:
    """Implements `qtops.adapters.binance.weight.RateLedger`."""

    def __init__(self, link: RedisLink, api_key: str) -> None:
        """The key itself is never stored; its hash names the budget."""
        self._link = link
        self._local = RateBudget()
        self._limits = dict(DEFAULT_LIMITS)
        key_id = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        self._hash = link.names.key(Key.RATE_BUDGET, key_id=key_id)

    async def reserve(self, cost: Cost, priority: Priority, now_ms: int) -> int:
        own_wait = await self._local.reserve(cost, priority, now_ms)
        if own_wait:
            return own_wait
        args = [str(TTL_S), str(now_ms), "1" if cost.orders else "0"]
        for budget, window_ms in WINDOW_MS.items():
            asked = cost.of(budget)
            limits = asked > 0 or priority is Priority.OPEN
            args += [
                _field(budget, now_ms),
                str(asked),
                str(self._limits[budget] * priority.value // 100),
                "1" if limits else "0",
                str(window_ms - now_ms % window_ms),
            ]
        try:
            with self._link.guard():
                text = scripts.source("rate_reserve")
                return int(await self._link.client.eval(text, 1, self._hash, *args))
        except RedisError:
            return 0

    async def observe(self, usage: Usage, now_ms: int) -> None:
        await self._local.observe(usage, now_ms)
        seen = {_field(budget, now_ms): str(used) for budget, used in usage.used.items()}
        if usage.penalty_s is not None:
            bar = "orders_blocked_until_ms" if usage.orders_only else "blocked_until_ms"
            seen[bar] = str(now_ms + round(usage.penalty_s * 1000))
        if not seen:
            return
        try:
            with self._link.guard():
                text = scripts.source("rate_observe")
                await self._link.client.eval(text, 1, self._hash, str(TTL_S), *flatten(seen))
        except RedisError:
            return  # it may follow an executed order; the local budget has learned

    async def set_limits(self, limits: Mapping[str, int]) -> None:
        await self._local.set_limits(limits)
        self._limits |= {name: limits[name] for name in WINDOW_MS if limits.get(name, 0) > 0}


def _field(budget: str, now_ms: int) -> str:
    return f"{budget}@{now_ms // WINDOW_MS[budget]}"
