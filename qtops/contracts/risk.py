"""How the stress of clusters, the budgets and the allocation targets are stored.

A state that was not measured says so (`ready` false, `why`) and carries no number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from qtops.contracts.codec import Fields, fmt_bool, parse_json_object, text_of
from qtops.contracts.facts import Clusters, Fact, Known, Missing
from qtops.contracts.snapshot import observed_at
from qtops.contracts.values import ZERO, fmt_decimal, parse_symbol
from qtops.errors import DecodeError

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Positions that move together. Weight and concentration are shares of the book's gross."""

    symbols: tuple[str, ...]
    weight: Decimal
    concentration: Decimal
    correlation: Decimal

    @property
    def stress(self) -> Decimal:
        return self.weight * self.concentration * self.correlation

    def words(self) -> dict[str, object]:
        names = ("weight", "concentration", "correlation", "stress")
        shares = {name: fmt_decimal(round(getattr(self, name), 6)) for name in names}
        return {"symbols": list(self.symbols), **shares}


@dataclass(frozen=True, slots=True)
class ClusterState:
    """`portfolio:cluster_state`. `why` is empty when the clusters are measured.

    `points` is the number of returns that the pair with the fewest has in common; None without
    pairs.
    """

    observed_at_ms: int
    sides: Mapping[str, str]
    clusters: tuple[Cluster, ...] = ()
    points: int | None = None
    why: str = ""

    @property
    def stress(self) -> Decimal:
        return min(sum((c.stress for c in self.clusters), ZERO), ONE)

    def to_fields(self) -> dict[str, str]:
        fields = {
            "updated_ts": str(self.observed_at_ms // 1000),
            "observed_at_ms": str(self.observed_at_ms),
            "ready": fmt_bool(not self.why),
            "symbols": json.dumps(dict(self.sides), sort_keys=True),
        }
        if self.points is not None:
            fields["points"] = str(self.points)
        if self.why:
            return {**fields, "why": self.why}
        return {
            **fields,
            "cluster_stress": fmt_decimal(round(self.stress, 6)),
            "clusters_count": str(len(self.clusters)),
            "clusters": json.dumps([c.words() for c in self.clusters]),
        }


def decode_clusters(raw: Mapping[str, str]) -> Fact[Clusters]:
    """The measured stress with its book; a state that is not ready is `Missing`.

    Raises:
        DecodeError: when a field is missing, or the stress is no share.

    """
    fields = Fields(raw)
    when = observed_at(fields)
    if not fields.need_bool("ready"):
        return Missing(f"not ready: {fields.take('why') or 'no reason given'}")
    stress = fields.need_decimal("cluster_stress")
    if not ZERO <= stress <= ONE:
        raise DecodeError("bad_stress", "cluster_stress", f"cluster_stress: {stress} is no share")
    sides = parse_json_object(fields.need("symbols"), "symbols")
    return Known(
        Clusters(
            stress,
            {parse_symbol(symbol): text_of(side) for symbol, side in sides.items()},
            _members(fields.need("clusters")),
        ),
        when,
    )


def _members(raw: str) -> tuple[tuple[str, ...], ...]:
    try:
        rows = json.loads(raw)
        return tuple(tuple(parse_symbol(s) for s in row["symbols"]) for row in rows)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DecodeError("bad_json", "clusters", f"clusters: {error}") from error


@dataclass(frozen=True, slots=True)
class SymbolBudget:
    """One symbol's budget and target, USDT, with what they were made of."""

    symbol: str
    budget_usdt: Decimal
    target_usdt: Decimal
    terms: Mapping[str, Decimal] = field(default_factory=dict)
    regime: str = ""
    reasons: Sequence[str] = ()

    def budget_fields(self, observed_at_ms: int) -> dict[str, str]:
        """`portfolio:budget:SYMBOL`."""
        return {**self._common(observed_at_ms), "budget_usdt": _usdt(self.budget_usdt)}

    def target_fields(self, observed_at_ms: int) -> dict[str, str]:
        """`allocation:target:SYMBOL`."""
        return {
            **self._common(observed_at_ms),
            "budget_usdt": _usdt(self.budget_usdt),
            "target_usdt": _usdt(self.target_usdt),
        }

    def _common(self, observed_at_ms: int) -> dict[str, str]:
        return {
            "symbol": self.symbol,
            "observed_at_ms": str(observed_at_ms),
            "regime": self.regime,
            "reasons": "; ".join(self.reasons),
            **{name: fmt_decimal(round(value, 6)) for name, value in self.terms.items()},
        }


def _usdt(value: Decimal) -> str:
    return fmt_decimal(round(value, 6))


def decode_budget(raw: Mapping[str, str]) -> Known[Decimal]:
    """USDT; below zero is no budget."""
    return _amount(raw, "budget_usdt")


def decode_target(raw: Mapping[str, str]) -> Known[Decimal]:
    """USDT; below zero is no target."""
    return _amount(raw, "target_usdt")


def _amount(raw: Mapping[str, str], name: str) -> Known[Decimal]:
    fields = Fields(raw)
    amount = fields.need_decimal(name)
    if amount < ZERO:
        raise DecodeError("bad_amount", name, f"{name}: {amount} is below zero")
    return Known(amount, observed_at(fields))
