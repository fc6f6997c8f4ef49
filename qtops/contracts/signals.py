"""Signals as other programs send them over HTTP → intents: TradingView, freqtrade, our own words.

A body is a JSON object. What is not understood is refused, what only informs is ignored; a token in
the body is taken out and goes nowhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from qtops.contracts.codec import Fields, canonical_json, text_of
from qtops.contracts.intent import Intent
from qtops.contracts.values import fmt_decimal, parse_decimal, parse_symbol
from qtops.contracts.vocabulary import Side
from qtops.errors import DecodeError

SECRETS: Final = ("token", "passphrase", "secret")
LONGEST: Final = 256  # characters of a value that travels with an intent
# Ours to say: beside the size, side and symbol of an intent no second word for them may travel.
_OWN: Final = frozenset(
    {"symbol", "side", "action", "qty", "quantity", "position_size_usd", "notional_usd"}
    | {"reduceOnly", "reduce_only", "source", "timestamp", "payload", *SECRETS}
)
_TICKER: Final = re.compile(r"(?:BINANCE:)?([^\W_]{2,30}?)(?:\.P|PERP)?")
_PAIR: Final = re.compile(r"([^\W_]{1,20})/([^\W_]{2,10})(?::([^\W_]{2,10}))?")
_QTY: Final = ("qty", "quantity", "contracts", "order_contracts")
_USD: Final = ("position_size_usd", "notional_usd")


class Shape(StrEnum):
    """Whose words a body is in."""

    PLAIN = "plain"
    TRADINGVIEW = "tradingview"
    FREQTRADE = "freqtrade"


class Asked(StrEnum):
    """The freqtrade events that ask for something. Every other event says what has happened."""

    ENTRY = "entry"
    EXIT = "exit"


class Direction(StrEnum):
    """The side of a freqtrade trade."""

    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that asks for nothing."""

    reason: str
    message: str


def token_in(body: Mapping[str, Any]) -> str:
    """The token that a sender without headers put into the body; empty when there is none."""
    return next((said for name in SECRETS if isinstance(said := body.get(name), str) and said), "")


def shape_of(body: Mapping[str, Any]) -> Shape:
    """By the fields that only one shape has. Raises DecodeError when there are none."""
    if "pair" in body or ("type" in body and not body.keys() & {"symbol", "ticker", "strategy"}):
        return Shape.FREQTRADE
    if "ticker" in body or isinstance(body.get("strategy"), dict):
        return Shape.TRADINGVIEW
    if "symbol" in body:
        return Shape.PLAIN
    message = "a signal names its symbol: ticker (TradingView), pair (freqtrade) or symbol"
    raise DecodeError("unknown_shape", "symbol", message)


def intent_of(body: Mapping[str, Any], shape: Shape) -> Intent | Ignored:
    """The wish in a body. Raises DecodeError naming the field."""
    flat = {name: text_of(value) for name, value in body.items() if not isinstance(value, dict)}
    if shape is Shape.FREQTRADE:
        return _freqtrade(flat)
    if shape is Shape.TRADINGVIEW:
        return _tradingview(flat, body.get("strategy"))
    intent = Intent.from_fields(flat)
    return replace(intent, source=intent.source or shape.value, extra=_extra(intent.extra))


def _tradingview(flat: dict[str, str], strategy: object) -> Intent:
    """An alert's JSON; the usual `strategy` object counts as if it stood outside.

    After a strategy's order `market_position` is what is left: `flat` makes the order a close.
    `time` is the bar's, so it is not the signal's. An `alert_id` names the alert, and only with its
    time one firing of it.
    """
    if isinstance(strategy, dict):
        for name, value in strategy.items():
            if flat.setdefault(str(name), text_of(value)) != text_of(value):
                message = f"{name} is said twice, and differently"
                raise DecodeError("contradictory", str(name), message)
    fields = Fields(flat)
    said = {
        "symbol": _ticker(fields.need("ticker", "symbol")),
        "side": fields.need_word(Side, "action", "side", "order_action").value,
        "qty": fields.take(*_QTY),
        "position_size_usd": fields.take(*_USD),
        "source": fields.take("source") or Shape.TRADINGVIEW.value,
        "timestamp": fields.take("timenow", "timestamp"),
        "reduceOnly": fields.take("reduceOnly", "reduce_only"),
    }
    if said["reduceOnly"] is None and (flat.get("market_position") or "").lower() == "flat":
        said["reduceOnly"] = "true"
    extra = _extra(fields.rest())
    alert = extra.get("alert_id")
    if alert and said["timestamp"]:
        extra.setdefault("signal_id", f"{alert}@{said['timestamp']}")
    return _intent(said, extra)


