"""What services, audits and proofs need from the outside, as protocols; adapters implement them."""

from qtops.ports.breakers import BreakerReading, BreakerStore
from qtops.ports.control import ControlReading, ControlStore, SendingOrder
from qtops.ports.gates import GateStore, Issue, Promise, SnapshotStore
from qtops.ports.inbox import AccountFeed, DecisionFeed, Delivery, Heartbeats, Inbox
from qtops.ports.market import MarketStore
from qtops.ports.plans import AdmissionReading, ClaimReading, PlanStore, Settlement
from qtops.ports.reconcile import BookReading, Rebook, ReconcileStore, SymbolReading
from qtops.ports.risk import RiskStore
from qtops.ports.sources import PermitEntry, PermitSource, ResultSource, StreamEntry
from qtops.ports.universe import UniverseReading, UniverseSource, UniverseStore
from qtops.ports.user_stream import EventLog, StreamListener, UserStream
from qtops.ports.venue import Clock, Venue

__all__ = [
    "AccountFeed",
    "AdmissionReading",
    "BookReading",
    "BreakerReading",
    "BreakerStore",
    "ClaimReading",
    "Clock",
    "ControlReading",
    "ControlStore",
    "DecisionFeed",
    "Delivery",
    "EventLog",
    "GateStore",
    "Heartbeats",
    "Inbox",
    "Issue",
    "MarketStore",
    "PermitEntry",
    "PermitSource",
    "PlanStore",
    "Promise",
    "Rebook",
    "ReconcileStore",
    "ResultSource",
    "RiskStore",
    "SendingOrder",
    "Settlement",
    "SnapshotStore",
    "StreamEntry",
    "StreamListener",
    "SymbolReading",
    "UniverseReading",
    "UniverseSource",
    "UniverseStore",
    "UserStream",
    "Venue",
]
