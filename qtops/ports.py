"""What services and proofs need from the outside world, as protocols. Adapters implement them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from qtops.contracts.claim import Claim
from qtops.contracts.control import ControlChange, Mode
from qtops.contracts.dead_letter import DeadLetter
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.facts import ControlState, Fact, Facts, Portfolio, Reservation
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.registry import Names, Service, Stream
from qtops.contracts.result import Result
from qtops.contracts.venue import (
    Filters,
    OrderRequest,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from qtops.contracts.vocabulary import DenyReason, FactName, GateName, TradingState


class Clock(Protocol):
    """Time, in UTC milliseconds, and monotonic milliseconds for durations."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> float: ...


class Venue(Protocol):
    """The exchange. Every method raises VenueError with what is known about the outcome."""

    @property
    def recv_window_ms(self) -> int: ...

    def timestamp_ms(self) -> int:
        """Our best estimate of the exchange's clock now; what the next request would carry."""
        ...

    async def account_mode(self) -> Literal["one_way", "hedge"]:
        """How the account keeps positions; only one-way is supported."""
        ...

    async def sync_clock(self) -> int:
        """Measure the exchange's clock; returns exchange minus local, in milliseconds."""
        ...

    async def filters(self) -> dict[str, Filters]:
        """Trading rules of every symbol."""
        ...

    async def positions(self, symbol: str | None = None) -> list[VenuePosition]:
        """Non-empty positions (all symbols in one call when `symbol` is None)."""
        ...

    async def mark_prices(self) -> dict[str, Decimal]: ...

    async def closes(self, symbol: str, interval: str, limit: int) -> list[Decimal]:
        """Closing prices of the newest `limit` klines, oldest first, the running one included."""
        ...

    async def balance(self) -> VenueBalance: ...

    async def place_order(self, order: OrderRequest, timestamp_ms: int) -> VenueOrder:
        """Send one order signed with `timestamp_ms`; after that plus recv_window it cannot land."""
        ...

    async def find_order(self, symbol: str, client_order_id: str) -> VenueOrder | None:
        """The order by our id, None when the exchange does not know it."""
        ...

    async def recent_orders(self, symbol: str, limit: int) -> list[VenueOrder]: ...

    async def trades(self, symbol: str, order_id: str) -> list[VenueTrade]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One stream entry, as a consumer group handed it out for the `count`-th time."""

    stream: Stream
    entry_id: str
    raw: Mapping[bytes, bytes]
    count: int = 1

    @property
    def entry_ms(self) -> int:
        """When Redis accepted the entry (its server's UTC ms)."""
        return int(self.entry_id.partition("-")[0])


class Inbox(Protocol):
    """One stream, as one service's consumer group hands it out."""

    stream: Stream
    trimmed_unread: int

    async def own_pending(self, count: int) -> list[Delivery]:
        """What an earlier life of this consumer left unacknowledged."""
        ...

    async def ensure_groups(self) -> None: ...

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        """New entries; waits up to `block_ms` for the first."""
        ...

    async def claim_stale(self, min_idle_ms: int, count: int) -> list[Delivery]:
        """Entries that a dead consumer left pending; trimmed ones are counted and dropped."""
        ...

    async def acknowledge(self, delivery: Delivery) -> None: ...

    async def dead_letter(
        self, delivery: Delivery, letter: DeadLetter, result: Result | None
    ) -> None:
        """Move the entry to the dlq and acknowledge it, once; `result` ends a plan without end."""
        ...


@dataclass(frozen=True, slots=True)
class Issue:
    """One decision to be written: permit or denial, its record, and the acknowledgement.

    `reservation` is promised only if the reservations still stand at `expected_version`.
    """

    delivery: Delivery
    permit: Permit
    record: DecisionRecord
    reservation: Reservation | None = None
    expected_version: int | None = None


class GateStore(Protocol):
    """What a gate reads and writes."""

    async def facts(
        self, plans: Sequence[Plan], wanted: frozenset[FactName]
    ) -> tuple[int, list[Facts]]:
        """(now in Redis server µs, facts for each plan), in one round trip."""
        ...

    async def issue(self, issues: Sequence[Issue]) -> list[bool]:
        """Write in order, in one round trip. False: the reservations moved, decide again."""
        ...

    async def prune(self, states: Mapping[str, str]) -> int:
        """Drop reservations (plan id → the state they must still be in)."""
        ...


@dataclass(frozen=True, slots=True)
class AdmissionReading:
    """Everything admission rests on, with the bytes that compare-and-swap will compare."""

    now_us: int
    control: Fact[ControlState]
    permits: Mapping[GateName, Permit | DenyReason | None]
    raw: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class ClaimReading:
    """What an earlier delivery of a plan left behind, and which life of the server says so.

    `run_id` changes when Redis restarts; what was concluded from this reading holds only under it:
    the file may have lost its last second, with claims in it. `restarted_ms` is when Redis last
    restarted, 0 if it did not.
    """

    now_us: int
    claim: Claim | None
    run_id: str
    restarted_ms: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of a plan, applied in one script. `book_amount` None leaves the book alone.

    `run_id`: the server life that the conclusion rests on; empty when it rests on the order itself.
    `book_read_ms`: when the position was read that a new book starts from; 0 when there is a book.
    """

    delivery: Delivery
    plan: Plan
    result: Result
    filled: bool
    book_amount: Decimal | None = None
    expected_book_version: int = 0
    book_read_ms: int = 0
    run_id: str = ""


class PlanStore(Protocol):
    """The executor's side of a plan: claim, write-ahead, settlement."""

    async def claim(self, plan_id: str) -> ClaimReading: ...

    async def take_over(self, plan_id: str, claim: Claim) -> bool:
        """Make a dead owner's claim ours; False when someone was faster."""
        ...

    async def admission(self, plan: Plan) -> AdmissionReading: ...

    async def admit(
        self, plan: Plan, reading: AdmissionReading, client_order_id: str, run_id: str
    ) -> str:
        """Consume the permits and write `claimed`, if nothing of the reading has changed.

        Empty when done; else `changed`, `claimed` (by another), `unreserved` or `restarted`.
        """
        ...

    async def mark_sending(
        self, plan: Plan, deadline_ms: int, quantity: Decimal, run_id: str
    ) -> str:
        """Write ahead. Empty when done; else `lost` (not ours), `epoch` (a kill), `restarted`."""
        ...

    async def mark_unknown(self, plan: Plan, now_ms: int) -> None:
        """Keep the worst case reserved and block opens of the symbol, if the plan is ours."""
        ...

    async def book(self, symbol: str) -> tuple[Decimal | None, int]:
        """(signed amount or None, version)."""
        ...

    async def snapshot_position(self, symbol: str) -> tuple[Decimal, int] | None:
        """(signed amount, age in ms) from the last snapshot."""
        ...

    async def mark_price(self, symbol: str) -> Decimal | None: ...

    async def settle(self, settlement: Settlement) -> str:
        """`settled`, `already` (acknowledged only), `lost`, `restarted` or `book` (retry)."""
        ...


class DecisionFeed(Protocol):
    """`gate.decision` as it grows, from `start` on."""

    async def start(self) -> None: ...

    def records(self) -> AsyncIterator[DecisionRecord]: ...


class SnapshotStore(Protocol):
    """Where the snapshot publisher writes what the exchange shows."""

    async def now_ms(self) -> int: ...

    async def positions(
        self, portfolio: Portfolio, symbols: frozenset[str], observed_at_ms: int
    ) -> None:
        """All of one reading at once; `symbols` without a position are written flat."""
        ...

    async def marks(self, prices: Mapping[str, Decimal], observed_at_ms: int) -> None: ...

    async def volatility(self, sigma: Mapping[str, Decimal], observed_at_ms: int) -> None: ...

    async def filters(self, rules: Mapping[str, Filters], observed_at_ms: int) -> None: ...


class Heartbeats(Protocol):
    """Proof of life and progress, with a TTL."""

    async def beat(self, fields: Mapping[str, str]) -> None: ...

    async def stop(self) -> None: ...


StreamEntry = tuple[bytes, Mapping[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class PermitEntry:
    """One key under a permit prefix. A negative `ttl_ms` means that it does not expire.

    `value` is bytes for a string and a mapping for a hash; None when it is of another `kind`, or
    was not asked for.
    """

    key: bytes
    ttl_ms: int = -1
    kind: str = ""
    value: bytes | Mapping[bytes, bytes] | None = None


class PermitSource(Protocol):
    """What an audit of permits reads. Pages come as they are read, so that the reader may stop."""

    @property
    def names(self) -> Names: ...

    async def now_ms(self) -> int: ...

    async def beats(self, services: Sequence[Service]) -> Sequence[int | None]:
        """Each heartbeat's remaining ms; None when there is none, negative without expiry."""
        ...

    def permits(
        self, wanted: Callable[[bytes], bool]
    ) -> AsyncGenerator[Sequence[PermitEntry], None]:
        """Every key under the permit prefix, once; the values of those that are `wanted`."""
        ...

    async def permits_at(self, keys: Sequence[bytes]) -> Sequence[PermitEntry]:
        """These keys alone; absent ones are left out."""
        ...

    def since(self, stream: Stream, start_ms: int) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """The stream's entries from `start_ms` on, newest first."""
        ...

    async def claim(self, plan_id: bytes) -> Mapping[bytes, bytes]:
        """The executor's claim on the plan as stored; empty when there is none."""
        ...


class ResultSource(Protocol):
    """`apply.result`, backwards and onwards."""

    async def now_ms(self) -> int: ...

    def newest(self, count: int) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """Up to `count` entries, newest first."""
        ...

    def after(
        self, entry_id: bytes, timeout_s: float
    ) -> AsyncGenerator[Sequence[StreamEntry], None]:
        """Entries that are added after `entry_id`, oldest first; ends at the timeout."""
        ...


@dataclass(frozen=True, slots=True)
class ControlReading:
    """Every stop switch as stored, at one moment. None is an absent key.

    A value that is no string reads `(hash)` and the like. `legacy` holds only what is there.
    """

    now_ms: int
    kill: str | None
    epoch: str | None
    mode: str | None
    manual_lane: str | None
    manual_lane_ttl_ms: int
    record: Mapping[str, str]
    legacy: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SendingOrder:
    """An order past the last look at the kill switch; it may reach the exchange until the fence."""

    plan_id: str
    client_order_id: str
    send_deadline_ms: int


class ControlStore(Protocol):
    """The operator's hand on the stop switches."""

    async def read(self) -> ControlReading: ...

    async def set_kill(self, state: TradingState, by: str, reason: str) -> ControlChange:
        """Value, new epoch, record and audit entry in one step."""
        ...

    async def set_mode(self, mode: Mode, by: str, reason: str) -> ControlChange:
        """Value and audit entry in one step."""
        ...

    def sending(self) -> AsyncGenerator[Sequence[SendingOrder], None]:
        """Plans whose order may be on its way, page by page; a page may be empty."""
        ...
