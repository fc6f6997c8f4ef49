"""What reconcile keeps and says: the standing of a symbol, its hold, and one event a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from qtops.contracts.codec import Fields
from qtops.contracts.values import fmt_decimal, parse_decimal, parse_symbol


class ReconcileState(StrEnum):
    """How our book of a symbol stands against the exchange. `UNKNOWN`: nobody could look."""

    OK = "OK"
    DRIFT = "DRIFT"
    HOLD = "HOLD"
    REPAIRED = "REPAIRED"
    MANUAL_REQUIRED = "MANUAL_REQUIRED"
    UNKNOWN = "UNKNOWN"

    @property
    def holds(self) -> bool:
        """Whether the symbol is held while it stands so."""
        return self in {ReconcileState.HOLD, ReconcileState.MANUAL_REQUIRED}


@dataclass(frozen=True, slots=True)
class Book:
    """Our book of one symbol, and the change it was last written with (Redis server's UTC ms)."""

    amount: Decimal
    version: int
    updated_at_ms: int
    last_order_id: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """That book and exchange agreed on `amount` at this moment of the exchange's clock."""

    amount: Decimal
    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """`reconcile:state:SYMBOL`. `since_ms`: since when exchange and book read as they do here.

    `book` is None where there is none; `exchange` None where it was never read.
    """

    symbol: str
    state: ReconcileState
    reason: str
    exchange: Decimal | None
    book: Decimal | None
    book_version: int
    since_ms: int
    seen_at_ms: int
    evidence: str = ""
    witness: Witness | None = None

    def to_fields(self) -> dict[str, str]:
        fields = {
            "symbol": self.symbol,
            "state": self.state.value,
            "reason": self.reason,
            "exchange_amt": _text(self.exchange),
            "book_amt": _text(self.book),
            "book_version": str(self.book_version),
            "since_ms": str(self.since_ms),
            "seen_at_ms": str(self.seen_at_ms),
            "evidence": self.evidence,
        }
        if self.witness is not None:
            fields |= {
                "agreed_amt": fmt_decimal(self.witness.amount),
                "agreed_version": str(self.witness.version),
                "agreed_at_ms": str(self.witness.at_ms),
            }
        return fields

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Standing":
        fields = Fields(raw)
        agreed = _amount(fields, "agreed_amt")
        witness = None
        if agreed is not None:
            version = fields.need_int("agreed_version")
            witness = Witness(agreed, version, fields.need_int("agreed_at_ms"))
        return cls(
            symbol=parse_symbol(fields.need("symbol")),
            state=fields.need_word(ReconcileState, "state"),
            reason=fields.take("reason") or "",
            exchange=_amount(fields, "exchange_amt"),
            book=_amount(fields, "book_amt"),
            book_version=fields.need_int("book_version"),
            since_ms=fields.need_int("since_ms"),
            seen_at_ms=fields.need_int("seen_at_ms"),
            evidence=fields.take("evidence") or "",
            witness=witness,
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """`reconcile:hold:SYMBOL`. It expires with its key; `expires_at_ms` says when, for people."""

    owner: str
    reason: str
    since_ms: int
    expires_at_ms: int

    def to_fields(self) -> dict[str, str]:
        return {
            "owner": self.owner,
            "reason": self.reason,
            "since_ms": str(self.since_ms),
            "expires_at_ms": str(self.expires_at_ms),
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "Hold":
        fields = Fields(raw)
        return cls(
            owner=fields.need("owner"),
            reason=fields.need("reason"),
            since_ms=fields.need_int("since_ms"),
            expires_at_ms=fields.need_int("expires_at_ms"),
        )


@dataclass(frozen=True, slots=True)
class ReconcileEvent:
    """One entry of `reconcile.events`: a change of state, with what it rests on."""

    symbol: str
    state: ReconcileState
    previous: str
    reason: str
    exchange: Decimal | None
    book: Decimal | None
    by: str
    at_ms: int
    evidence: str = ""

    def to_fields(self) -> dict[str, str]:
        return {
            "symbol": self.symbol,
            "state": self.state.value,
            "previous": self.previous,
            "reason": self.reason,
            "exchange_amt": _text(self.exchange),
            "book_amt": _text(self.book),
            "by": self.by,
            "at_ms": str(self.at_ms),
            "evidence": self.evidence,
        }

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> "ReconcileEvent":
        fields = Fields(raw)
        return cls(
            symbol=parse_symbol(fields.need("symbol")),
            state=fields.need_word(ReconcileState, "state"),
            previous=fields.take("previous") or "",
            reason=fields.take("reason") or "",
            exchange=_amount(fields, "exchange_amt"),
            book=_amount(fields, "book_amt"),
            by=fields.need("by"),
            at_ms=fields.need_int("at_ms"),
            evidence=fields.take("evidence") or "",
        )


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else fmt_decimal(amount)


def _amount(fields: Fields, name: str) -> Decimal | None:
    raw = fields.take(name)
    return None if raw is None else parse_decimal(raw, name)
