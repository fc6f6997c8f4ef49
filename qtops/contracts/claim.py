"""The executor's claim on a plan: who is working on it, how far, and until when a send can land."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from qtops.contracts.codec import Fields


class ClaimState(StrEnum):
    """How far a plan got. `sending` may have reached the exchange."""

    CLAIMED = "claimed"
    SENDING = "sending"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Claim:
    """`exec:claim:PLAN_ID`. `send_deadline_ms` is on the exchange's clock: the fence.

    `permits` is what was consumed at admission (JSON, gate → permit), so that whoever takes the
    claim over knows how much was allowed.
    """

    state: ClaimState
    client_order_id: str
    attempt: int
    owner: str
    plan_digest: str
    send_deadline_ms: int = 0
    quantity: str = ""
    permits: str = ""

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Claim":
        """Strict: `sending` without its fence would be resent before the first request lapsed."""
        fields = Fields(raw)
        state = fields.need_word(ClaimState, "state")
        is_sending = state is ClaimState.SENDING
        deadline = fields.take("send_deadline_ms")
        return cls(
            state=state,
            client_order_id=fields.need("client_order_id"),
            attempt=fields.need_int("attempt"),
            owner=fields.take("owner") or "",
            plan_digest=fields.take("plan_digest") or "",
            send_deadline_ms=fields.need_int("send_deadline_ms") if deadline or is_sending else 0,
            quantity=fields.take("quantity") or "",
            permits=fields.take("permits") or "",
        )
