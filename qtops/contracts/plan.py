"""`apply.plan`: what a producer asks for. One plan leads to at most one order."""

import hashlib
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.contracts.codec import Fields, canonical_json, fmt_bool, parse_instant_ms, parse_word
from qtops.contracts.values import ZERO, fmt_decimal, parse_plan_id, parse_symbol
from qtops.contracts.vocabulary import Action, Effect, Lane, PlanDecision, Side
from qtops.errors import DecodeError

# The original's spelling of a partial close carries the suffix in some producers.
_EPOCHS, _CLOSES = 5, 20  # kill epochs back, and closes in each, that a flatten is looked for
_ACTION_ALIASES = {
    "partial_75_proposed": Action.PARTIAL_75,
    "partial_50_proposed": Action.PARTIAL_50,
    "partial_25_proposed": Action.PARTIAL_25,
}

FRACTIONS = {
    Action.FULL_CLOSE_PROPOSED: Decimal(1),
    Action.RECONCILE_CLOSE: Decimal(1),
    Action.PARTIAL_75: Decimal("0.75"),
    Action.PARTIAL_50: Decimal("0.50"),
    Action.PARTIAL_25: Decimal("0.25"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan. `quantity` is in base units and positive; `reduce_only` was said by the producer.

    `extra` holds every field this version does not know, as it came.
    """

    plan_id: str
    decision: PlanDecision
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    source: str
    action: Action
    order_type: str = "MARKET"
    kill_score: Decimal | None = None
    timestamp_ms: int | None = None
    lane: Lane = Lane.AUTOMATED
    extra: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    @classmethod
    def from_fields(cls, raw: Mapping[str, str], lane: Lane = Lane.AUTOMATED) -> "Plan":
        """Parse strictly. Raises DecodeError naming the field; nothing is guessed for safety."""
        fields = Fields(raw)
        reduce_only = fields.need_bool("reduceOnly", "reduce_only")
        quantity = fields.need_decimal("qty", "quantity")
        if quantity <= ZERO:
            raise DecodeError("bad_qty", "qty", f"qty: {quantity} is not above zero")
        kill_score = fields.take("kill_score")
        timestamp = fields.take("timestamp")
        return cls(
            plan_id=parse_plan_id(fields.need("plan_id")),
            decision=fields.need_word(PlanDecision, "decision"),
            symbol=parse_symbol(fields.need("symbol")),
            side=fields.need_word(Side, "side"),
            quantity=quantity,
            reduce_only=reduce_only,
            source=fields.need("source"),
            action=_action(fields.take("action"), reduce_only=reduce_only),
            order_type=(fields.take("type", "order_type") or "MARKET").strip().upper(),
            kill_score=Fields({"kill_score": kill_score}).need_decimal("kill_score")
            if kill_score
            else None,
            timestamp_ms=parse_instant_ms(timestamp) if timestamp else None,
            lane=lane,
            extra=fields.rest(),
            digest=plan_digest(raw),
        )

    def to_fields(self) -> dict[str, str]:
        """The wire form. `Plan.from_fields(plan.to_fields())` says the same thing."""
        fields = {
            "plan_id": self.plan_id,
            "decision": self.decision.value,
            "symbol": self.symbol,
            "side": self.side.value,
            "type": self.order_type,
            "qty": fmt_decimal(self.quantity),
            "reduceOnly": fmt_bool(self.reduce_only),
            "source": self.source,
            "action": self.action.value,
        }
        if self.kill_score is not None:
            fields["kill_score"] = fmt_decimal(self.kill_score)
        if self.timestamp_ms is not None:
            fields["timestamp"] = str(self.timestamp_ms)
        return {**self.extra, **fields}

    @property
    def effect(self) -> Effect:
        """What the plan may do to exposure. Only a reduce-only order can be a reduction."""
        if not self.reduce_only:
            return Effect.OPEN
        closes = self.action in {Action.FULL_CLOSE_PROPOSED, Action.RECONCILE_CLOSE}
        return Effect.CLOSE if closes else Effect.REDUCE

    @property
    def is_reconcile(self) -> bool:
        """A plan that repairs the book; disagreement with the book is what it is for."""
        by_decision = self.decision is PlanDecision.RECONCILE_CLOSE
        return by_decision or self.action is Action.RECONCILE_CLOSE

    @property
    def close_fraction(self) -> Decimal:
        """The share of the position that the action speaks of; 1 where it names none."""
        return FRACTIONS.get(self.action, Decimal(1))


def _action(raw: str | None, *, reduce_only: bool) -> Action:
    """The action, or what a plan without one can only mean."""
    if raw is None:
        return Action.FULL_CLOSE_PROPOSED if reduce_only else Action.ENTRY_PROPOSED
    alias = _ACTION_ALIASES.get(raw.strip().lower())
    return alias if alias is not None else parse_word(Action, raw, "action")


def plan_digest(raw: Mapping[str, str]) -> str:
    """sha256 over every wire field: one changed character, known or unknown, is another plan."""
    return hashlib.sha256(canonical_json(dict(raw)).encode()).hexdigest()


def client_order_id(namespace: str, plan_id: str) -> str:
    r"""The order's identity: the same in every process, on every host, after every restart.

    Source: EXECUTION, "Identity". Matches the exchange's ^[\.A-Z\:/a-z0-9_-]{1,36}$.
    """
    hashed = hashlib.sha256(f"{namespace}\0{plan_id}".encode()).digest()
    return "qt-" + b32encode(hashed).decode()[:28].lower()


def flatten_order_id(namespace: str, epoch: str, symbol: str, number: int) -> str:
    """The id of the `number`-th close of a symbol in a kill epoch: the same after a restart."""
    text = "\0".join((namespace, "flatten", epoch, symbol, str(number)))
    return "qt-" + b32encode(hashlib.sha256(text.encode()).digest()).decode()[:28].lower()


def flatten_ids(namespace: str, epoch: str, symbol: str) -> frozenset[str]:
    """The ids that `kill on --flatten` gives its closes, for the last few kill epochs."""
    last = int(epoch) if epoch.isdigit() else 0
    epochs = range(max(0, last - _EPOCHS + 1), last + 1)
    numbers = range(1, _CLOSES + 1)
    return frozenset(
        flatten_order_id(namespace, str(e), symbol, n) for e in epochs for n in numbers
    )
