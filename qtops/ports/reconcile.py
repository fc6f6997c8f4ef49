"""What reconcile reads and writes in Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from qtops.contracts.reconcile import Book, Hold, ReconcileEvent, Standing


@dataclass(frozen=True, slots=True)
class SymbolReading:
    """One symbol's records. `raw_version` and `raw_amount` are the book's own bytes as text.

    `unreadable` says why a book that is there could not be read; `book` is None then.
    """

    book: Book | None
    raw_version: str
    raw_amount: str
    standing: Standing | None
    hold: Hold | None
    step: Decimal
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class BookReading:
    """The records of many symbols at one moment. `in_flight` names symbols with orders in hand.

    `in_flight` None: the reservations cannot be read, so any symbol may have one.
    """

    now_ms: int
    symbols: Mapping[str, SymbolReading]
    in_flight: frozenset[str] | None
    epoch: str


@dataclass(frozen=True, slots=True)
class Rebook:
    """A book to be written if it still is `seen`. `at_ms`: when the exchange was asked."""

    symbol: str
    seen: SymbolReading
    amount: Decimal
    at_ms: int
    source: str
    event: ReconcileEvent


class ReconcileStore(Protocol):
    """Books, standings, holds and events."""

    async def symbols(self) -> frozenset[str]:
        """Every symbol that has a book or a standing."""
        ...

    async def read(self, symbols: Sequence[str]) -> BookReading: ...

    async def write(
        self,
        standings: Sequence[Standing],
        events: Sequence[ReconcileEvent],
        now_ms: int,
        hold_ttl_ms: int,
    ) -> None:
        """Standings, their holds (set or lifted) and events, in one transaction."""
        ...

    async def rebook(self, change: Rebook) -> str:
        """Empty when done; else `changed` or `in_flight`, and nothing was written."""
        ...
