"""Settings → who takes its allowlist from where, and what is stored of the universe."""

import asyncio
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
    from qtops.contracts.facts import Fact
    from qtops.ports import UniverseSource
    from qtops.ports.sources import AllowlistSource
    from qtops.proofs.universe import ReaderList, UniverseProof

# An active list that was not renewed for three readings is not the exchange's word of now.
_MISSED_READINGS: Final = 3
_EXCHANGE_LIMIT_S: Final = 5.0
# Each reader's own list. The executor's is no tier but a bound: see `check_plan`.
OWN_LISTS: Final = {
    Service.POSITION_GATE: "P33_ALLOWLIST",
    Service.EXECUTOR: "INTENT_EXECUTOR_ALLOWLIST",
    Service.INTENT_BRIDGE: "INTENT_BRIDGE_ALLOWLIST",
}


def universe_ages(settings: Settings) -> UniverseAges:
    """From which age on a list is not active, and not used at all."""
    most_ms = settings.milliseconds("UNIVERSE_MAX_AGE")
    missed_ms = _MISSED_READINGS * settings.milliseconds("UNIVERSE_REFRESH_SEC")
    return UniverseAges(active_ms=min(missed_ms, most_ms), last_ok_ms=most_ms)


def reader_tiers(reader: Service, settings: Settings) -> "Tiers":
    """The tiers of one reader, for the adapter that reads them with its other facts."""
    from qtops.adapters.universe_store import Tiers

    return Tiers(_env_tier(reader, settings), universe_ages(settings))


def _env_tier(reader: Service, settings: Settings) -> frozenset[str] | None:
    """The executor's list is no tier: it always applies, and the universe only narrows it."""
    own = frozenset(settings.names(OWN_LISTS[reader]))
    return None if reader is Service.EXECUTOR else own


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


async def prove_universe(settings: Settings) -> "UniverseProof":
    """What is stored, held against the exchange where that answers."""
    from qtops.contracts.facts import Known, Missing
    from qtops.errors import ConfigError, VenueError
    from qtops.gates.universe import tradable
    from qtops.proofs.universe import UniverseProof
    from qtops.wiring.operator import exchange_reader

    async with universe_source(settings) as source:
        reading = await source.read()
    listed: Fact[frozenset[str]]
    try:
        async with asyncio.timeout(_EXCHANGE_LIMIT_S), exchange_reader(settings) as venue:
            rules = await venue.filters()
        listed = Known(tradable(rules.values()), reading.now_ms)
    except TimeoutError:
        listed = Missing(f"no answer in {_EXCHANGE_LIMIT_S:.0f} s")
    except (VenueError, ConfigError) as error:
        listed = Missing(error.message)
    return UniverseProof(reading, listed, universe_ages(settings))


async def reader_lists(settings: Settings) -> "list[ReaderList]":
    """Each reader's allowlist, all from one reading."""
    from qtops.gates.universe import choose
    from qtops.proofs.universe import ReaderList

    async with universe_source(settings) as source:
        stored = await source.read()
    ages, found = universe_ages(settings), []
    for reader, setting in OWN_LISTS.items():
        own, env = frozenset(settings.names(setting)), _env_tier(reader, settings)
        taken = choose(stored.active, stored.last_ok, env, stored.now_ms, ages)
        found.append(ReaderList(reader.value, setting, own, env is None, taken))
    return found
