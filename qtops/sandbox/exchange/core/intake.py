"""A new order as the client wrote it, checked without looking at the market or the account.

Order of checks: symbol, enums, mandatory, forbidden, client id, position side against the mode.
"""

import re
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from qtops.sandbox.exchange.core.errors import missing, refuse
from qtops.sandbox.exchange.core.orders import BOTH, BUY, LIMIT, LONG, MARKET, SELL, SHORT
from qtops.sandbox.exchange.core.params import Params

ALGO_KINDS = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
RESPONSE_TYPES = frozenset({"ACK", "RESULT"})
PRICE_MATCHES = frozenset(
    {"NONE", "OPPONENT", "OPPONENT_5", "QUEUE", "QUEUE_5", "QUEUE_10", "QUEUE_20"}
)
SELF_TRADE_MODES = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
GTD_LEAD_MS = 600_000
CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]*")
_LONGEST_CLIENT_ID = 36
_GENERATED_LENGTH = 22
_NOT_HERE = ("stopPrice", "activationPrice", "callbackRate")


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What was asked for; `price` is None for MARKET and for price matching."""

    symbol: str
    side: str
    kind: str
    time_in_force: str
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    position_side: str
    client_id: str
    response_type: str = "ACK"
    price_match: str = "NONE"
    self_trade_mode: str = "EXPIRE_MAKER"
    good_till_ms: int = 0


def read_symbol(params: Params, listed: Collection[str]) -> str:
    """The symbol, in capitals; missing is -1102 and unlisted -1121."""
    symbol = params.text("symbol")
    if symbol not in listed:
        raise refuse(-1121)
    return symbol


def read_order(
    params: Params, listed: Collection[str], now_ms: int, *, hedge_mode: bool
) -> NewOrder:
    """The order, or the first rule it breaks."""
    symbol = read_symbol(params, listed)
    side = params.choice("side", {BUY, SELL}, -1117)
    kind = _kind(params)
    time_in_force = params.optional_choice("timeInForce", TIMES_IN_FORCE, -1115)
    response_type = params.optional_choice("newOrderRespType", RESPONSE_TYPES, -1136)
    price_match = params.optional_choice("priceMatch", PRICE_MATCHES, -5037) or "NONE"
    self_trade_mode = params.optional_choice("selfTradePreventionMode", SELF_TRADE_MODES, -5039)
    position_side = params.optional_choice("positionSide", {BOTH, LONG, SHORT}, -4060)
    reduce_only = _reduce_only(params)
    price = _price(params, kind, price_match, time_in_force)
    quantity = params.decimal("quantity")
    _check_forbidden(params, kind, hedge_mode=hedge_mode)
    client_id = _client_id(params)
    return NewOrder(
        symbol=symbol,
        side=side,
        kind=kind,
        time_in_force=time_in_force or "GTC",
        quantity=quantity,
        price=price,
        reduce_only=reduce_only,
        position_side=_position_side(position_side, hedge_mode=hedge_mode),
        client_id=client_id,
        response_type=response_type or "ACK",
        price_match=price_match,
        self_trade_mode=self_trade_mode or "EXPIRE_MAKER",
        good_till_ms=_good_till(params, time_in_force, now_ms),
    )


def _kind(params: Params) -> str:
    kind = params.text("type")
    if kind in ALGO_KINDS:
        raise refuse(-4120)
    return params.choice("type", {LIMIT, MARKET}, -1116)


def _reduce_only(params: Params) -> bool:
    raw = params.optional("reduceOnly")
    if raw is None:
        return False
    if raw.lower() not in {"true", "false"}:
        raise refuse(-4062)
    return raw.lower() == "true"


def _price(
    params: Params, kind: str, price_match: str, time_in_force: str | None
) -> Decimal | None:
    if kind == MARKET:
        if price_match != "NONE":
            raise refuse(-5038)
        return None
    if time_in_force is None:
        raise missing("timeInForce")
    if price_match == "NONE":
        return params.decimal("price")
    if "price" in params:
        raise refuse(-1106, "price")
    return None


def _check_forbidden(params: Params, kind: str, *, hedge_mode: bool) -> None:
    for name in (*_NOT_HERE, *(("price", "timeInForce") if kind == MARKET else ())):
        if name in params:
            raise refuse(-1106, name.lower())
    if (params.optional("closePosition") or "").lower() == "true":
        raise refuse(-1106, "closeposition")
    if hedge_mode and "reduceOnly" in params:
        raise refuse(-1106, "reduceonly")


def _client_id(params: Params) -> str:
    raw = params.optional("newClientOrderId")
    if raw is None:
        alphabet = string.ascii_letters + string.digits
        return "".join(secrets.choice(alphabet) for _ in range(_GENERATED_LENGTH))
    if not _CLIENT_ID.fullmatch(raw):
        raise refuse(-1100, "newClientOrderId", CLIENT_ID)
    if len(raw) > _LONGEST_CLIENT_ID:
        raise refuse(-4015)
    return raw


def _position_side(position_side: str | None, *, hedge_mode: bool) -> str:
    side = position_side or BOTH
    if hedge_mode == (side == BOTH):
        raise refuse(-4061)
    return side


def _good_till(params: Params, time_in_force: str | None, now_ms: int) -> int:
    if time_in_force != "GTD":
        return 0
    good_till = params.integer("goodTillDate")
    if good_till <= now_ms + GTD_LEAD_MS:
        raise refuse(-5040)
    return good_till // 1000 * 1000
