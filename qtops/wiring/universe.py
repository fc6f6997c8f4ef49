"""Settings → who takes its allowlist from where, and what is stored of the universe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from qtops.contracts.registry import Service
from qtops.gates.universe import UniverseAges
from qtops.settings.model import Settings
from qtops.wiring import open_link

if TYPE_CHECKING:
    from qtops.adapters.link import RedisLink
    from qtops.adapters.universe_store import Tiers
    from qtops.ports import UniverseSource
    from qtops.ports.sources import AllowlistSource

# An active list that was not renewed for three readings is not the exchange's word of now.
_MISSED_READINGS: Final = 3
# Each reader's own list. The bridge has none of its own: it makes no plan that the executor must
# refuse. The executor's list is no tier but a bound: see `check_plan`.
OWN_LISTS: Final = {
    Service.POSITION_GATE: "P33_ALLOWLIST",
    Service.EXECUTOR: "INTENT_EXECUTOR_ALLOWLIST",
    Service.INTENT_BRIDGE: "INTENT_EXECUTOR_ALLOWLIST",
}


def universe_ages(settings: Settings) -> UniverseAges:
    """From which age on a list is not active, and not used at all."""
    most_ms = settings.milliseconds("UNIVERSE_MAX_AGE")
    missed_ms = _MISSED_READINGS * settings.milliseconds("UNIVERSE_REFRESH_SEC")
    return UniverseAges(active_ms=min(missed_ms, most_ms), last_ok_ms=most_ms)


def reader_tiers(reader: Service, settings: Settings) -> "Tiers":
    """The tiers of one reader. The executor has no environment tier: its list always applies."""
    from qtops.adapters.universe_store import Tiers

    own = frozenset(settings.names(OWN_LISTS[reader]))
    env = None if reader is Service.EXECUTOR else own
    return Tiers(env, universe_ages(settings))


def allowlist_source(reader: Service, link: "RedisLink", settings: Settings) -> "AllowlistSource":
    """The allowlist for a reader that has no other facts to read with it."""
    from qtops.adapters.universe_store import RedisAllowlist

    return RedisAllowlist(link, reader_tiers(reader, settings))


@asynccontextmanager
async def universe_source(settings: Settings) -> "AsyncIterator[UniverseSource]":
    """What is stored; reads only."""
    from qtops.adapters.universe_store import RedisUniverseStore

    link = open_link(settings, "reader")
    try:
        yield RedisUniverseStore(link)
    finally:
        await link.aclose()
