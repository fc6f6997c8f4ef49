"""Every Redis name there is: its type, its one writer, its readers, how long it lives.

No other module spells a name. `Names` binds the registry to a namespace (`quantum`, or a hash tag
such as `{quantum}` on a cluster). `docs/contracts.md` is generated from these rows.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from qtops.contracts.vocabulary import GateName

PERMIT_TTL_S = 60
HEARTBEAT_TTL_S = 15


class Service(StrEnum):
    """Everything that writes or reads, by the name that `qtops run` knows it by."""

    GOVERNOR = "governor"
    PORTFOLIO_GATE = "portfolio-gate"
    POSITION_GATE = "position-gate"
    EXECUTOR = "executor"
    SNAPSHOTS = "snapshots"
    INTENT_BRIDGE = "intent-bridge"
    RECONCILE = "reconcile"
    BOTS = "bots"
    OPERATOR = "operator"
    AUDITS = "audits"
    EVERY = "every service, its own"


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


class Stream(Enum):
    """The streams, by the operators' names."""

    TRADE_INTENT = StreamSpec(
        "trade.intent",
        "Intent",
        (Service.BOTS,),
        (GroupSpec("{namespace}:group:intent_bridge", Service.INTENT_BRIDGE),),
        (Service.AUDITS,),
        100_000,
        "what bots want",
        Service.INTENT_BRIDGE,
    )
    APPLY_PLAN = StreamSpec(
        "apply.plan",
        "Plan",
        (Service.INTENT_BRIDGE, Service.OPERATOR),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor", Service.EXECUTOR),
        ),
        (Service.AUDITS,),
        10_000,
        "plans that ask for an order",
        Service.EXECUTOR,
    )
    APPLY_PLAN_MANUAL = StreamSpec(
        "apply.plan.manual",
        "Plan",
        (Service.OPERATOR,),
        (
            GroupSpec("governor", Service.GOVERNOR),
            GroupSpec("p26_portfolio_gate", Service.PORTFOLIO_GATE),
            GroupSpec("p33", Service.POSITION_GATE),
            GroupSpec("intent_executor_manual", Service.EXECUTOR),
        ),
        (Service.AUDITS,),
        10_000,
        "the operator's own plans; read only while the manual lane is open",
        Service.EXECUTOR,
    )
    APPLY_RESULT = StreamSpec(
        "apply.result",
        "Result",
        (Service.EXECUTOR,),
        (),
        (Service.AUDITS,),
        10_000,
        "what became of each plan",
    )
    GATE_DECISION = StreamSpec(
        "gate.decision",
        "DecisionRecord",
        (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE),
        (),
        (Service.EXECUTOR, Service.AUDITS),
        50_000,
        "every decision of every gate; wakes the executor",
    )
    CONTROL_AUDIT = StreamSpec(
        "control.audit",
        "ControlChange",
        (Service.OPERATOR,),
        (),
        (Service.AUDITS,),
        10_000,
        "who changed a stop switch, when, why",
    )
    DLQ = StreamSpec(
        "dlq",
        "DeadLetter",
        (Service.EXECUTOR, Service.INTENT_BRIDGE),
        (),
        (Service.AUDITS,),
        10_000,
        "messages nobody could decode, with reason and origin",
    )


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key or family of keys. `ttl_s` None means it does not expire, with the reason beside."""

    template: str
    kind: str
    writer: Service
    readers: tuple[Service, ...]
    ttl_s: int | None
    purpose: str


_GATES = (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE)
_ALL_GATES_AND_EXECUTOR = (*_GATES, Service.EXECUTOR)


class Key(Enum):
    """The keys. A permit family's prefix is what `audit permits` classifies by."""

    PERMIT_GOVERNOR = KeySpec(
        "permit:{plan_id}",
        "string (JSON)",
        Service.GOVERNOR,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the governor's permit or denial",
    )
    PERMIT_PORTFOLIO = KeySpec(
        "permit:p26:{plan_id}",
        "string (JSON)",
        Service.PORTFOLIO_GATE,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the portfolio gate's permit: final action and allowed fraction",
    )
    PERMIT_POSITION = KeySpec(
        "permit:p33:{plan_id}",
        "string (JSON)",
        Service.POSITION_GATE,
        (Service.EXECUTOR, Service.AUDITS),
        PERMIT_TTL_S,
        "the position gate's permit: safe quantity",
    )
    GOVERNOR_BLOCK = KeySpec(
        "governor:block:{plan_id}",
        "string (JSON)",
        Service.GOVERNOR,
        (Service.AUDITS,),
        3600,
        "why the governor refused, kept for an hour",
    )
    RESERVATIONS = KeySpec(
        "governor:reservations",
        "hash plan_id → JSON",
        Service.GOVERNOR,
        (Service.GOVERNOR, Service.EXECUTOR),
        None,
        "capacity promised to plans, each record with its own expiry; the executor's admission "
        "and settlement scripts move them on",
    )
    RESERVATIONS_VERSION = KeySpec(
        "governor:reservations:version",
        "string (integer)",
        Service.GOVERNOR,
        (Service.GOVERNOR,),
        None,
        "bumped by every change of the reservations; what compare-and-swap compares",
    )
    OPEN_HISTORY = KeySpec(
        "governor:exec:{symbol}",
        "sorted set plan_id → ms",
        Service.EXECUTOR,
        (Service.GOVERNOR,),
        86_400,
        "filled opens of the last day, for the hourly and burst limits",
    )
    TRADE_COOLDOWN = KeySpec(
        "governor:last_exec:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.GOVERNOR,),
        3600,
        "when the symbol was last opened",
    )
    EXEC_COOLDOWN = KeySpec(
        "cooldown:last_exec_ts:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.POSITION_GATE,),
        3600,
        "when the symbol last had an order filled",
    )
    HEAT_COOLDOWN = KeySpec(
        "p26:cooldown:{symbol}",
        "string (ms)",
        Service.EXECUTOR,
        (Service.PORTFOLIO_GATE,),
        3600,
        "when the symbol last had a proposed close filled",
    )
    POSITION = KeySpec(
        "state:positions:{symbol}",
        "hash",
        Service.SNAPSHOTS,
        (Service.POSITION_GATE, Service.EXECUTOR, Service.AUDITS),
        3600,
        "the exchange's position; flat is written as zero",
    )
    PORTFOLIO = KeySpec(
        "state:portfolio",
        "hash",
        Service.SNAPSHOTS,
        (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.AUDITS),
        3600,
        "all positions at one moment, and equity",
    )
    MARKET = KeySpec(
        "state:market:{symbol}",
        "hash",
        Service.SNAPSHOTS,
        (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.EXECUTOR),
        3600,
        "the exchange's mark price",
    )
    VOLATILITY = KeySpec(
        "state:volatility",
        "hash symbol → decimal",
        Service.SNAPSHOTS,
        (Service.PORTFOLIO_GATE,),
        3600,
        "daily standard deviation of log returns, from the exchange's klines",
    )
    FILTERS = KeySpec(
        "exchange:filters",
        "hash symbol → JSON",
        Service.SNAPSHOTS,
        (Service.POSITION_GATE,),
        86_400,
        "lot steps and minimums from exchangeInfo",
    )
    BOOK = KeySpec(
        "position:ledger:{symbol}",
        "hash",
        Service.EXECUTOR,
        (Service.POSITION_GATE, Service.AUDITS),
        None,
        "our book: the position as our own fills add up; it must outlive restarts",
    )
    KILL = KeySpec(
        "kill",
        "string",
        Service.OPERATOR,
        _ALL_GATES_AND_EXECUTOR,
        None,
        "0 ACTIVE, reduce REDUCING, 1 HALTED; absent is HALTED",
    )
    KILL_EPOCH = KeySpec(
        "kill:epoch",
        "string (integer)",
        Service.OPERATOR,
        _ALL_GATES_AND_EXECUTOR,
        None,
        "bumped by every change of the kill switch; voids every permit out",
    )
    KILL_RECORD = KeySpec(
        "kill:record",
        "hash",
        Service.OPERATOR,
        (Service.AUDITS,),
        None,
        "who set the kill switch last, when, why",
    )
    MODE = KeySpec(
        "mode",
        "string",
        Service.OPERATOR,
        (Service.GOVERNOR, Service.EXECUTOR),
        None,
        "TESTNET, MAINNET or DRY_RUN; absent admits test venues only",
    )
    ROLLOUT = KeySpec(
        "rollout",
        "string (integer)",
        Service.OPERATOR,
        (Service.GOVERNOR,),
        None,
        "per cent of the symbols that automated plans may open, 0 to 100; absent is 100",
    )
    MANUAL_LANE = KeySpec(
        "manual_lane:enabled",
        "string",
        Service.OPERATOR,
        _ALL_GATES_AND_EXECUTOR,
        900,
        "`1` while the operator's lane is open; always with an expiry",
    )
    BRIDGE_PAUSE = KeySpec(
        "intent_bridge:pause",
        "string",
        Service.OPERATOR,
        (Service.INTENT_BRIDGE,),
        15,
        "lease that quiets the bridge; lapses when its holder dies",
    )
    RECONCILE_HOLD = KeySpec(
        "reconcile:hold:{symbol}",
        "string",
        Service.RECONCILE,
        (Service.POSITION_GATE,),
        300,
        "book and exchange disagree on this symbol",
    )
    CLAIM = KeySpec(
        "exec:claim:{plan_id}",
        "hash",
        Service.EXECUTOR,
        (Service.EXECUTOR, Service.AUDITS),
        86_400,
        "how far the executor got with a plan",
    )
    SERVER_RUN = KeySpec(
        "exec:server_run",
        "hash",
        Service.EXECUTOR,
        (Service.EXECUTOR,),
        None,
        "the Redis run_id the executor last saw, and since when",
    )
    RATE_BUDGET = KeySpec(
        "exchange:weight:{key_id}",
        "hash",
        Service.EXECUTOR,
        (Service.EXECUTOR, Service.SNAPSHOTS),
        120,
        "used request weight and orders of one API key, from response headers",
    )
    HEARTBEAT = KeySpec(
        "heartbeat:{service}",
        "hash",
        Service.EVERY,
        (Service.AUDITS,),
        HEARTBEAT_TTL_S,
        "written by each service itself; its absence is its death",
    )


