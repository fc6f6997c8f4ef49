"""The operator's hand on the stop switches."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from qtops.contracts.control import ControlChange, Mode
from qtops.contracts.vocabulary import GateMode, TradingState


@dataclass(frozen=True, slots=True)
class ControlReading:
    """Every stop switch as stored, at one moment. None is an absent key.

    A value that is no string reads `(hash)` and the like. `legacy` holds only what is there.
    A TTL is -2 for an absent key and -1 without expiry.
    """

    now_ms: int
    kill: str | None
    epoch: str | None
    mode: str | None
    manual_lane: str | None
    manual_lane_ttl_ms: int
    record: Mapping[str, str]
    legacy: Mapping[str, str]
    rollout: str | None = None
    bridge_pause: str | None = None
    bridge_pause_ttl_ms: int = -2
    exit_mode: str | None = None
    breakers: Mapping[str, str] = field(default_factory=dict)


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

    async def trip(self, kill: str, epoch: str, by: str, reason: str) -> ControlChange | None:
        """ACTIVE to REDUCING, if value and epoch are still those that were read; else None.

        So a breaker can neither loosen a halt nor undo a re-arming that it has not seen.
        """
        ...

    async def set_mode(self, mode: Mode, by: str, reason: str) -> ControlChange:
        """Value and audit entry in one step."""
        ...

    async def set_rollout(self, pct: int, by: str, reason: str) -> ControlChange: ...

    async def set_exit_mode(self, mode: GateMode, by: str, reason: str) -> ControlChange: ...

    def sending(self) -> AsyncGenerator[Sequence[SendingOrder], None]:
        """Plans whose order may be on its way, page by page; a page may be empty."""
        ...
