"""A permit: one gate's leave for one plan, for a minute, once.

It is bound to the plan by the digest of the plan's fields and to the kill epoch in which it was
issued, and signed (HMAC-SHA256) when a key is configured. A denial is written under the same key,
so that "refused" and "not answered" are never confused.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from qtops.contracts.codec import (
    canonical_json,
    fmt_bool,
    parse_bool,
    parse_instant_ms,
    parse_int,
    parse_json_object,
    text_of,
)
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.contracts.vocabulary import DenyReason, GateName
from qtops.errors import DecodeError

# What the original called the yes/no and the quantity. Two of them in one permit must agree.
_ALLOW_NAMES = ("allow", "granted", "permit")
_QUANTITY_NAMES = ("safe_qty", "safe_close_qty", "computed_qty", "quantity")


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit or a denial as stored. Older shapes lack `plan_digest` and never admit an order."""

    gate: GateName
    plan_id: str
    allow: bool
    symbol: str = ""
    reason: str = ""
    quantity: Decimal = ZERO
    plan_digest: str = ""
    epoch: int = -1
    issued_at_ms: int = 0
    expires_at_ms: int = 0
    terms: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""

    def to_json(self, key: str = "") -> str:
        """The stored form, signed when `key` is not empty. Legacy field names ride along."""
        body = self._body()
        if key:
            body["sig"] = _sign(body, key)
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    def _body(self) -> dict[str, Any]:
        quantity = fmt_decimal(self.quantity)
        body: dict[str, Any] = {
            **self.terms,
            "plan_id": self.plan_id,
            "gate": self.gate.value,
            "allow": self.allow,
            "symbol": self.symbol,
            "reason": self.reason,
            "quantity": quantity,
            "plan_digest": self.plan_digest,
            "epoch": self.epoch,
            "issued_at_ms": self.issued_at_ms,
            "expires_at_ms": self.expires_at_ms,
        }
        if self.gate is GateName.GOVERNOR:
            body |= {"granted": self.allow, "computed_qty": quantity}
        elif self.gate is GateName.POSITION:
            body["safe_qty"] = quantity
        return body

    @classmethod
    def from_text(cls, raw: str, gate: GateName, plan_id: str) -> "Permit":
        """Read a string value: our JSON, the original's JSON, or its bare `1`."""
        if raw.strip() in {"1", "0"}:
            return cls(gate=gate, plan_id=plan_id, allow=raw.strip() == "1", reason="bare")
        return cls._from_mapping(parse_json_object(raw, "permit"), gate, plan_id)

    @classmethod
    def from_hash(cls, raw: Mapping[str, str], gate: GateName, plan_id: str) -> "Permit":
        """Read the original's hash shape, whose booleans are strings."""
        return cls._from_mapping(raw, gate, plan_id)

    @classmethod
    def _from_mapping(cls, raw: Mapping[str, Any], gate: GateName, plan_id: str) -> "Permit":
        text = {name: text_of(value) for name, value in raw.items()}
        if text.get("gate", gate.value) != gate.value:
            raise DecodeError("wrong_gate", "gate", f"gate: {text['gate'][:40]!r} under {gate}")
        answers = {parse_bool(text[n], "allow") for n in _ALLOW_NAMES if n in text}
        if not answers:
            raise DecodeError("missing_allow", "allow", "the permit says neither allow nor granted")
        quantities = {parse_decimal(text[n], "quantity") for n in _QUANTITY_NAMES if text.get(n)}
        if len(answers) > 1 or len(quantities) > 1:
            raise DecodeError("contradictory", "allow", "the permit says two different things")
        return cls(
            gate=gate,
            plan_id=text.get("plan_id") or plan_id,
            allow=answers.pop(),
            symbol=text.get("symbol", ""),
            reason=text.get("reason", ""),
            quantity=quantities.pop() if quantities else ZERO,
            plan_digest=text.get("plan_digest", ""),
            epoch=parse_int(text.get("epoch") or "-1", "epoch"),
            issued_at_ms=_issued(text),
            expires_at_ms=parse_int(text.get("expires_at_ms") or "0", "expires_at_ms"),
            terms={k: v for k, v in text.items() if k not in _OWN_FIELDS},
            signature=text.get("sig", ""),
        )

    def signed_by(self, key: str) -> bool:
        """Whether the signature fits the content under `key`, compared in constant time."""
        return hmac.compare_digest(self.signature.encode(), _sign(self._body(), key).encode())


def _issued(text: Mapping[str, str]) -> int:
    """Ours in ms; the original's `created_at` in seconds."""
    exact = text.get("issued_at_ms")
    return (
        parse_int(exact, "issued_at_ms")
        if exact
        else parse_instant_ms(text.get("created_at") or "0", "created_at")
    )


_OWN_FIELDS = frozenset(
    {
        *("plan_id", "gate", "allow", "granted", "symbol", "reason", "quantity", "computed_qty"),
        *("safe_qty", "plan_digest", "epoch", "issued_at_ms", "expires_at_ms", "sig"),
    },
)


def _sign(body: Mapping[str, Any], key: str) -> str:
    plain = {name: text_of(value) for name, value in body.items() if name != "sig"}
    return hmac.new(key.encode(), canonical_json(plain).encode(), hashlib.sha256).hexdigest()


def check_permit(permit: Permit, plan_id: str, digest: str, *, now_ms: int, key: str) -> str:
    """Why this permit does not admit this plan; empty when it does.

    The order matters to the reader of the result: a refusal by the gate is told apart from a
    permit that is not what it claims to be.
    """
    if key and not permit.signed_by(key):
        return DenyReason.PERMIT_FORGED
    if permit.plan_id != plan_id or permit.plan_digest != digest:
        return DenyReason.PERMIT_OTHER_PLAN
    if not permit.allow:
        return DenyReason.PERMIT_DENIED
    if permit.expires_at_ms <= now_ms:
        return DenyReason.PERMIT_EXPIRED
    return ""


def permit_text(value: object) -> str:
    """For audits: a permit's value on one line, whatever its shape."""
    if isinstance(value, bool):
        return fmt_bool(value)
    return " ".join(text_of(value).split())
