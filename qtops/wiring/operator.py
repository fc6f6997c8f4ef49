"""Settings → what operators' commands read and change. Each is closed when its block ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.link import RedisLink
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.adapters.reconcile_store import RedisReconcileStore
from qtops.adapters.redis_connection import Purpose
from qtops.adapters.result_scan import RedisResultScan
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.adapters.top_reader import RedisTopReader
from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.health import BEATING
from qtops.audits.streams import StreamSource
from qtops.ports import Clock, ControlStore, PermitSource, ReconcileStore, ResultSource, Venue
from qtops.ports.top import TopSource
from qtops.settings.model import Settings
from qtops.wiring import open_link, open_venue

T = TypeVar("T")


def permit_source(settings: Settings) -> AbstractAsyncContextManager[PermitSource]:
    """Permits, decisions and heartbeats; reads only."""
    return over(settings, "reader", RedisPermitScan)


def stream_source(settings: Settings) -> AbstractAsyncContextManager[StreamSource]:
    """Streams, their groups and consumers; reads only."""
    return over(settings, "reader", RedisStreamReader)


def trace_source(settings: Settings) -> AbstractAsyncContextManager[RedisTraceReader]:
    """Everything that a trace joins; reads only."""
    return over(settings, "reader", RedisTraceReader)


def result_source(settings: Settings) -> AbstractAsyncContextManager[ResultSource]:
    """`apply.result`; its reads may wait."""
    return over(settings, "blocking", RedisResultScan)


def top_source(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[TopSource]:
    """What the live view shows; reads only."""
    return over(settings, "reader", lambda link: RedisTopReader(link, clock, BEATING))


def control_store(settings: Settings) -> AbstractAsyncContextManager[ControlStore]:
    """The stop switches; never repeats a write."""
    return over(settings, "writer", RedisControlStore)


def reconcile_store(settings: Settings) -> AbstractAsyncContextManager[ReconcileStore]:
    """Books and what reconcile says of them; never repeats a write."""
    return over(settings, "writer", RedisReconcileStore)


@asynccontextmanager
async def exchange_reader(settings: Settings) -> AsyncIterator[Venue]:
    """The exchange without the shared request budget, which would be written to."""
    venue = open_venue(settings)
    try:
        yield venue
    finally:
        await venue.aclose()


@asynccontextmanager
async def over(
    settings: Settings, purpose: Purpose, build: Callable[[RedisLink], T]
) -> AsyncIterator[T]:
    """What `build` makes of a link of its own."""
    link = open_link(settings, purpose)
    try:
        yield build(link)
    finally:
        await link.aclose()
