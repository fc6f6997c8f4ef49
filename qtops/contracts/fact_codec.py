"""Facts as JSON and back, exactly: one encoder and one decoder for each fact a gate may ask for.

A number keeps its spelling (`0.0020` does not become `0.002`), so that a decision made again words
its reason alike. A fact that was not requested is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from qtops.contracts.facts import (
    NOT_REQUESTED,
    Clusters,
    ControlState,
    Fact,
    Facts,
    Known,
    Missing,
    Portfolio,
    Position,
    Reservation,
    Reservations,
)
from qtops.contracts.universe import Allowlist, Tier
from qtops.contracts.values import parse_decimal
from qtops.contracts.venue import Filters
from qtops.contracts.vocabulary import FactName, Side, TradingState
from qtops.errors import DecodeError

_FILTER_NUMBERS: Final = (
    *("price_tick", "lot_step", "lot_min", "lot_max"),
    *("market_step", "market_min", "market_max", "min_notional"),
)
_FILTER_WORDS: Final = ("symbol", "status", "contract_type")
_PRECISIONS: Final = ("quantity_precision", "price_precision")


def encode_facts(facts: Facts) -> dict[str, Any]:
    """Each requested fact under its name: `{"at": ms, "value": …}` or `{"missing": why}`."""
    return {
        name.value: _encode(name, reading)
        for name in FactName
        if (reading := getattr(facts, name.value)) != NOT_REQUESTED
    }


def decode_facts(raw: Mapping[str, Any]) -> Facts:
    """Raises DecodeError for a fact that is unknown, incomplete or of another type."""
    return Facts(**{name: _decode(name, reading) for name, reading in raw.items()})


def _encode(name: FactName, reading: Fact[Any]) -> dict[str, Any]:
    if isinstance(reading, Missing):
        return {"missing": reading.why}
    return {"at": reading.observed_at_ms, "value": _CODECS[name][0](reading.value)}


def _decode(name: str, raw: Any) -> Fact[Any]:
    try:
        decode = _CODECS[FactName(name)][1]
        if "missing" in raw:
            return Missing(_text(raw["missing"]))
        return Known(decode(raw["value"]), _whole(raw["at"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{name}: {type(error).__name__} {error}"
        raise DecodeError("bad_fact", name, message) from error


# --- scalars: JSON types are checked, nothing is converted ---------------------------------------
def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        message = f"{raw!r} is no text"
        raise TypeError(message)
    return raw


def _whole(raw: Any) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        message = f"{raw!r} is no whole number"
        raise TypeError(message)
    return raw


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        message = f"{raw!r} is neither true nor false"
        raise TypeError(message)
    return raw


def _number(raw: Any) -> Decimal:
    return parse_decimal(_text(raw))


def _or_none(decode: Callable[[Any], Any], raw: Any) -> Any:
    return None if raw is None else decode(raw)


def _same(value: Any) -> Any:
    return value


# --- facts ---------------------------------------------------------------------------------------
def _control(raw: Mapping[str, Any]) -> ControlState:
    return ControlState(
        TradingState(raw["trading_state"]),
        _whole(raw["epoch"]),
        _text(raw["mode"]),
        _flag(raw["manual_lane"]),
    )


def _encode_control(state: ControlState) -> dict[str, Any]:
    return {
        "trading_state": state.trading_state.value,
        "epoch": state.epoch,
        "mode": state.mode,
        "manual_lane": state.manual_lane,
    }


def _encode_allowlist(listed: Allowlist) -> dict[str, Any]:
    return {
        "symbols": sorted(listed.symbols),
        "tier": listed.tier.value,
        "skipped": listed.skipped,
    }


def _allowlist(raw: Mapping[str, Any]) -> Allowlist:
    symbols = frozenset(_text(symbol) for symbol in raw["symbols"])
    return Allowlist(symbols, Tier(raw["tier"]), _text(raw["skipped"]))


def _encode_filters(rules: Filters) -> dict[str, Any]:
    plain = {name: getattr(rules, name) for name in (*_FILTER_WORDS, *_PRECISIONS)}
    return plain | {name: str(getattr(rules, name)) for name in _FILTER_NUMBERS}


def _filters(raw: Mapping[str, Any]) -> Filters:
    values: dict[str, Any] = {name: _text(raw[name]) for name in _FILTER_WORDS}
    values |= {name: _whole(raw[name]) for name in _PRECISIONS}
    values |= {name: _number(raw[name]) for name in _FILTER_NUMBERS}
    return Filters(**values)


def _encode_position(position: Position) -> list[str]:
    return [str(position.amount), str(position.entry_price), str(position.mark_price)]


def _position(raw: Sequence[Any]) -> Position:
    amount, entry, mark = raw
    return Position(_number(amount), _number(entry), _number(mark))


def _encode_portfolio(portfolio: Portfolio) -> dict[str, Any]:
    equity, peak = portfolio.equity_usdt, portfolio.peak_equity_usdt
    return {
        "positions": {s: _encode_position(p) for s, p in portfolio.positions.items()},
        "equity_usdt": None if equity is None else str(equity),
        "peak_equity_usdt": None if peak is None else str(peak),
        "equity_at_ms": portfolio.equity_at_ms,
    }


def _portfolio(raw: Mapping[str, Any]) -> Portfolio:
    return Portfolio(
        {symbol: _position(position) for symbol, position in raw["positions"].items()},
        _or_none(_number, raw["equity_usdt"]),
        _or_none(_number, raw["peak_equity_usdt"]),
        _or_none(_whole, raw["equity_at_ms"]),
    )


def _encode_volatility(sigma: Mapping[str, Decimal]) -> dict[str, str]:
    return {symbol: str(value) for symbol, value in sigma.items()}


def _volatility(raw: Mapping[str, Any]) -> dict[str, Decimal]:
    return {symbol: _number(value) for symbol, value in raw.items()}


def _encode_clusters(clusters: Clusters) -> dict[str, Any]:
    return {
        "stress": str(clusters.stress),
        "sides": dict(clusters.sides),
        "members": [list(group) for group in clusters.members],
    }


def _clusters(raw: Mapping[str, Any]) -> Clusters:
    return Clusters(
        _number(raw["stress"]),
        {symbol: _text(side) for symbol, side in raw["sides"].items()},
        tuple(tuple(_text(symbol) for symbol in group) for group in raw["members"]),
    )


def _encode_reservations(held: Reservations) -> dict[str, Any]:
    return {"version": held.version, "held": {k: _encode_one(r) for k, r in held.by_plan.items()}}


def _reservations(raw: Mapping[str, Any]) -> Reservations:
    held = {plan_id: _one(record) for plan_id, record in raw["held"].items()}
    return Reservations(held, _whole(raw["version"]))


def _encode_one(held: Reservation) -> dict[str, Any]:
    return {
        "plan_id": held.plan_id,
        "symbol": held.symbol,
        "side": held.side.value,
        "quantity": str(held.quantity),
        "notional_usdt": str(held.notional_usdt),
        "state": held.state,
        "expires_at_ms": held.expires_at_ms,
        "filled_at_ms": held.filled_at_ms,
        "reduce_only": held.reduce_only,
    }


def _one(raw: Mapping[str, Any]) -> Reservation:
    return Reservation(
        plan_id=_text(raw["plan_id"]),
        symbol=_text(raw["symbol"]),
        side=Side(raw["side"]),
        quantity=_number(raw["quantity"]),
        notional_usdt=_number(raw["notional_usdt"]),
        state=_text(raw["state"]),
        expires_at_ms=_whole(raw["expires_at_ms"]),
        filled_at_ms=_whole(raw["filled_at_ms"]),
        reduce_only=_flag(raw["reduce_only"]),
    )


def _instant(raw: Any) -> Any:
    return _or_none(_whole, raw)


def _history(raw: Sequence[Any]) -> tuple[int, ...]:
    return tuple(_whole(moment) for moment in raw)


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
_AMOUNT: Final[Codec] = (str, _number)
_INSTANT: Final[Codec] = (_same, _instant)
_CODECS: Final[Mapping[FactName, Codec]] = {
    FactName.CONTROL: (_encode_control, _control),
    FactName.ROLLOUT: (_same, _whole),
    FactName.ALLOWLIST: (_encode_allowlist, _allowlist),
    FactName.FILTERS: (_encode_filters, _filters),
    FactName.POSITION: (_encode_position, _position),
    FactName.BOOK: _AMOUNT,
    FactName.MARK: _AMOUNT,
    FactName.PORTFOLIO: (_encode_portfolio, _portfolio),
    FactName.VOLATILITY: (_encode_volatility, _volatility),
    FactName.CLUSTERS: (_encode_clusters, _clusters),
    FactName.BUDGET: _AMOUNT,
    FactName.ALLOCATION: _AMOUNT,
    FactName.RESERVATIONS: (_encode_reservations, _reservations),
    FactName.TRADE_COOLDOWN: _INSTANT,
    FactName.EXEC_COOLDOWN: _INSTANT,
    FactName.HEAT_COOLDOWN: _INSTANT,
    FactName.OPEN_HISTORY: (list, _history),
    FactName.RECONCILE_HOLD: (_same, _text),
}
