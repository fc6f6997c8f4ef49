"""What `qtops top` reads of Redis, every second or so: four short round trips, no writes."""

from collections.abc import Sequence
from typing import Any, Final

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.fact_reader import pairs
from qtops.adapters.health_reader import RedisHealthReader
from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.facts import Known, Missing, Portfolio
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.snapshot import decode_portfolio
from qtops.errors import DecodeError
from qtops.ports import Clock
from qtops.ports.top import TopReading

NEWEST: Final = 50
MOST_IN_A_MINUTE: Final = 1000
MINUTE_MS: Final = 60_000


class RedisTopReader:
    """Implements `qtops.ports.top.TopSource`."""

    def __init__(self, link: RedisLink, clock: Clock, services: Sequence[Service]) -> None:
        self._link = link
        self._health = RedisHealthReader(link, clock, services, MINUTE_MS)
        self._control = RedisControlStore(link)

    async def read(self) -> TopReading:
        vitals = await self._health.read()
        control = await self._control.read()
        names = self._link.names
        stream, since = names.stream(Stream.GATE_DECISION), vitals.now_ms - MINUTE_MS
        pipe = self._link.client.pipeline(transaction=False)
        pipe.hgetall(names.key(Key.PORTFOLIO))
        pipe.xrevrange(stream, count=NEWEST)
        pipe.xrevrange(stream, "+", str(since), count=MOST_IN_A_MINUTE)
        with self._link.guard():
            portfolio, newest, minute = await pipe.execute()
        is_cut = len(minute) >= MOST_IN_A_MINUTE
        return TopReading(vitals, control, _portfolio(portfolio), newest, minute, is_cut)


def _portfolio(reply: Any) -> Known[Portfolio] | Missing:
    raw = pairs(reply)
    if not raw:
        return Missing("absent")
    try:
        return decode_portfolio(decode_fields(raw))
    except DecodeError as error:
        return Missing(f"unreadable: {error.message}")
