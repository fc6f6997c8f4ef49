"""A host, its units, ports and Redis as they were found at one moment: values, without judgement.

What could not be read is None or `Missing`, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.facts import Missing
from qtops.contracts.vitals import DiskVitals


@dataclass(frozen=True, slots=True)
class UnitState:
    """One service as `systemctl show` tells it. `started_ms` is when its last process began."""

    name: str
    load: str
    active: str
    sub: str = ""
    kind: str = ""
    file_state: str = ""
    result: str = ""
    exit_status: int | None = None
    restarts: int | None = None
    started_ms: int | None = None
    user: str = ""
    directory: str = ""
    environment_files: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    needs_reload: bool = False

    @property
    def service(self) -> str:
        """What the unit runs: its name without `quantum-`, `qtops-` and `.service`."""
        stem = self.name.removesuffix(".service")
        return stem.removeprefix("quantum-").removeprefix("qtops-").replace("_", "-")


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What a unit would run if it were started now.

    `entry` is the file its command names; `changed_ms` and `changed` are the newest of that file,
    of the tree's last checkout and of the environment files. `spelled` are Redis names that its
    package spells, without the namespace.
    """

    entry: str = ""
    changed_ms: int | None = None
    changed: str = ""
    conflict_line: int | None = None
    spelled: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitReading:
    """A unit, its code, the last lines it logged; `beat_ms` is its heartbeat's remaining life."""

    state: UnitState
    code: CodeReading
    log: tuple[str, ...] | Missing = ()
    beat_ms: int | Missing | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket. `pid` is None when its owner may not be seen."""

    address: str
    port: int
    pid: int | None = None
    process: str = ""
    unit: str = ""

    @property
    def is_loopback(self) -> bool:
        return self.address.startswith("127.") or self.address == "::1"

    @property
    def owner(self) -> str:
        """The unit, else the process, else what is known of it."""
        if self.pid is None:
            return "owner unknown"
        return self.unit or f"{self.process or 'process'} ({self.pid})"


@dataclass(frozen=True, slots=True)
class HostReading:
    """Resources of the machine. Memory in bytes; load is the five-minute average."""

    disks: tuple[DiskVitals, ...]
    memory_total: int | None = None
    memory_available: int | None = None
    load: Decimal | None = None
    processors: int = 1
    log_bytes: int | None = None
    log_filesystem_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RedisReading:
    """The server's own account of itself. A part that it refuses is `Missing`."""

    version: str
    policy: str
    memory_limit: int
    aof: bool
    replicas: int
    default_user: str | Missing
    bind: str | Missing
    protected: str | Missing
    clock_offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class KeyCensus:
    """What a scan of the namespace found.

    `immortal`: family (the registry's template) → keys of it that never expire and should.
    `names`: every key that is no member of a large family, without the namespace.
    """

    keys: int
    immortal: Mapping[str, tuple[str, ...]]
    prefixes: Mapping[str, int]
    is_partial: bool
