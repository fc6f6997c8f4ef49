"""Settings → what operators' commands read and change. Each is closed when its block ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.adapters.result_scan import RedisResultScan
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.adapters.trace_reader import RedisTraceReader
from qtops.audits.streams import StreamSource
from qtops.ports import ControlStore, PermitSource, ResultSource, Venue
from qtops.settings.model import Settings
from qtops.wiring import open_link, open_venue


@asynccontextmanager
async def permit_source(settings: Settings) -> AsyncIterator[PermitSource]:
    """Permits, decisions and heartbeats; reads only."""
    link = open_link(settings, "reader")
    try:
        yield RedisPermitScan(link)
    finally:
        await link.aclose()


@asynccontextmanager
async def stream_source(settings: Settings) -> AsyncIterator[StreamSource]:
    """Streams, their groups and consumers; reads only."""
    link = open_link(settings, "reader")
    try:
        yield RedisStreamReader(link)
    finally:
        await link.aclose()


@asynccontextmanager
async def result_source(settings: Settings) -> AsyncIterator[ResultSource]:
    """`apply.result`; its reads may wait."""
    link = open_link(settings, "blocking")
    try:
        yield RedisResultScan(link)
    finally:
        await link.aclose()


@asynccontextmanager
async def control_store(settings: Settings) -> AsyncIterator[ControlStore]:
    """The stop switches; never repeats a write."""
    link = open_link(settings, "writer")
    try:
        yield RedisControlStore(link)
    finally:
        await link.aclose()


@asynccontextmanager
async def trace_source(settings: Settings) -> AsyncIterator[RedisTraceReader]:
    """Everything that a trace joins; reads only."""
    link = open_link(settings, "reader")
    try:
        yield RedisTraceReader(link)
    finally:
        await link.aclose()


@asynccontextmanager
async def exchange_reader(settings: Settings) -> AsyncIterator[Venue]:
    """The exchange without the shared request budget, which would be written to."""
    venue = open_venue(settings)
    try:
        yield venue
    finally:
        await venue.aclose()
