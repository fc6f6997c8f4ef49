"""What analytics adds up: decisions by reason and window, execution quality, attribution.

Sums are exact decimals; means and percentiles are over the newest `KEPT` executions of a symbol.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from qtops.contracts.account_event import Fill, OrderChange
from qtops.contracts.codec import Fields, canonical_json, parse_int, parse_json_object
from qtops.contracts.decision import DecisionRecord
from qtops.contracts.result import Result
from qtops.contracts.values import ZERO, fmt_decimal, parse_decimal
from qtops.contracts.vocabulary import DenyReason, GateName, Side
from qtops.errors import DecodeError

BUCKET_MS: Final = 10_000
WINDOWS_MS: Final[Mapping[str, int]] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
}
KEPT: Final = 200
# leg → the hops that it lies between; `plan` is when the plan was published
LEGS: Final = {
    "permits": ("plan", "admitted"),
    "send": ("admitted", "sent"),
    "exchange": ("sent", "answered"),
    "settle": ("answered", "settled"),
    "total": ("plan", "settled"),
}
_BPS: Final = 10_000
_PLACES: Final = Decimal("0.001")
_REASONS: Final = frozenset(reason.value for reason in DenyReason)
ALLOW, OTHER = "allow", "other"


# --- decisions -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Histogram:
    """Decisions of the last hour in steps of 10 s: start of the step → `gate|reason` → number."""

    steps: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    def with_decisions(self, records: Iterable[DecisionRecord], now_ms: int) -> "Histogram":
        """A reason that is none of the known words counts as `other`, so that names are bounded."""
        oldest_ms = _start(now_ms) - WINDOWS_MS["1h"]
        steps = {start: Counter(step) for start, step in self.steps.items() if start > oldest_ms}
        for record in records:
            start = _start(record.decided_at_ms)
            if start > oldest_ms:
                steps.setdefault(start, Counter())[f"{record.gate}|{_answer(record)}"] += 1
        return Histogram(steps)

    def window(self, name: str, now_ms: int) -> "Window":
        """What was decided within the window that ends with the step that `now_ms` lies in."""
        oldest_ms = _start(now_ms) - WINDOWS_MS[name]
        total: Counter[str] = Counter()
        for start, step in self.steps.items():
            if start > oldest_ms:
                total.update(step)
        return Window(total)


def _start(at_ms: int) -> int:
    return at_ms - at_ms % BUCKET_MS


def _answer(record: DecisionRecord) -> str:
    if record.allow:
        return ALLOW
    return record.reason if record.reason in _REASONS else OTHER


@dataclass(frozen=True, slots=True)
class Window:
    """`gate|reason` → number."""

    numbers: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """allow, deny, and both for each gate."""
        counts: Counter[str] = Counter({ALLOW: 0, "deny": 0})
        for name, number in self.numbers.items():
            gate, _, answer = name.partition("|")
            word = ALLOW if answer == ALLOW else "deny"
            counts[word] += number
            counts[f"{gate}:{word}"] += number
        return dict(counts)

    def reasons(self) -> dict[str, int]:
        """Denials by reason, most first."""
        reasons: Counter[str] = Counter()
        for name, number in self.numbers.items():
            answer = name.partition("|")[2]
            if answer != ALLOW:
                reasons[answer] += number
        return dict(reasons.most_common())


# --- executions ----------------------------------------------------------------------------------
def legs_of(result: Result, planned_ms: int | None) -> dict[str, int]:
    """µs of each leg whose ends are both known; `planned_ms` is when the plan was published."""
    raw = result.details.get("hops_us")
    hops = {str(k): v for k, v in raw.items() if type(v) is int} if isinstance(raw, dict) else {}
    if planned_ms is not None:
        hops["plan"] = planned_ms * 1000
    legs = {leg: hops[b] - hops[a] for leg, (a, b) in LEGS.items() if a in hops and b in hops}
    return {leg: us for leg, us in legs.items() if us >= 0}


def mark_of(record: DecisionRecord) -> Decimal | None:
    """The mark that the governor allowed a plan at: its notional divided by the quantity."""
    notional = record.terms.get("computed_notional")
    if not record.allow or record.gate != GateName.GOVERNOR or not notional or not record.quantity:
        return None
    try:
        mark = parse_decimal(notional, "computed_notional") / record.quantity
    except DecodeError:  # terms are free text
        return None
    return mark if mark > ZERO else None


def slippage_bps(order: OrderChange, mark: Decimal) -> Decimal | None:
    """(average price - mark) / mark in 1/10,000, sign turned for a sale: above zero is worse.

    Once for each order, when it is filled; before that there is no average of the whole.
    """
    price = order.average_price
    if order.status != "FILLED" or price is None or price <= ZERO:
        return None
    worse = price - mark if order.side is Side.BUY else mark - price
    return (worse / mark * _BPS).quantize(_PLACES)


@dataclass(frozen=True, slots=True)
class Execution:
    """All executions of a symbol: their number, and the newest slippages and legs, oldest first."""

    count: int = 0
    slippages: tuple[Decimal, ...] = ()
    legs: tuple[Mapping[str, int], ...] = ()

    def plus(self, legs: Mapping[str, int]) -> "Execution":
        """One execution more."""
        return Execution(self.count + 1, self.slippages, (*self.legs, legs)[-KEPT:])

    def slipped(self, bps: Decimal) -> "Execution":
        """What the exchange says of one of them, before its result or after."""
        return Execution(self.count, (*self.slippages, bps)[-KEPT:], self.legs)

    def figures(self) -> dict[str, str]:
        """Mean and p95 of slippage, p50 and p95 of each leg in µs; what is unknown is left out."""
        found = {}
        if self.slippages:
            mean = (sum(self.slippages, ZERO) / len(self.slippages)).quantize(_PLACES)
            found["slippage_bps_mean"] = fmt_decimal(mean)
            found["slippage_bps_p95"] = fmt_decimal(percentile(self.slippages, 95))
        for leg in LEGS:
            values = [Decimal(legs[leg]) for legs in self.legs if leg in legs]
            for rank in (50, 95) if values else ():
                found[f"{leg}_us_p{rank}"] = fmt_decimal(percentile(values, rank))
        return found

    def to_fields(self) -> dict[str, str]:
        samples = {
            "slippages": [str(bps) for bps in self.slippages],
            "legs": [dict(legs) for legs in self.legs],
        }
        return {"count": str(self.count), **self.figures(), "samples": canonical_json(samples)}

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Execution":
        """The figures are computed again, not believed."""
        fields = Fields(raw)
        samples = parse_json_object(fields.need("samples"), "samples")
        try:
            slippages = tuple(parse_decimal(bps) for bps in samples["slippages"])
            legs = tuple({str(k): int(v) for k, v in row.items()} for row in samples["legs"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DecodeError("bad_samples", "samples", f"samples: {error}") from error
        return cls(fields.need_int("count"), slippages, legs)


def percentile(values: Sequence[Decimal], rank: int) -> Decimal:
    """The nearest-rank percentile: the smallest value that `rank` per cent do not exceed."""
    return sorted(values)[-(-len(values) * rank // 100) - 1]


# --- attribution ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Attribution:
    """Fills of one symbol and source, USDT. `fees_elsewhere` counts fees in another asset."""

    fills: int = 0
    turnover_usdt: Decimal = ZERO
    realised_pnl_usdt: Decimal = ZERO
    fees_usdt: Decimal = ZERO
    fees_elsewhere: int = 0

    def plus(self, fill: Fill) -> "Attribution":
        """Realised profit is before fees, as the exchange reports it."""
        in_usdt = fill.commission_asset == "USDT" or fill.commission == ZERO
        return replace(
            self,
            fills=self.fills + 1,
            turnover_usdt=self.turnover_usdt + fill.quantity * fill.price,
            realised_pnl_usdt=self.realised_pnl_usdt + fill.realized_pnl,
            fees_usdt=self.fees_usdt + (fill.commission if in_usdt else ZERO),
            fees_elsewhere=self.fees_elsewhere + (not in_usdt),
        )

    def to_fields(self) -> dict[str, str]:
        return {
            "fills": str(self.fills),
            "turnover_usdt": fmt_decimal(self.turnover_usdt),
            "realised_pnl_usdt": fmt_decimal(self.realised_pnl_usdt),
            "fees_usdt": fmt_decimal(self.fees_usdt),
            "fees_elsewhere": str(self.fees_elsewhere),
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Attribution":
        fields = Fields(raw)
        return cls(
            fields.need_int("fills"),
            fields.need_decimal("turnover_usdt"),
            fields.need_decimal("realised_pnl_usdt"),
            fields.need_decimal("fees_usdt"),
            fields.need_int("fees_elsewhere"),
        )


# --- where it stands -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Progress:
    """`analytics:state`: the last entry counted of each stream, and the decisions of the hour."""

    cursors: Mapping[str, str] = field(default_factory=dict)
    histogram: Histogram = field(default_factory=Histogram)

    def to_json(self) -> str:
        steps = {str(start): dict(step) for start, step in self.histogram.steps.items()}
        return json.dumps({"cursors": dict(self.cursors), "steps": steps}, sort_keys=True)

    @classmethod
    def from_json(cls, raw: str) -> "Progress":
        document: dict[str, Any] = parse_json_object(raw, "analytics state")
        try:
            cursors = {str(k): str(v) for k, v in document["cursors"].items()}
            steps = {
                parse_int(start, "step"): {str(k): int(v) for k, v in step.items()}
                for start, step in document["steps"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"analytics state: {error}"
            raise DecodeError("bad_state", "state", message) from error
        return cls(cursors, Histogram(steps))
