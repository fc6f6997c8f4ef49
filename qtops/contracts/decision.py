"""A gate's answer, and the `gate.decision` message that records every one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.contracts.codec import Fields, fmt_bool, parse_int, parse_json_object, text_of
from qtops.contracts.values import fmt_decimal
from qtops.contracts.vocabulary import DenyReason


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes, up to `quantity` (base units). `terms` is what the permit says besides."""

    quantity: Decimal
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deny:
    """No, with a reason from the closed set and what was seen."""

    reason: DenyReason
    detail: str = ""


Decision = Allow | Deny


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One line of `gate.decision`: who decided what about which plan, when, and why."""

    plan_id: str
    gate: str
    allow: bool
    reason: str
    symbol: str
    side: str
    effect: str
    decided_at_ms: int
    detail: str = ""
    quantity: Decimal | None = None
    terms: Mapping[str, str] = field(default_factory=dict)
    decided_at_us: int = 0

    def to_fields(self) -> dict[str, str]:
        fields = {
            "plan_id": self.plan_id,
            "gate": self.gate,
            "allow": fmt_bool(self.allow),
            "reason": self.reason,
            "symbol": self.symbol,
            "side": self.side,
            "effect": self.effect,
            "decided_at_ms": str(self.decided_at_ms),
            "decided_at_us": str(self.decided_at_us) if self.decided_at_us else "",
            "detail": self.detail,
            "quantity": fmt_decimal(self.quantity) if self.quantity is not None else "",
            "terms": json.dumps(dict(self.terms), sort_keys=True) if self.terms else "",
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "DecisionRecord":
        fields = Fields(raw)
        terms = fields.take("terms")
        quantity = fields.take("quantity")
        return cls(
            plan_id=fields.need("plan_id"),
            gate=fields.need("gate"),
            allow=fields.need_bool("allow"),
            reason=fields.take("reason") or "",
            symbol=fields.take("symbol") or "",
            side=fields.take("side") or "",
            effect=fields.take("effect") or "",
            decided_at_ms=fields.need_int("decided_at_ms"),
            detail=fields.take("detail") or "",
            quantity=Fields({"quantity": quantity}).need_decimal("quantity") if quantity else None,
            terms={k: text_of(v) for k, v in parse_json_object(terms, "terms").items()}
            if terms
            else {},
            decided_at_us=parse_int(fields.take("decided_at_us") or "0", "decided_at_us"),
        )
