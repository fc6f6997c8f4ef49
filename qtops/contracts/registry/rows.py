"""What a row of the registry says, and every service that writes or reads."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """Everything that writes or reads, by the name that `qtops run` knows it by."""

    GOVERNOR = "governor"
    PORTFOLIO_GATE = "portfolio-gate"
    POSITION_GATE = "position-gate"
    EXECUTOR = "executor"
    SNAPSHOTS = "snapshots"
    MARKET_STATE = "market-state"
    UNIVERSE = "universe"
    INTENT_BRIDGE = "intent-bridge"
    INTAKE = "intake"
    PRODUCER = "producer"
    CLUSTERS = "clusters"
    RISK_BUDGET = "risk-budget"
    HARVEST = "harvest"
    HEAT_CALIBRATION = "heat-calibration"
    APPLY_LAYER = "apply-layer"
    EXIT_MONITOR = "exit-monitor"
    RECONCILE = "reconcile"
    USER_STREAM = "user-stream"
    BREAKERS = "breakers"
    ANALYTICS = "analytics"
    BOTS = "bots"
    OPERATOR = "operator"
    AUDITS = "audits"
    EVERY = "every service, its own"

    @property
    def metrics_setting(self) -> str:
        """The setting that holds the port of the service's metrics."""
        name = self.value.removesuffix("-gate").replace("-", "_").upper()
        return f"QTOPS_METRICS_PORT_{name}"

    @property
    def by_name_only(self) -> bool:
        """Not among `all`: it listens to other programs, and needs a token of the operator's."""
        return self is Service.INTAKE


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A consumer group and the service that reads through it."""

    name: str
    service: Service


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream. `dead_letters` is the one service that moves undecodable entries to the dlq."""

    name: str
    message: str
    writers: tuple[Service, ...]
    groups: tuple[GroupSpec, ...]
    readers: tuple[Service, ...]
    maxlen: int
    purpose: str
    dead_letters: Service | None = None


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key or family of keys. `ttl_s` None means it does not expire, with the reason beside."""

    template: str
    kind: str
    writer: Service
    readers: tuple[Service, ...]
    ttl_s: int | None
    purpose: str
