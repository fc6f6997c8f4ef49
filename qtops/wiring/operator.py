"""Settings → what operators' commands read and change. Each is closed when its block ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.permit_scan import RedisPermitScan
from qtops.adapters.result_scan import RedisResultScan
from qtops.adapters.stream_reader import RedisStreamReader
from qtops.audits.streams import StreamSource
from qtops.ports import ControlStore, PermitSource, ResultSource
from qtops.settings.model import Settings
from qtops.wiring import open_link


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
