"""What services, audits and proofs need from the outside, as protocols; adapters implement them."""

from qtops.ports.control import ControlReading, ControlStore, SendingOrder
from qtops.ports.gates import GateStore, Issue, SnapshotStore
from qtops.ports.inbox import AccountFeed, DecisionFeed, Delivery, Heartbeats, Inbox
from qtops.ports.plans import AdmissionReading, ClaimReading, PlanStore, Settlement
from qtops.ports.sources import PermitEntry, PermitSource, ResultSource, StreamEntry
from qtops.ports.user_stream import EventLog, StreamListener, UserStream
from qtops.ports.venue import Clock, Venue

__all__ = [
    "AccountFeed",
    "AdmissionReading",
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
    "PermitEntry",
    "PermitSource",
    "PlanStore",
    "ResultSource",
    "SendingOrder",
    "Settlement",
    "SnapshotStore",
    "StreamEntry",
    "StreamListener",
    "UserStream",
    "Venue",
]
