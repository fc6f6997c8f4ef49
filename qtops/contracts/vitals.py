"""What `qtops health` reads, before anybody judges it. Times are the Redis server's, in UTC ms."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from qtops.contracts.facts import Missing
from qtops.contracts.registry import Service, Stream
from qtops.contracts.universe import UniverseMeta
from qtops.contracts.vocabulary import GateName


@dataclass(frozen=True, slots=True)
class ServerVitals:
    """Redis itself. `memory_limit_bytes` 0: no limit. The words are the server's own."""

    latency_ms: Decimal
    memory_bytes: int
    memory_limit_bytes: int
    last_save: str
    last_append: str
    last_rewrite: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat's remaining life; None when there is none, negative when it never expires."""

    service: Service
    ttl_ms: int | None


@dataclass(frozen=True, slots=True)
class GroupVitals:
    """One declared consumer group of the stream at `key`. `lag` None: the server does not know."""

    key: str
    stream: Stream
    service: Service
    group: str
    exists: bool
    length: int
    pending: int = 0
    lag: int | None = None
    oldest_pending_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PermitFlow:
    """Automated plans that ask for an order, and who decided them when; from `since_ms` on."""

    since_ms: int
    plans: Mapping[str, int]
    decisions: Mapping[GateName, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RedisVitals:
    """Everything that lies in Redis, in one reading. `Missing` is a part that could not be read."""

    now_ms: int
    server: ServerVitals | Missing
    beats: tuple[Beat, ...] | Missing
    groups: tuple[GroupVitals, ...] | Missing
    flow: PermitFlow | Missing
    kill: str | Missing | None
    snapshot_at_ms: int | Missing
    universe: UniverseMeta | Missing
    newest: Mapping[Stream, int | None] | Missing


@dataclass(frozen=True, slots=True)
class DiskVitals:
    """One file system: what is free of its bytes and its inodes (None: it has no limit)."""

    mount: str
    free_bytes: int
    free_ratio: Decimal
    inodes_free_ratio: Decimal | None


@dataclass(frozen=True, slots=True)
class OpenOperation:
    """An operation that was begun and not ended, and the command that ends it."""

    operation_id: str
    what: str
    opened_at_ms: int
    command: str
