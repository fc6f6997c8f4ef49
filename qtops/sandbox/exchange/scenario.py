"""How the exchange starts: prices, positions, balance, credentials; built in or from TOML."""

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from qtops.contracts.values import ZERO, parse_decimal
from qtops.errors import ConfigError, DecodeError
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.walk import Walk
from qtops.sandbox.exchange.live_cycle import LIVE_CYCLE

_KEY_BYTES = 32
_MAX_LATENCY_MS = 60_000
_MAX_LIMIT = 10_000_000
_MAX_SWING_MS = 86_400_000


def _new_secret() -> str:
    return secrets.token_hex(_KEY_BYTES)


@dataclass(frozen=True, slots=True)
class ScenarioPosition:
    """A position held at the start: positive is long. Entry is the mark when not given."""

    symbol: str
    amount: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True)
class ExchangeScenario:
    """The start of the exchange. A journal that already has a state goes before it.

    `symbols` maps to mark prices; symbols not named start at the instrument's usual price. With a
    `walk` the named ones move around theirs. `settings` are what the services of a sandbox find in
    place of the defaults.
    """

    name: str = "empty"
    symbols: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[ScenarioPosition, ...] = ()
    wallet_balance: Decimal = Decimal(100_000)
    leverage: int = 20
    hedge_mode: bool = False
    latency_ms: int = 0
    weight_per_minute: int = 2400
    orders_per_10s: int = 300
    orders_per_minute: int = 1200
    walk: Walk | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    api_key: str = field(default_factory=_new_secret, repr=False)
    api_secret: str = field(default_factory=_new_secret, repr=False)


# Where things are, and with which keys, is never a scenario's to say.
_NOT_SETTINGS: Final = ("QTOPS_", "BINANCE_", "REDIS_")
_EXIT_PROOF: Final[Mapping[str, Any]] = {
    "symbols": {"TRXUSDT": "0.30", "ETHUSDT": "2950", "BTCUSDT": "88000"},
    "positions": [
        {"symbol": "TRXUSDT", "amount": "17889"},
        {"symbol": "ETHUSDT", "amount": "6.678"},
    ],
}
_EXIT_PROOF_SHORT: Final[Mapping[str, Any]] = {
    **_EXIT_PROOF,
    "positions": [
        {"symbol": "TRXUSDT", "amount": "-17889"},
        {"symbol": "ETHUSDT", "amount": "-6.678"},
    ],
}
_FLAT: Final[Mapping[str, Any]] = {"symbols": _EXIT_PROOF["symbols"]}
BUILT_IN: Final[Mapping[str, Mapping[str, Any]]] = {
    "exit-proof": _EXIT_PROOF,
    "exit-proof-short": _EXIT_PROOF_SHORT,
    "flat": _FLAT,
    "live-cycle": LIVE_CYCLE,
    "empty": {},
}


def load_scenario(name_or_path: str) -> ExchangeScenario:
    """A built-in scenario by name, else a TOML file. Raises ConfigError with what to correct."""
    if name_or_path in BUILT_IN:
        return parse_scenario(BUILT_IN[name_or_path], name_or_path)
    path = Path(name_or_path)
    known = f"Built in: {', '.join(BUILT_IN)}."
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"scenario {name_or_path!r}: no such file", hint=known) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"scenario {name_or_path!r}: not TOML: {error}") from error
    return parse_scenario(raw, path.stem)


def parse_scenario(raw: Mapping[str, Any], name: str) -> ExchangeScenario:
    """A scenario from a mapping. Unknown keys and impossible values are ConfigError."""
    try:
        return _parse(raw, name)
    except DecodeError as error:
        raise ConfigError(f"scenario {name!r}: {error.message}") from error


