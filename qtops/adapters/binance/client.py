"""BinanceVenue: the exchange port over Binance USD-M futures REST. One-way mode, MARKET orders."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

from qtops.adapters.binance import decode
from qtops.adapters.binance.settings import VenueSettings
from qtops.adapters.binance.transport import Request, Transport
from qtops.adapters.binance.weight import Cost, Priority, RateBudget, RateLedger
from qtops.contracts.environment import Environment
from qtops.contracts.market import Kline
from qtops.contracts.values import ZERO, fmt_decimal
from qtops.contracts.venue import (
    Filters,
    OrderRequest,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from qtops.errors import DecodeError, OutcomeClass, RefusedError, VenueError
from qtops.ports import Clock

T = TypeVar("T")

PositionMode = Literal["one_way", "hedge"]

_ORDER: Final = "/fapi/v1/order"
_LISTEN_KEY: Final = "/fapi/v1/listenKey"
_NO_SUCH_ORDER: Final = -2013
_CLOCK_SAMPLES: Final = 3
_KLINE_WEIGHTS: Final = ((99, 1), (499, 2), (1000, 5), (1500, 10))


class BinanceVenue:
    """Implements `qtops.ports.Venue`; every request is sent once.

    The exception: a read refused for its timestamp is repeated once, after the clock was measured
    again. An order refused for that is raised (RESYNC) after the same measurement.
    """

    def __init__(
        self, settings: VenueSettings, clock: Clock, ledger: RateLedger | None = None
    ) -> None:
        """Without a shared `ledger` the budget is counted in this process alone."""
        self._settings = settings
        self._clock = clock
        self._ledger = ledger or RateBudget()
        self._offset_ms: int | None = None
        self._transport = Transport(settings, self._ledger, self.timestamp_ms)

    @property
    def recv_window_ms(self) -> int:
        return self._settings.recv_window_ms

    @property
    def offset_ms(self) -> int | None:
        """The exchange's clock minus ours, None before the first measurement."""
        return self._offset_ms

    def environment(self) -> Environment:
        return self._settings.environment

    def timestamp_ms(self) -> int:
        return self._clock.now_ms() + (self._offset_ms or 0)

    async def sync_clock(self) -> int:
        """Of three samples the one with the shortest round trip; its middle is the moment asked."""
        samples = [await self._clock_sample() for _ in range(_CLOCK_SAMPLES)]
        self._offset_ms = min(samples)[1]
        return self._offset_ms

    async def account_mode(self) -> PositionMode:
        """The account's position mode; qtops trades one-way accounts only. Weight 30."""
        request = Request("GET", "/fapi/v1/positionSide/dual", cost=Cost(30), signed=True)
        return "hedge" if await self._read(request, decode.hedge_mode) else "one_way"

    async def filters(self) -> dict[str, Filters]:
        """Also sets the budgets' limits to what the exchange publishes."""
        request = Request("GET", "/fapi/v1/exchangeInfo")
        rules, limits = await self._read(
            request, lambda info: (decode.filters(info), decode.rate_limits(info))
        )
        await self._ledger.set_limits(limits)
        return rules

    async def positions(
        self, symbol: str | None = None, *, urgent: bool = False
    ) -> list[VenuePosition]:
        """One symbol is an executor's question before a reduction, so it may use the last share."""
        request = Request(
            "GET",
            "/fapi/v3/positionRisk",
            {"symbol": symbol} if symbol else {},
            Cost(5),
            Priority.ESSENTIAL if symbol or urgent else Priority.BACKGROUND,
            signed=True,
        )
        return await self._read(request, decode.positions)

    async def mark_prices(self) -> dict[str, Decimal]:
        request = Request("GET", "/fapi/v1/premiumIndex", cost=Cost(10))
        return await self._read(request, decode.mark_prices)

    async def klines(self, symbol: str, start_ms: int, limit: int) -> list[Kline]:
        """The weight grows with `limit`: 1 below 100, 2 below 500."""
        weight = next((weight for most, weight in _KLINE_WEIGHTS if limit <= most), 10)
        asked = {"startTime": str(start_ms), "limit": str(limit)}
        params = {"symbol": symbol, "interval": "1m", **asked}
        request = Request("GET", "/fapi/v1/klines", params, Cost(weight))
        return await self._read(request, decode.klines)

    async def balance(self) -> VenueBalance:
        request = Request("GET", "/fapi/v3/account", cost=Cost(5), signed=True)
        return await self._read(request, decode.balance)

    async def place_order(self, order: OrderRequest, timestamp_ms: int) -> VenueOrder:
        """Raises RefusedError, with nothing sent, for anything but a MARKET order of some size."""
        _refuse_all_but_market(order)
        request = Request(
            "POST",
            _ORDER,
            {
                "symbol": order.symbol,
                "side": order.side.value,
                "type": order.order_type,
                "quantity": fmt_decimal(order.quantity),
                "reduceOnly": "true" if order.reduce_only else "false",
                "newClientOrderId": order.client_order_id,
                "newOrderRespType": "RESULT",
                **self._fence(timestamp_ms),
            },
            Cost(weight=0, orders=1),
            Priority.ESSENTIAL if order.reduce_only else Priority.OPEN,
            signed=True,
            is_order=True,
        )
        try:
            return await self._transport.send(request, _order_with_id(order.client_order_id))
        except VenueError as error:
            if error.outcome is OutcomeClass.RESYNC:
                await self._try_sync()
            raise

    async def find_order(self, symbol: str, client_order_id: str) -> VenueOrder | None:
        params = {"symbol": symbol, "origClientOrderId": client_order_id}
        request = Request("GET", _ORDER, params, Cost(1), Priority.ESSENTIAL, signed=True)
        try:
            return await self._read(request, _order_with_id(client_order_id))
        except VenueError as error:
            if error.venue_code == _NO_SUCH_ORDER:
                return None
            raise

    async def recent_orders(self, symbol: str, limit: int) -> list[VenueOrder]:
        """The newest `limit` orders (at most 1000) of the last 7 days, oldest first."""
        params = {"symbol": symbol, "limit": str(limit)}
        request = Request("GET", "/fapi/v1/allOrders", params, Cost(5), signed=True)
        return await self._read(request, decode.orders)

    async def open_orders(self) -> list[VenueOrder]:
        """Every resting order of the account, oldest first. Weight 40."""
        request = Request(
            "GET", "/fapi/v1/openOrders", {}, Cost(40), Priority.ESSENTIAL, signed=True
        )
        return await self._read(request, decode.orders)

    async def cancel_all(self, symbol: str) -> None:
        """Cancel the symbol's resting orders; nothing to cancel is no fault. Safe to repeat."""
        params = {"symbol": symbol}
        request = Request(
            "DELETE",
            "/fapi/v1/allOpenOrders",
            params,
            Cost(1),
            Priority.ESSENTIAL,
            signed=True,
            is_order=True,
        )
        await self._read(request, lambda _: None)

    async def trades(self, symbol: str, order_id: str) -> list[VenueTrade]:
        """The fills of one order: its price, fee and realised profit."""
        params = {"symbol": symbol, "orderId": order_id}
        request = Request(
            "GET", "/fapi/v1/userTrades", params, Cost(5), Priority.ESSENTIAL, signed=True
        )
        return await self._read(request, decode.trades)

    async def trades_since(self, symbol: str, start_ms: int) -> list[VenueTrade]:
        """The oldest 1000 fills since then; `start_ms` reaches back 7 days at most."""
        params = {"symbol": symbol, "startTime": str(start_ms), "limit": "1000"}
        request = Request("GET", "/fapi/v1/userTrades", params, Cost(5), signed=True)
        return await self._read(request, decode.trades)

    async def open_listen_key(self) -> str:
        """The key of the user data stream, valid for an hour from now. Never log it."""
        request = Request("POST", _LISTEN_KEY, keyed=True)
        return await self._transport.send(request, decode.listen_key)

    async def extend_listen_key(self) -> None:
        """For another hour; -1125 when there is no key any more."""
        await self._transport.send(Request("PUT", _LISTEN_KEY, keyed=True), lambda _: None)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _read(self, request: Request, decoder: Callable[[Any], T]) -> T:
        if not request.signed:
            return await self._transport.send(request, decoder)
        if self._offset_ms is None:
            await self.sync_clock()
        try:
            return await self._transport.send(self._stamped(request), decoder)
        except VenueError as error:
            if error.outcome is not OutcomeClass.RESYNC:
                raise
            await self._try_sync()
        return await self._transport.send(self._stamped(request), decoder)

    def _stamped(self, request: Request) -> Request:
        params = {**request.params, **self._fence(self.timestamp_ms())}
        return replace(request, params=params)

    def _fence(self, timestamp_ms: int) -> dict[str, str]:
        return {"recvWindow": str(self.recv_window_ms), "timestamp": str(timestamp_ms)}

    async def _try_sync(self) -> None:
        """The refusal that made us measure the clock says more than a failure to measure it."""
        with contextlib.suppress(VenueError):
            await self.sync_clock()

    async def _clock_sample(self) -> tuple[float, int]:
        """(round trip in ms, offset in ms) of one request for the exchange's time."""
        request = Request("GET", "/fapi/v1/time", priority=Priority.ESSENTIAL)
        sent_ms, started = self._clock.now_ms(), self._clock.monotonic_ms()
        server_ms = await self._transport.send(request, decode.server_time)
        round_trip_ms = self._clock.monotonic_ms() - started
        return round_trip_ms, round(server_ms - sent_ms - round_trip_ms / 2)


def _order_with_id(client_order_id: str) -> Callable[[Any], VenueOrder]:
    """Decodes an order and takes no other than ours for it."""

    def decoder(body: Any) -> VenueOrder:
        order = decode.order(body)
        if order.client_order_id != client_order_id:
            raise DecodeError("mismatch", "clientOrderId", "the answer is about another order")
        return order

    return decoder


def _refuse_all_but_market(order: OrderRequest) -> None:
    if order.order_type != "MARKET":
        raise RefusedError(
            f"{order.symbol}: order type {order.order_type} is forbidden, only MARKET may leave",
            code="order_type",
        )
    if not order.quantity.is_finite() or order.quantity <= ZERO:
        raise RefusedError(
            f"{order.symbol}: an order of {order.quantity} is forbidden", code="quantity"
        )
