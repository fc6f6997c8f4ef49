"""Did orders really happen? Results that say executed and name the exchange's order.

A result proves an order when `executed` is true, in any case and type, and `order_id` is there, at
the top level or inside the JSON field `details`; the top level speaks first. Where both levels
speak of `executed` and disagree, it proves nothing. Only these two fields are judged, so that a
malformed rest of a result does not hide an order that happened.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from qtops.contracts.codec import parse_bool, parse_instant_ms, parse_json_object, text_of
from qtops.errors import DecodeError
from qtops.ports import ResultSource, StreamEntry

_NO_ORDER_ID: Final = frozenset({"", "null", "none", "nan", "undefined", "true", "false"})
_ORDER_ID_NAMES: Final = ("order_id", "orderId")
_QUANTITY_NAMES: Final = ("qty", "quantity")


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which results count; None takes any."""

    symbol: str | None = None
    plan_id: str | None = None

    def admits(self, said: "Said") -> bool:
        symbol_fits = self.symbol is None or said.text("symbol").upper() == self.symbol
        return symbol_fits and (self.plan_id is None or said.text("plan_id") == self.plan_id)


@dataclass(frozen=True, slots=True)
class Match:
    """One proof. `found_in` is where the order id stood: `top` or `details`."""

    entry_id: str
    entry_ms: int
    timestamp_ms: int
    plan_id: str
    symbol: str
    order_id: str
    client_order_id: str
    side: str
    quantity: str
    filled_quantity: str
    order_status: str
    source: str
    found_in: str


@dataclass(slots=True)
class OrderProof:
    """What was found in what was read. `matches` are newest first.

    `without_order_id` counts results that say executed and name no order.
    """

    filters: OrderFilter
    now_ms: int
    entries_checked: int = 0
    without_order_id: int = 0
    contradictory: int = 0
    matches: list[Match] = field(default_factory=list)
    newest_id: bytes = b"0-0"

    @property
    def is_found(self) -> bool:
        return bool(self.matches)

    def add(self, entry: StreamEntry) -> Match | None:
        """Judge one result."""
        self.entries_checked += 1
        said = Said(entry[1])
        executed = said.executed()
        if executed is False or not self.filters.admits(said):
            return None
        if executed is None:
            self.contradictory += 1
            return None
        match = _match(entry[0], said)
        self.without_order_id += match is None
        return match


class Said:
    """A result's fields at both levels. Foreign bytes and broken JSON read as absent."""

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw
        self._nested: dict[str, Any] | None = None

    @property
    def nested(self) -> Mapping[str, Any]:
        if self._nested is None:
            try:
                self._nested = parse_json_object(self.top("details") or "{}", "details")
            except DecodeError:
                self._nested = {}
        return self._nested

    def top(self, name: str) -> str:
        return self._raw.get(name.encode(), b"").decode("utf-8", "backslashreplace")

    def text(self, *names: str) -> str:
        """The value under the first name that has one, top level first."""
        found = (self.top(name).strip() for name in names)
        nested = (text_of(self.nested.get(name)).strip() for name in names)
        return next(filter(None, found), "") or next(filter(None, nested), "")

    def executed(self) -> bool | None:
        """None: the two levels disagree."""
        if not self.top("executed").strip() and b"executed" not in self._raw.get(b"details", b""):
            return False  # most results, without reading their JSON
        levels = [self.top("executed"), text_of(self.nested.get("executed"))]
        answers = {_is_true(text) for text in levels if text.strip()}
        return None if len(answers) > 1 else answers == {True}

    def order_id(self) -> tuple[str, str]:
        """(order id, where it stood); empty when there is none."""
        for name in _ORDER_ID_NAMES:
            if (text := self.top(name).strip()) and _is_order_id(text):
                return text, "top"
        for name in _ORDER_ID_NAMES:
            value = self.nested.get(name)
            if isinstance(value, (str, int, Decimal)) and _is_order_id(text_of(value).strip()):
                return text_of(value).strip(), "details"
        return "", ""


def _is_true(text: str) -> bool:
    try:
        return parse_bool(text, "executed")
    except DecodeError:
        return False


def _is_order_id(text: str) -> bool:
    """Not one of the spellings of nothing; every zero is one."""
    return text.lower() not in _NO_ORDER_ID and text.strip("0.") != ""


def _match(entry_id: bytes, said: Said) -> Match | None:
    order_id, found_in = said.order_id()
    if not order_id:
        return None
    entry_ms = int(entry_id.partition(b"-")[0])
    return Match(
        entry_id=entry_id.decode(),
        entry_ms=entry_ms,
        timestamp_ms=_instant(said.text("timestamp", "ts"), entry_ms),
        plan_id=said.text("plan_id"),
        symbol=said.text("symbol"),
        order_id=order_id,
        client_order_id=said.text("client_order_id"),
        side=said.text("side"),
        quantity=said.text(*_QUANTITY_NAMES),
        filled_quantity=said.text("filled_qty"),
        order_status=said.text("order_status"),
        source=said.text("source"),
        found_in=found_in,
    )


def _instant(text: str, entry_ms: int) -> int:
    """When the result says it happened, else when Redis took it."""
    try:
        return parse_instant_ms(text) if text else entry_ms
    except DecodeError:
        return entry_ms


async def prove_orders(
    source: ResultSource,
    filters: OrderFilter,
    *,
    count: int,
    follow_s: float | None = None,
    step: Callable[[int, int], None] = lambda _done, _total: None,
) -> OrderProof:
    """Search the newest `count` results; with `follow_s`, wait that long for the first proof."""
    proof = OrderProof(filters, await source.now_ms())
    async with aclosing(source.newest(count)) as pages:
        async for page in pages:
            if proof.entries_checked == 0:
                proof.newest_id = page[0][0]
            proof.matches += [m for m in map(proof.add, page) if m is not None]
            step(proof.entries_checked, count)
    if follow_s is not None and not proof.is_found:
        await _follow(proof, source.after(proof.newest_id, follow_s))
        proof.now_ms = await source.now_ms()
    return proof


async def _follow(proof: OrderProof, pages: AsyncGenerator[Sequence[StreamEntry], None]) -> None:
    async with aclosing(pages):
        async for page in pages:
            found = [m for m in map(proof.add, page) if m is not None]
            proof.matches = [*reversed(found), *proof.matches]
            if found:
                return
