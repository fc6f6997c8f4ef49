"""Settings and a host → the checks of `qtops audit system`."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from qtops.adapters.host_code import code_roots, read_code
from qtops.adapters.host_ports import listeners
from qtops.adapters.host_resources import LOGS, host_resources
from qtops.adapters.host_units import HostUnits
from qtops.adapters.host_vitals import SYSTEMD_RUNS
from qtops.adapters.redis_survey import RedisSurvey
from qtops.audits.checks import Check, run_checks
from qtops.audits.env import EnvAudit
from qtops.audits.permits import Budget, PermitAudit, audit_permits
from qtops.audits.policy import PolicyAudit
from qtops.audits.stop_switches import read_board
from qtops.audits.streams import Registry, StreamAudit, judge, read_streams
from qtops.audits.switch_files import read_switch_files
from qtops.audits.system_host import judge_clock, judge_host
from qtops.audits.system_paths import Signs, judge_paths, trace_paths
from qtops.audits.system_ports import judge_ports
from qtops.audits.system_redis import judge_keys, judge_setup, no_answer
from qtops.audits.system_trade import (
    judge_permits,
    judge_streams,
    judge_switches,
    stream_faults,
)
from qtops.audits.system_units import BEATING, judge_units
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.path_report import PathReport
from qtops.contracts.registry import Key, Service
from qtops.contracts.system_reading import RedisReading, UnitReading, UnitState
from qtops.errors import ConfigError, HostError, QtopsError, RedisError
from qtops.ports import Clock
from qtops.settings.model import Settings
from qtops.wiring import open_link, open_venue
from qtops.wiring.audits import recent_orders, repo_audit, setting_names
from qtops.wiring.operator import control_store, over, permit_source, stream_source
from qtops.wiring.services import BUILDERS

T = TypeVar("T")

WINDOW_MS: Final = 900_000
ORDERS: Final = 50  # of each symbol
_EXCHANGE_LIMIT_S: Final = 3.0
_CODE_LIMIT_S: Final = 40.0
_LOGS_AT_ONCE: Final = 16


def _homes() -> tuple[Path, ...]:
    return (Path("/root"), Path("/opt"), Path("/srv"), *sorted(Path("/home").glob("*")))


@dataclass(frozen=True, slots=True)
class Places:
    """Where the host's own accounts of itself are. The defaults are a Linux host with systemd."""

    etc: Path = Path("/etc/quantum")
    cwd: Path = Path("/")
    proc: Path = Path("/proc")
    logs: Path = LOGS
    systemd_runs: Path = SYSTEMD_RUNS
    systemctl: str = "systemctl"
    journalctl: str = "journalctl"
    disks: tuple[Path, ...] = (Path("/"),)
    homes: tuple[Path, ...] = field(default_factory=_homes)  # where people keep trees
    repositories: tuple[Path, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


class SystemAudit:
    """One look at a system. Readings that several checks need are taken once."""

    def __init__(self, settings: Settings, clock: Clock, places: Places | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._places = places or Places()
        self._taken: dict[str, asyncio.Future[Any]] = {}
        self.paths: tuple[PathReport, ...] = ()

    def checks(self) -> list[Check]:
        """All of them; each reads and judges when it is looked at."""
        return [
            Check("units", self._units, Severity.P1),
            Check("ports", self._ports),
            Check("host", self._host),
            Check("clocks", self._clocks),
            Check("redis", self._redis, Severity.P0),
            Check("names", self._names),
            Check("control", self._control, Severity.P0),
            Check("permits", self._permits, Severity.P1),
            Check("streams", self._streams, Severity.P0, limit_s=20.0),
            Check("paths", self._paths, Severity.P1, limit_s=25.0),
            Check("env", self._env, Severity.P2),
            Check("repos", self._repos, Severity.P1, limit_s=_CODE_LIMIT_S),
            Check("policy", self._policy, Severity.P1, limit_s=_CODE_LIMIT_S),
        ]

    async def _once(self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        """The reading of that name, taken by whoever asks first."""
        if name not in self._taken:
            self._taken[name] = asyncio.ensure_future(read())
        # A check that runs out of time must not take the reading away from the others.
        taken: asyncio.Future[T] = self._taken[name]
        return await asyncio.shield(taken)

    # --- the host --------------------------------------------------------------------------------

    async def _units(self) -> Sequence[CheckResult]:
        return judge_units(await self._once("units", self._read_units))

    async def _read_units(self) -> Sequence[UnitReading]:
        places = self._places
        units = HostUnits(
            self._clock,
            systemctl=places.systemctl,
            journalctl=places.journalctl,
            runs=places.systemd_runs,
            proc=places.proc,
        )
        states = await units.states()
        beats = await self._once("beats", self._read_beats)
        gate = asyncio.Semaphore(_LOGS_AT_ONCE)

        async def read(state: UnitState) -> UnitReading:
            namespace = self._settings.text("QTOPS_NAMESPACE")
            code = await asyncio.to_thread(read_code, state, namespace)
            beat = beats if isinstance(beats, Missing) else beats.get(state.service)
            unit = UnitReading(state, code, beat_ms=beat)
            if state.active in {"inactive", ""}:
                return unit
            async with gate:
                try:
                    return replace(unit, log=await units.log(state.name))
                except HostError as error:
                    return replace(unit, log=Missing(error.message))

        return await asyncio.gather(*map(read, states))

    async def _ports(self) -> Sequence[CheckResult]:
        sockets = await asyncio.to_thread(listeners, self._places.proc)
        beats = await self._once("beats", self._read_beats)
        alive: Collection[str] = () if isinstance(beats, Missing) else _living(beats)
        ours: dict[int, str] = {}
        for service in Service:
            if service in BUILDERS:
                port = self._settings.integer(service.metrics_setting)
                ours |= {port: service.value} if port else {}
        return judge_ports(sockets, ours, alive)

    async def _host(self) -> Sequence[CheckResult]:
        places = self._places
        disks = [*places.disks, *([places.logs] if places.logs.is_dir() else [])]
        reading = await asyncio.to_thread(host_resources, disks, places.proc, places.logs)
        return judge_host(reading)

    async def _clocks(self) -> Sequence[CheckResult]:
        redis, exchange = await asyncio.gather(self._redis_offset(), self._exchange_offset())
        return [judge_clock("Redis", redis), judge_clock("the exchange", exchange)]

    async def _redis_offset(self) -> int | Missing:
        try:
            return (await self._once("setup", self._read_setup)).clock_offset_ms
        except RedisError as error:
            return Missing(error.message)

    async def _exchange_offset(self) -> int | Missing:
        """Our clock minus the exchange's."""
        try:
            venue = open_venue(self._settings)
        except ConfigError as error:
            return Missing(error.message)
        try:
            async with asyncio.timeout(_EXCHANGE_LIMIT_S):
                return -await venue.sync_clock()
        except (TimeoutError, QtopsError) as error:
            return Missing(getattr(error, "message", "") or "no answer")
        finally:
            await venue.aclose()

    # --- files and code --------------------------------------------------------------------------

    async def _run(self, checks: Sequence[Check]) -> Sequence[CheckResult]:
        """Another audit's findings, and one pass for each check of it that has some.

        Seventy files that are fine must not hide the one that is not behind a high score.
        """
        results = (await run_checks(checks, self._clock)).results
        fine = Counter(one.check for one in results if one.verdict is Verdict.PASS)
        firsts = {one.check: one for one in reversed(results) if one.verdict is Verdict.PASS}
        passes = [
            replace(firsts[name], evidence=(), actual="", subject="all others", title=f"{n} pass")
            for name, n in fine.items()
        ]
        return [*(one for one in results if one.verdict is not Verdict.PASS), *passes]

    async def _env(self) -> Sequence[CheckResult]:
        etc = self._places.etc
        if not _has_env_files(etc):
            raise HostError(f"no environment file can be seen in {etc}")
        return await self._run(EnvAudit(etc, setting_names(), None).checks())

    async def _roots(self) -> Sequence[Path]:
        """Given ones, those that units run from, and their twins. HostError when there is none."""
        places = self._places
        try:
            units = [unit.state for unit in await self._once("units", self._read_units)]
        except HostError:
            units = []
        found = await asyncio.to_thread(code_roots, units, places.homes)
        roots = list(dict.fromkeys((*(path.resolve() for path in places.repositories), *found)))
        if not roots:
            raise HostError("no unit runs from a git tree, and --repo names none")
        return roots

    async def _repos(self) -> Sequence[CheckResult]:
        places = self._places
        roots = await self._once("roots", self._roots)
        audit = repo_audit(roots, places.systemctl, places.systemd_runs)
        return await self._run(audit.checks())

    async def _policy(self) -> Sequence[CheckResult]:
        try:
            roots = await self._once("roots", self._roots)
        except HostError:
            roots = ()
        orders = partial(recent_orders, self._settings, ORDERS)
        audit = PolicyAudit(roots, self._places.etc, orders, ORDERS)
        # What there is nothing to look at for is left out; `repos` and `env` say that of it.
        absent = set() if roots else {"policy.guard"}
        if not roots and not _has_env_files(self._places.etc):
            absent.add("policy.shield")
        return await self._run([one for one in audit.checks() if one.name not in absent])

    # --- Redis -----------------------------------------------------------------------------------

    def _survey(self) -> AbstractAsyncContextManager[RedisSurvey]:
        return over(self._settings, "reader", lambda link: RedisSurvey(link, self._clock))

    async def _redis(self) -> Sequence[CheckResult]:
        try:
            return judge_setup(await self._once("setup", self._read_setup))
        except RedisError as error:
            return [no_answer(error.message)]

    async def _read_setup(self) -> RedisReading:
        async with self._survey() as survey:
            return await survey.read()

    async def _names(self) -> Sequence[CheckResult]:
        async with self._survey() as survey:
            census = await survey.census()
        try:
            units = await self._once("units", self._read_units)
        except HostError:
            units = ()
        spelled = {unit.state.name: unit.code.spelled for unit in units if unit.code.spelled}
        return judge_keys(census, spelled)

    async def _read_beats(self) -> Mapping[str, int | None] | Missing:
        """Service → remaining life of its heartbeat."""
        names = sorted(BEATING)
        link = open_link(self._settings)
        try:
            pipe = link.client.pipeline(transaction=False)
            for name in names:
                pipe.pttl(link.names.key(Key.HEARTBEAT, service=name))
            with link.guard():
                lives = await pipe.execute()
        except RedisError as error:
            return Missing(error.message)
        finally:
            await link.aclose()
        return {n: None if life == -2 else life for n, life in zip(names, lives, strict=True)}  # noqa: PLR2004  PTTL's word for no key

    async def _control(self) -> Sequence[CheckResult]:
        async with control_store(self._settings) as store:
            reading = await store.read()
        flag = self._settings.text("QTOPS_ESS_FLAG")
        files = read_switch_files(self._places.etc, self._places.cwd / flag if flag else None)
        namespace = self._settings.text("QTOPS_NAMESPACE")
        return judge_switches(read_board(reading, self._places.environ, namespace, files))

    async def _permits(self) -> Sequence[CheckResult]:
        return judge_permits(await self._read_permits())

    async def _read_permits(self) -> PermitAudit:
        async with permit_source(self._settings) as source:
            budget = Budget(self._clock)
            return await audit_permits(source, budget, window_ms=WINDOW_MS, sample=0)

    async def _streams(self) -> Sequence[CheckResult]:
        return judge_streams(await self._once("streams", self._read_streams))

    async def _read_streams(self) -> StreamAudit:
        async with stream_source(self._settings) as source:
            sample = await read_streams(source, Budget(self._clock))
            return judge(sample, None, Registry(source.names, frozenset(BUILDERS)))

    async def _paths(self) -> Sequence[CheckResult]:
        """Redis must answer; without systemd the streams and heartbeats alone speak."""
        streams = await self._once("streams", self._read_streams)
        beats = await self._once("beats", self._read_beats)
        units: Sequence[UnitReading] | Missing
        try:
            units = await self._once("units", self._read_units)
        except HostError as error:
            units = Missing(error.message)
        prefix = f"{self._settings.text('QTOPS_NAMESPACE')}:stream:"
        newest = {
            state.stream.name.removeprefix(prefix): state.stream.last_id.ms
            for state in streams.streams
            if state.stream.length
        }
        faults = [
            (stream.removeprefix(prefix), group, what)
            for stream, group, what in stream_faults(streams)
        ]
        beating = frozenset() if isinstance(beats, Missing) else _living(beats)
        self.paths = tuple(trace_paths(Signs(streams.now_ms, units, newest, faults, beating)))
        return judge_paths(self.paths)


def _has_env_files(directory: Path) -> bool:
    return any(directory.glob("*.env"))


def _living(beats: Mapping[str, int | None]) -> frozenset[str]:
    """A heartbeat that never expires proves nothing."""
    return frozenset(name for name, life in beats.items() if life is not None and life >= 0)
