"""What services, audits and proofs need from the outside, as protocols; adapters implement them."""

from qtops.ports.control import ControlReading, ControlStore, SendingOrder
from qtops.ports.gates import GateStore, Issue, Promise, SnapshotStore
from qtops.ports.inbox import DecisionFeed, Delivery, Heartbeats, Inbox
from qtops.ports.market import MarketStore
from qtops.ports.plans import AdmissionReading, ClaimReading, PlanStore, Settlement
from qtops.ports.sources import PermitEntry, PermitSource, ResultSource, StreamEntry
from qtops.ports.venue import Clock, Venue

__all__ = [
    "AdmissionReading",
    "ClaimReading",
    "Clock",
    "ControlReading",
    "ControlStore",
    "DecisionFeed",
    "Delivery",
    "GateStore",
    "Heartbeats",
    "Inbox",
    "Issue",
    "MarketStore",
    "PermitEntry",
    "PermitSource",
    "PlanStore",
    "Promise",
    "ResultSource",
    "SendingOrder",
    "Settlement",
    "SnapshotStore",
    "StreamEntry",
    "Venue",
]