def _parse(raw: Mapping[str, Any], name: str) -> ExchangeScenario:
    defaults = ExchangeScenario()
    unknown = set(raw) - set(ExchangeScenario.__dataclass_fields__)
    if unknown:
        raise _wrong(min(unknown), "unknown setting")
    symbols = {_listed(s): _positive(p, s) for s, p in _table(raw, "symbols").items()}
    return ExchangeScenario(
        name=_text(raw, "name", name),
        symbols=symbols,
        positions=tuple(_position(row, symbols) for row in _rows(raw, "positions")),
        wallet_balance=_decimal(raw.get("wallet_balance", defaults.wallet_balance), "balance"),
        leverage=_integer(raw, "leverage", defaults.leverage, 125),
        hedge_mode=_flag(raw, "hedge_mode"),
        latency_ms=_integer(raw, "latency_ms", 0, _MAX_LATENCY_MS, low=0),
        weight_per_minute=_integer(raw, "weight_per_minute", 2400, _MAX_LIMIT),
        orders_per_10s=_integer(raw, "orders_per_10s", 300, _MAX_LIMIT),
        orders_per_minute=_integer(raw, "orders_per_minute", 1200, _MAX_LIMIT),
        walk=_walk(raw, symbols),
        settings=_settings(raw),
        api_key=_text(raw, "api_key", defaults.api_key),
        api_secret=_text(raw, "api_secret", defaults.api_secret),
    )


def _position(row: Any, marks: Mapping[str, Decimal]) -> ScenarioPosition:
    if not isinstance(row, Mapping) or not {"symbol", "amount"} <= set(row) <= {
        "symbol",
        "amount",
        "entry_price",
    }:
        raise _wrong("positions", "each needs symbol and amount, and may have entry_price")
    symbol = _listed(row["symbol"])
    amount = _decimal(row["amount"], f"{symbol} amount")
    mark = marks.get(symbol, LISTED[symbol].mark)
    return ScenarioPosition(symbol, amount, _positive(row.get("entry_price", mark), symbol))


def _walk(raw: Mapping[str, Any], bases: Mapping[str, Decimal]) -> Walk | None:
    walk = _table(raw, "walk")
    if not walk:
        return None
    if set(walk) != {"height_pct", "swing_ms", "step_ms"}:
        raise _wrong("walk", "needs height_pct, swing_ms, step_ms and nothing else")
    height = _positive(walk["height_pct"], "height_pct") / 100
    if height >= 1:
        raise _wrong("height_pct", "must be below 100")
    swing_ms = _integer(walk, "swing_ms", 0, _MAX_SWING_MS)
    return Walk(bases, height, swing_ms, _integer(walk, "step_ms", 0, swing_ms))


def _settings(raw: Mapping[str, Any]) -> Mapping[str, str]:
    found = dict(_table(raw, "settings"))
    for name, text in found.items():
        if not isinstance(text, str):
            raise _wrong(name, "must be text, as in the environment")
        if name.startswith(_NOT_SETTINGS):
            raise _wrong(name, "is not a scenario's to set")
    return found


def _wrong(field_name: str, why: str) -> DecodeError:
    return DecodeError("bad_scenario", field_name, f"{field_name}: {why}")


def _listed(symbol: Any) -> str:
    if symbol not in LISTED:
        raise _wrong("symbol", f"{symbol!r} is not listed; listed are {', '.join(LISTED)}")
    return str(symbol)


def _decimal(value: Any, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _wrong(name, "not a number")
    return parse_decimal(str(value), name)


def _positive(value: Any, name: str) -> Decimal:
    number = _decimal(value, name)
    if number <= ZERO:
        raise _wrong(name, "must be above 0")
    return number


def _integer(raw: Mapping[str, Any], name: str, default: int, high: int, *, low: int = 1) -> int:
    value = raw.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(name, f"must be a whole number from {low} to {high}")
    return value


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise _wrong(name, "must be true or false")
    return value


def _text(raw: Mapping[str, Any], name: str, default: str) -> str:
    value = raw.get(name, default)
    if not isinstance(value, str) or not value:
        raise _wrong(name, "must be text")
    return value


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name, {})
    if not isinstance(value, Mapping):
        raise _wrong(name, "must be a table")
    return value


def _rows(raw: Mapping[str, Any], name: str) -> list[Any]:
    value = raw.get(name, [])
    if not isinstance(value, list):
        raise _wrong(name, "must be a list")
    return value
