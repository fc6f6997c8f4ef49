"""`gate.facts`: what a gate saw when it decided, so that the decision can be made again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qtops.contracts.codec import (
    Fields,
    canonical_json,
    parse_bool,
    parse_json_object,
    parse_word,
    text_of,
)
from qtops.contracts.decision import Allow, Decision, Deny
from qtops.contracts.fact_codec import decode_facts, encode_facts
from qtops.contracts.facts import Facts
from qtops.contracts.plan import Plan
from qtops.contracts.values import parse_decimal
from qtops.contracts.vocabulary import DenyReason, GateName, Lane


@dataclass(frozen=True, slots=True)
class GateFacts:
    """One decision with everything it followed from. The plan's fields are as they came.

    `now_ms` is the Redis server's time at which it was decided, the one that ages are taken from.
    `limits` are the gate's own, in their wire spelling.
    """

    gate: GateName
    plan_fields: Mapping[str, str]
    now_ms: int
    facts: Facts
    limits: Mapping[str, str]
    decision: Decision
    lane: Lane = Lane.AUTOMATED

    @property
    def plan(self) -> Plan:
        """DecodeError when the fields are no plan."""
        return Plan.from_fields(self.plan_fields, self.lane)

    def to_fields(self) -> dict[str, str]:
        return {
            "plan_id": self.plan_fields["plan_id"],
            "gate": self.gate.value,
            "lane": self.lane.value,
            "now_ms": str(self.now_ms),
            "plan": canonical_json(dict(self.plan_fields)),
            "facts": _in_order(encode_facts(self.facts)),
            "limits": canonical_json(dict(self.limits)),
            "decision": canonical_json(_encode_decision(self.decision)),
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "GateFacts":
        """Strict: a record that is not understood whole is not replayed. Raises DecodeError."""
        fields = Fields(raw)
        return cls(
            gate=fields.need_word(GateName, "gate"),
            plan_fields=_texts(fields, "plan"),
            now_ms=fields.need_int("now_ms"),
            facts=decode_facts(parse_json_object(fields.need("facts"), "facts")),
            limits=_texts(fields, "limits"),
            decision=_decode_decision(parse_json_object(fields.need("decision"), "decision")),
            lane=fields.need_word(Lane, "lane"),
        )


def _in_order(facts: Mapping[str, Any]) -> str:
    """Not sorted: a rule that takes the first reservation that fits must find the same one."""
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False)


def _texts(fields: Fields, name: str) -> dict[str, str]:
    return {k: text_of(v) for k, v in parse_json_object(fields.need(name), name).items()}


def _encode_decision(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Allow):
        terms = dict(decision.terms)
        return {"allow": True, "quantity": str(decision.quantity), "terms": terms}
    return {"allow": False, "reason": decision.reason.value, "detail": decision.detail}


def _decode_decision(raw: Mapping[str, Any]) -> Decision:
    fields = Fields({name: text_of(value) for name, value in raw.items()})
    if parse_bool(fields.need("allow"), "allow"):
        terms = parse_json_object(fields.take("terms") or "{}", "terms")
        quantity = parse_decimal(fields.need("quantity"), "quantity")
        return Allow(quantity, {name: text_of(value) for name, value in terms.items()})
    reason = parse_word(DenyReason, fields.need("reason"), "reason")
    return Deny(reason, fields.take("detail") or "")
