"""Settings → what operators' commands read and change. Each is closed when its block ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.link import RedisLink
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.adapters.redis_connection import Purpose
from qtops.adapters.result_scan import RedisResultScan
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.adapters.top_reader import RedisTopReader
from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.health import BEATING
from qtops.audits.streams import StreamSource
from qtops.ports import Clock, ControlStore, PermitSource, ResultSource, Venue
from qtops.ports.top import TopSource
from qtops.settings.model import Settings
from qtops.wiring import open_link, open_venue

T = TypeVar("T")


def permit_source(settings: Settings) -> AbstractAsyncContextManager[PermitSource]:
    """Permits, decisions and heartbeats; reads only."""
    return _over(settings, "reader", RedisPermitScan)


def stream_source(settings: Settings) -> AbstractAsyncContextManager[StreamSource]:
    """Streams, their groups and consumers; reads only."""
    return _over(settings, "reader", RedisStreamReader)


def trace_source(settings: Settings) -> AbstractAsyncContextManager[RedisTraceReader]:
    """Everything that a trace joins; reads only."""
    return _over(settings, "reader", RedisTraceReader)


def result_source(settings: Settings) -> AbstractAsyncContextManager[ResultSource]:
    """`apply.result`; its reads may wait."""
    return _over(settings, "blocking", RedisResultScan)


def top_source(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[TopSource]:
    """What the live view shows; reads only."""
    return _over(settings, "reader", lambda link: RedisTopReader(link, clock, BEATING))


def control_store(settings: Settings) -> AbstractAsyncContextManager[ControlStore]:
    """The stop switches; never repeats a write."""
    return _over(settings, "writer", RedisControlStore)


@asynccontextmanager
async def exchange_reader(settings: Settings) -> AsyncIterator[Venue]:
    """The exchange without the shared request budget, which would be written to."""
    venue = open_venue(settings)
    try:
        yield venue
    finally:
        await venue.aclose()


@asynccontextmanager
async def _over(
    settings: Settings, purpose: Purpose, build: Callable[[RedisLink], T]
) -> AsyncIterator[T]:
    link = open_link(settings, purpose)
    try:
        yield build(link)
    finally:
        await link.aclose()
