"""The control interface under /sandbox/v1/: what tests and supervisors see and move. No keys."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qtops.contracts.values import fmt_decimal, parse_decimal
from qtops.errors import DecodeError
from qtops.sandbox.exchange.core.orders import BOTH, LONG, SHORT
from qtops.sandbox.exchange.rest.faults import ANY, Fault, FaultKind
from qtops.sandbox.exchange.rest.venue import Venue, side_of
from qtops.sandbox.exchange.rest.wire import Json, cash, queried_order
from qtops.sandbox.exchange.rest.wire_account import totals_of

PREFIX: Final = "/sandbox/v1/"
_MAX_OFFSET_MS: Final = 10 * 365 * 86_400_000
_MAX_DELAY_MS: Final = 600_000
_MONEY_PLACES: Final = 8
_METHODS: Final = frozenset({ANY, "GET", "POST", "PUT", "DELETE"})
_NUMBER_KINDS: Final = {
    FaultKind.TIMEOUT_BEFORE: (0, _MAX_DELAY_MS),
    FaultKind.TIMEOUT_AFTER: (0, _MAX_DELAY_MS),
    FaultKind.LATENCY: (0, _MAX_DELAY_MS),
    FaultKind.STREAM_DELAY: (0, _MAX_DELAY_MS),
    FaultKind.RATE_LIMIT: (0, 86_400),
    FaultKind.BAN: (1, 259_200),
    FaultKind.ERROR: (-9999, -1),
}
_NEEDS_VALUE: Final = frozenset({FaultKind.ERROR, FaultKind.LATENCY, FaultKind.STREAM_DELAY})


class Wrong(Exception):  # noqa: N818 -- it is an answer, not a fault of ours
    """The request cannot be followed; `field` names the culprit."""

    def __init__(self, field: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.status = status


class Body:
    """A JSON object read strictly: every field typed, unknown fields refused."""

    def __init__(self, raw: bytes) -> None:
        try:
            value = json.loads(raw, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise Wrong("body", "the body must be a JSON object") from error
        if not isinstance(value, dict):
            raise Wrong("body", "the body must be a JSON object")
        self._left: dict[str, Any] = value

    def take(self, name: str, default: Any = None, *, required: bool = False) -> Any:
        if required and self._left.get(name) is None:
            raise Wrong(name, f"{name} is missing")
        value = self._left.pop(name, None)
        return default if value is None else value

    def decimal(self, name: str, *, required: bool = True) -> Decimal | None:
        """A number, or a number as text, with at most eight decimals."""
        raw = self.take(name, required=required)
        if raw is None:
            return None
        if isinstance(raw, bool) or not isinstance(raw, str | int):
            raise Wrong(name, f"{name} must be a number or a number as text")
        try:
            value = parse_decimal(str(raw), name)
        except DecodeError as error:
            raise Wrong(name, error.message) from error
        if value != round(value, _MONEY_PLACES):
            raise Wrong(name, f"{name} has more than {_MONEY_PLACES} decimals")
        return value

    def number(self, name: str) -> Decimal:
        value = self.decimal(name)
        if value is None:
            raise Wrong(name, f"{name} is missing")
        return value

    def positive(self, name: str) -> Decimal:
        value = self.number(name)
        if value <= 0:
            raise Wrong(name, f"{name} must be above 0")
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self.take(name, default, required=default is None)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(name, f"{name} must be a whole number from {low} to {high}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        value = self.take(name, default, required=default is None)
        if not isinstance(value, str):
            raise Wrong(name, f"{name} must be text")
        return value

    def finish(self) -> None:
        if self._left:
            name = min(self._left)
            raise Wrong(name, f"unknown field {name}")


Action = Callable[[Body], Json]


class Control:
    """One method a route. Whatever it changes is durable before it answers."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._routes: dict[tuple[str, str], Action] = {
            ("GET", "orders"): self.orders,
            ("GET", "state"): self.state,
            ("POST", "positions"): self.set_position,
            ("POST", "prices"): self.set_price,
            ("POST", "clock"): self.set_clock,
            ("POST", "balance"): self.set_balance,
            ("GET", "faults"): self.faults,
            ("POST", "faults"): self.add_fault,
            ("DELETE", "faults"): self.clear_faults,
        }

    async def handle(self, request: Request) -> Response:
        """The route's JSON; 400 with `error` and `field` when it cannot be followed."""
        path = str(request.scope["path"]).removeprefix(PREFIX)
        action = self._routes.get((request.method, path), self.no_such_route)
        try:
            raw = await request.body() if request.method == "POST" else b"{}"
            self._venue.engine.advance(self._venue.now_ms())
            answer = action(Body(raw))
        except Wrong as wrong:
            return JSONResponse({"error": wrong.message, "field": wrong.field}, wrong.status)
        self._venue.commit()
        return JSONResponse(answer)

    def no_such_route(self, _body: Body) -> Json:
        """The answer to a path or method that is not there."""
        known = ", ".join(f"{method} {name}" for method, name in self._routes)
        raise Wrong("path", f"no such route; there are {known}", 404)

    def orders(self, _body: Body) -> Json:
        """Every order ever accepted, newest last, and how many POSTs asked for one."""
        state, instruments = self._venue.state, self._venue.engine.instruments
        return {
            "orders": [
                {**queried_order(order, instruments[order.symbol]), "arrival_ms": order.arrival_ms}
                for order in state.orders.history()
            ],
            "requests_received": state.account.requests_received,
        }

    def state(self, _body: Body) -> Json:
        """The account in plain words; no credentials."""
        venue, account = self._venue, self._venue.state.account
        return {
            "scenario": venue.scenario.name,
            "time_ms": venue.now_ms(),
            "clock_offset_ms": account.clock_offset_ms,
            "hedge_mode": account.hedge_mode,
            "multi_assets": account.multi_assets,
            **totals_of(venue.engine.margin.totals()),
            "positions": [
                {
                    "symbol": held.symbol,
                    "position_side": held.side,
                    "amount": fmt_decimal(held.amount),
                    "entry_price": fmt_decimal(held.entry),
                    "mark_price": fmt_decimal(venue.engine.margin.mark(held.symbol)),
                    "unrealized_pnl": cash(venue.engine.margin.unrealized(held)),
                }
                for held in venue.state.held()
            ],
            "prices": {s.symbol: fmt_decimal(s.mark) for s in venue.state.symbols.values()},
            "orders": len(venue.state.orders.by_id),
            "open_orders": len(venue.state.orders.open_by_id),
            "trades": len(venue.state.trades),
            "requests_received": account.requests_received,
            "faults": [fault.record() for fault in venue.faults.rules],
        }

    def set_position(self, body: Body) -> Json:
        """{symbol, amount, entry_price?, position_side?}: amount 0 makes it flat."""
        symbol, amount = self._symbol(body), body.number("amount")
        entry = self._venue.engine.margin.mark(symbol)
        if (given := body.decimal("entry_price", required=False)) is not None:
            entry = given
        hedge_mode = self._venue.state.account.hedge_mode
        side = body.text("position_side", side_of(amount, hedge_mode=hedge_mode))
        body.finish()
        if entry <= 0:
            raise Wrong("entry_price", "entry_price must be above 0")
        if side not in ({LONG, SHORT} if hedge_mode else {BOTH}):
            raise Wrong("position_side", f"{side} is not a side of the account's position mode")
        if (side == LONG and amount < 0) or (side == SHORT and amount > 0):
            raise Wrong("amount", f"amount has the wrong sign for {side}")
        self._venue.engine.set_position(symbol, side, amount, entry, self._venue.now_ms())
        return {"symbol": symbol, "position_side": side, "amount": fmt_decimal(amount)}

    def set_price(self, body: Body) -> Json:
        """{symbol, mark_price}: moves the mark; resting orders it reaches fill."""
        symbol, mark = self._symbol(body), body.positive("mark_price")
        body.finish()
        if self._venue.engine.walks(symbol):
            raise Wrong("symbol", f"the price of {symbol} moves by itself in this scenario")
        self._venue.engine.set_mark(symbol, mark, self._venue.now_ms())
        return {"symbol": symbol, "mark_price": fmt_decimal(mark)}

    def set_clock(self, body: Body) -> Json:
        """{offset_ms}: how far the exchange's clock is ahead of the host's."""
        offset_ms = body.integer("offset_ms", -_MAX_OFFSET_MS, _MAX_OFFSET_MS)
        body.finish()
        account = self._venue.state.account
        account.clock_offset_ms = offset_ms
        self._venue.state.touch(account)
        return {"offset_ms": offset_ms, "time_ms": self._venue.now_ms()}

    def set_balance(self, body: Body) -> Json:
        """{available}: moves the wallet until that much is free for new orders."""
        available = body.number("available")
        body.finish()
        if available < 0:
            raise Wrong("available", "available must not be below 0")
        self._venue.engine.set_available(available, self._venue.now_ms())
        return totals_of(self._venue.engine.margin.totals())

    def faults(self, _body: Body) -> Json:
        return {"faults": [fault.record() for fault in self._venue.faults.rules]}

    def add_fault(self, body: Body) -> Json:
        """{path, method?, kind, count?, value?}: what happens to the next `count` requests."""
        fault = _read_fault(body)
        self._venue.faults.rules.append(fault)
        return fault.record()

    def clear_faults(self, _body: Body) -> Json:
        removed = len(self._venue.faults.rules)
        self._venue.faults.rules = []
        return {"removed": removed}

    def _symbol(self, body: Body) -> str:
        symbol = body.text("symbol")
        if symbol not in self._venue.engine.instruments:
            listed = ", ".join(self._venue.engine.instruments)
            raise Wrong("symbol", f"{symbol!r} is not listed; listed are {listed}")
        return symbol


