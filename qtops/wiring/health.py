"""Settings → one pass of `qtops health`: sources side by side, each with its own limit."""

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtops.audits.health import BEATING, WINDOW_MS, Limits, judge_vitals
from qtops.audits.health_host import (
    exchange_away,
    judge_disk,
    judge_exchange,
    judge_obligations,
    judge_units,
    no_systemd,
)
from qtops.contracts.health import Check, Finding, Health, Status, unseen
from qtops.contracts.registry import Service, Stream
from qtops.contracts.vitals import OpenOperation
from qtops.errors import ConfigError, HostError, RedisError, VenueError
from qtops.settings.model import Settings

if TYPE_CHECKING:
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.ports import Clock

SOURCE_LIMIT_S: Final = 2.0
IN_REDIS: Final = (
    *("redis", "permits", "heartbeats", "snapshots", "universe", "kill", "streams"),
    "silence",
)
CHECKS: Final = (*IN_REDIS, "exchange", "disk", "units", "obligations")
_LEDGER_FIX: Final = "qtops config show QTOPS_LEDGER_ROOT"
_REDIS_FIX: Final = "qtops config show QTOPS_REDIS_URL"


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where the ledger and the journals of rollbacks are; without a root `fault` says why."""

    root: Path | None
    state: Path
    fault: str = ""


async def take_health(
    settings: Settings, clock: "Clock", wanted: Collection[str], place: LedgerPlace
) -> Health:
    """The wanted checks, in the order of `CHECKS`.

    When Redis does not answer, that is a failure whether or not `redis` was wanted: what was
    wanted rests on it.
    """
    # What the readers themselves hold against age decides here too.
    limits = Limits(
        snapshot_fail_ms=settings.milliseconds("P33_STALE_THRESHOLD_SEC"),
        universe_fail_ms=settings.milliseconds("UNIVERSE_MAX_AGE"),
        silence_ms=_silence_limits(settings),
    )
    sources: list[Awaitable[Sequence[Check]]] = []
    found: list[Check] = []
    if in_redis := [name for name in IN_REDIS if name in wanted]:
        sources.append(_redis(settings, clock, in_redis, limits))
    if "exchange" in wanted:
        try:
            sources.append(_exchange(settings, limits))
        except ConfigError as error:
            found.append(unseen("exchange", error.message, "qtops config show QTOPS_EXCHANGE_URL"))
    if "units" in wanted:
        sources.append(_units())
    for checks in await asyncio.gather(*sources):
        found += checks
    if "disk" in wanted:
        found.append(_disk(place, limits))
    if "obligations" in wanted:
        found.append(_obligations(place, clock.now_ms()))
    return Health(tuple(sorted(found, key=lambda check: CHECKS.index(check.name))))


async def _redis(
    settings: Settings, clock: "Clock", wanted: Sequence[str], limits: Limits
) -> Sequence[Check]:
    from qtops.adapters.health_reader import RedisHealthReader
    from qtops.wiring import open_link

    services = _expected(settings)
    link = open_link(settings, "reader")
    try:
        async with asyncio.timeout(SOURCE_LIMIT_S):
            vitals = await RedisHealthReader(
                link, clock, services, WINDOW_MS, limits.silence_ms
            ).read()
    except TimeoutError:
        return _without_redis(wanted, f"Redis did not answer in {SOURCE_LIMIT_S:.0f} s")
    except RedisError as error:
        return _without_redis(wanted, error.message)
    finally:
        await link.aclose()
    return [check for check in judge_vitals(vitals, limits) if check.name in wanted]


def _expected(settings: Settings) -> tuple[Service, ...]:
    """The gates and what they cannot do without, and what the operator runs besides."""
    known = {service.value: service for service in Service}
    names = settings.names("QTOPS_EXPECTED_SERVICES")
    if unknown := [name for name in names if name not in known]:
        message = f"QTOPS_EXPECTED_SERVICES: no service {unknown[0]!r}"
        raise ConfigError(message, hint="qtops run list")
    return tuple(dict.fromkeys((*BEATING, *(known[name] for name in names))))


def _silence_limits(settings: Settings) -> dict[Stream, int]:
    """`trade.intent=600`: the stream, and after how many seconds its silence is an alarm."""
    known = {stream.value.name: stream for stream in Stream}
    limits = {}
    for text in settings.names("QTOPS_HEALTH_SILENCE"):
        name, _, seconds = text.partition("=")
        if name not in known or not seconds.isascii() or not seconds.isdigit() or not int(seconds):
            message = f"QTOPS_HEALTH_SILENCE: {text!r} is no STREAM=SECONDS"
            raise ConfigError(message, hint=f"like trade.intent=600; streams: {', '.join(known)}")
        limits[known[name]] = int(seconds) * 1000
    return limits


def _without_redis(wanted: Sequence[str], message: str) -> Sequence[Check]:
    away = Check("redis", "no answer", (Finding(Status.FAIL, message, _REDIS_FIX),))
    rest = [name for name in wanted if name != "redis"]
    return [away, *(unseen(name, "Redis cannot be read", _REDIS_FIX) for name in rest)]


def _exchange(settings: Settings, limits: Limits) -> Awaitable[Sequence[Check]]:
    """The client is built at once: its imports would hold up whoever waits for an answer."""
    from qtops.wiring import open_venue

    return _ask_exchange(open_venue(settings), limits)


async def _ask_exchange(venue: "BinanceVenue", limits: Limits) -> Sequence[Check]:
    try:
        async with asyncio.timeout(SOURCE_LIMIT_S):
            offset_ms = await venue.sync_clock()
    except TimeoutError:
        return [exchange_away(f"no answer in {SOURCE_LIMIT_S:.0f} s")]
    except VenueError as error:
        return [exchange_away(error.message)]
    finally:
        await venue.aclose()
    return [judge_exchange(offset_ms, limits)]


async def _units() -> Sequence[Check]:
    from qtops.adapters.host_vitals import SYSTEMD_RUNS, failed_units

    if not SYSTEMD_RUNS.is_dir():
        return [no_systemd()]
    try:
        async with asyncio.timeout(SOURCE_LIMIT_S):
            return [judge_units(await failed_units())]
    except TimeoutError:
        return [unseen("units", f"systemctl did not answer in {SOURCE_LIMIT_S:.0f} s")]
    except HostError as error:
        return [unseen("units", error.message)]


def _disk(place: LedgerPlace, limits: Limits) -> Check:
    """`/` and, where it is another file system, the ledger's."""
    from qtops.adapters.host_vitals import disk_vitals

    try:
        return judge_disk(disk_vitals([Path("/"), *([place.root] if place.root else [])]), limits)
    except OSError as error:
        return unseen("disk", f"{error.filename}: {error.strerror}", "df -hi")


def _obligations(place: LedgerPlace, now_ms: int) -> Check:
    """Where there is no ledger its operations were not looked at; rollbacks always are."""
    from qtops.wiring.obligations import every_obligation, rollback_obligations

    if place.root is None:
        return unseen("obligations", place.fault, _LEDGER_FIX)
    is_there = (place.root / "ledger").is_dir()
    found = (
        every_obligation(place.root, place.state) if is_there else rollback_obligations(place.state)
    )
    if not is_there and not found:
        return unseen("obligations", f"no ledger in {place.root}", _LEDGER_FIX, is_expected=True)
    operations = [
        OpenOperation(one.operation_id, one.what, one.opened_at_ms, one.command) for one in found
    ]
    return judge_obligations(operations, now_ms)


async def ping_dead_man(url: str, text: str, status: Status) -> None:
    """A warning still proves life; CRITICAL and UNKNOWN do not. HostError when undelivered."""
    from qtops.adapters.dead_man import ping

    await ping(url, text, is_fault=status in {Status.FAIL, Status.UNKNOWN})
