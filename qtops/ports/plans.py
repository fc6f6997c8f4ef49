"""The executor's side of a plan: claim, admission, settlement."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from qtops.contracts.claim import Claim
from qtops.contracts.exit_event import ExitEvent
from qtops.contracts.facts import NOT_REQUESTED, ControlState, Fact
from qtops.contracts.permit import Permit
from qtops.contracts.plan import Plan
from qtops.contracts.result import Result
from qtops.contracts.universe import Allowlist
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.ports.inbox import Delivery


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
    restarted, 0 if it did not. `universe` is what the exchange listed, if that was asked for.
    """

    now_us: int
    claim: Claim | None
    run_id: str
    restarted_ms: int
    universe: Fact[Allowlist] = NOT_REQUESTED


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
    exit_events: tuple[ExitEvent, ...] = ()


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
        self,
        plan: Plan,
        deadline_ms: int,
        quantity: Decimal,
        run_id: str,
        event: ExitEvent | None = None,
    ) -> str:
        """Write ahead. Empty when done; else `lost` (not ours), `epoch` (a kill), `restarted`.

        `event` is written in the same step, the first time the plan gets here.
        """
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