PERMIT_KEYS = {
    GateName.GOVERNOR: Key.PERMIT_GOVERNOR,
    GateName.PORTFOLIO: Key.PERMIT_PORTFOLIO,
    GateName.POSITION: Key.PERMIT_POSITION,
}
GATE_SERVICES = {
    GateName.GOVERNOR: Service.GOVERNOR,
    GateName.PORTFOLIO: Service.PORTFOLIO_GATE,
    GateName.POSITION: Service.POSITION_GATE,
}


@dataclass(frozen=True, slots=True)
class Names:
    """The registry under one namespace."""

    namespace: str

    def stream(self, stream: Stream) -> str:
        return f"{self.stream_prefix()}{stream.value.name}"

    def stream_prefix(self) -> str:
        """What the name of every stream, declared or not, starts with."""
        return f"{self.namespace}:stream:"

    def key(self, key: Key, **parts: str) -> str:
        """The full key. A missing part raises KeyError: a template is never half filled."""
        return f"{self.namespace}:{key.value.template.format(**parts)}"

    def prefix(self, key: Key) -> str:
        """What every key of the family starts with."""
        return f"{self.namespace}:{key.value.template.partition('{')[0]}"

    def group(self, stream: Stream, service: Service) -> str:
        """The consumer group through which `service` reads `stream`."""
        spec = next(g for g in stream.value.groups if g.service is service)
        return spec.name.format(namespace=self.namespace)