def _freqtrade(flat: dict[str, str]) -> Intent | Ignored:
    """A webhook of type `entry` or `exit`. Source: freqtrade's documentation of its webhooks.

    `amount` is base units. `stake_amount` is margin: times leverage it is the notional. A webhook
    that is sent again has the same body; for an entry that makes it the same signal, an exit is
    rather asked for twice than lost.
    """
    fields = Fields(flat)
    kind = fields.need("type").strip().lower()
    if kind not in list(Asked):
        return Ignored("informs_only", f"type {kind[:40]!r} asks for nothing")
    pair, is_entry = _pair(fields.need("pair")), kind == Asked.ENTRY
    is_long = fields.need_word(Direction, "direction") is Direction.LONG
    amount, stake = fields.take("amount"), fields.take("stake_amount")
    extra = _extra(fields.rest())
    # An intent's own `type` is that of its order.
    extra = {_RENAMED.get(name, name): text for name, text in extra.items()} | {"signal_type": kind}
    if is_entry and flat.get("trade_id"):
        whole = {name: text for name, text in flat.items() if name not in SECRETS}
        extra.setdefault("signal_id", sha256(canonical_json(whole).encode()).hexdigest()[:32])
    said = {
        "symbol": pair,
        "side": (Side.BUY if is_long == is_entry else Side.SELL).value,
        "qty": amount,
        "position_size_usd": None if amount else _notional(stake, flat.get("leverage")),
        "reduceOnly": None if is_entry else "true",
        "source": flat.get("source") or Shape.FREQTRADE.value,
    }
    return _intent(said, extra)


_RENAMED: Final = {"type": "signal_type", "order_type": "signal_order_type"}


def _notional(stake: str | None, leverage: str | None) -> str | None:
    if stake is None:
        return None
    if not leverage:
        message = "stake_amount is margin: add leverage, or amount in base units"
        raise DecodeError("missing_leverage", "leverage", message)
    return fmt_decimal(parse_decimal(stake, "stake_amount") * parse_decimal(leverage, "leverage"))


def _ticker(raw: str) -> str:
    """`BINANCE:BTCUSDT.P`, `BTCUSDTPERP` or `BTCUSDT`; a chart of another exchange is refused."""
    found = _TICKER.fullmatch(raw.strip().upper())
    if found is None:
        message = f"ticker: {raw[:40]!r} is no symbol of BINANCE"
        raise DecodeError("bad_symbol", "ticker", message)
    return parse_symbol(found[1], "ticker")


def _pair(raw: str) -> str:
    """`BTC/USDT:USDT` or `BTC/USDT`; what settles in another coin is another contract."""
    found = _PAIR.fullmatch(raw.strip().upper())
    if found is None or found[3] not in {None, found[2]}:
        raise DecodeError("bad_symbol", "pair", f"pair: {raw[:40]!r} is not like BTC/USDT:USDT")
    return parse_symbol(found[1] + found[2], "pair")


def _extra(rest: Mapping[str, str]) -> dict[str, str]:
    """What travels with the wish: short values, and none that would be a second word for it."""
    return {
        name: text for name, text in rest.items() if name not in _OWN and 0 < len(text) <= LONGEST
    }


def _intent(said: Mapping[str, str | None], extra: Mapping[str, str]) -> Intent:
    return Intent.from_fields({**extra, **{name: text for name, text in said.items() if text}})
