"""`apply.result`: what became of a plan, exactly one for each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from qtops.contracts.codec import (
    Fields,
    fmt_bool,
    fmt_instant,
    parse_bool,
    parse_instant_ms,
    parse_json_object,
    text_of,
)
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal

EVENT_TYPE = "apply.result"
_ORDER_ID_NAMES = ("order_id", "orderId")
_NO_ORDER_ID = frozenset({"", "null", "none", "0"})


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one plan. `executed` means the exchange filled something, not that we sent it.

    `details` carries the rest: permits, positions, hop times, the plan's unknown fields.
    """

    plan_id: str
    symbol: str
    executed: bool
    source: str
    timestamp_ms: int
    side: str = ""
    requested_quantity: Decimal | None = None
    filled_quantity: Decimal = ZERO
    order_id: str = ""
    client_order_id: str = ""
    order_status: str = ""
    error: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_fields(self) -> dict[str, str]:
        """Flat for new readers, with the JSON field `details` that older ones parse."""
        requested = self.requested_quantity
        details = {
            **self.details,
            "side": self.side,
            "qty": fmt_decimal(requested) if requested is not None else "",
            "filled_qty": fmt_decimal(self.filled_quantity),
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "order_status": self.order_status,
            "error": self.error,
        }
        flat = {
            "event_type": EVENT_TYPE,
            "plan_id": self.plan_id,
            "symbol": self.symbol,
            "executed": fmt_bool(self.executed),
            "source": self.source,
            "timestamp": fmt_instant(self.timestamp_ms),
            "order_id": self.order_id,
            "error": self.error,
        }
        return {
            **{name: value for name, value in flat.items() if value},
            "details": json.dumps(details, sort_keys=True, separators=(",", ":"), default=str),
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Result":
        """Read ours and the original's: top level first, then inside `details`."""
        fields = Fields(raw)
        details = parse_json_object(raw["details"], "details") if raw.get("details") else {}
        fields.take("details")
        fields.take("event_type")

        def either(*names: str) -> str:
            top = fields.take(*names)
            if top is not None:
                return top
            return next((text_of(details[n]) for n in names if details.get(n) is not None), "")

        requested = either("qty", "quantity")
        filled = either("filled_qty")
        timestamp = either("timestamp", "ts")
        said = [fields.take(name) or "" for name in _ORDER_ID_NAMES]
        said += [text_of(details.get(name)) for name in _ORDER_ID_NAMES]
        return cls(
            plan_id=either("plan_id"),
            symbol=either("symbol"),
            executed=parse_bool(either("executed") or "false", "executed"),
            source=either("source"),
            timestamp_ms=parse_instant_ms(timestamp) if timestamp else 0,
            side=either("side"),
            requested_quantity=parse_decimal(requested, "qty") if requested else None,
            filled_quantity=parse_decimal(filled, "filled_qty") if filled else ZERO,
            order_id=next((i.strip() for i in said if i.strip().lower() not in _NO_ORDER_ID), ""),
            client_order_id=either("client_order_id"),
            order_status=either("order_status"),
            error=either("error"),
            details={**details, **fields.rest()},
        )