def _read_fault(body: Body) -> Fault:
    path, method = body.text("path"), body.text("method", ANY).upper()
    name, count = body.text("kind"), body.integer("count", 1, 1_000_000, 1)
    value = body.decimal("value", required=False)
    body.finish()
    if not path.startswith("/") and path != ANY:
        raise Wrong("path", "path must begin with / or be *")
    if method not in _METHODS:
        raise Wrong("method", f"method must be one of {', '.join(sorted(_METHODS))}")
    if name not in set(FaultKind):
        raise Wrong("kind", f"kind must be one of {', '.join(FaultKind)}")
    kind = FaultKind(name)
    _check_value(kind, value)
    return Fault(path, method, kind, count, value)


def _check_value(kind: FaultKind, value: Decimal | None) -> None:
    """What `value` means depends on the kind; a kind without meaning for it takes none."""
    if value is None:
        if kind in _NEEDS_VALUE:
            raise Wrong("value", f"{kind} needs a value")
        return
    if kind is FaultKind.PARTIAL_FILL:
        if not 0 <= value < 1:
            raise Wrong("value", "value is the part that fills: from 0 to below 1")
        return
    if kind not in _NUMBER_KINDS:
        if value == 0:
            return
        raise Wrong("value", f"{kind} takes no value")
    low, high = _NUMBER_KINDS[kind]
    if value != int(value) or not low <= value <= high:
        raise Wrong("value", f"value must be a whole number from {low} to {high}")
