"""The scenario `live-cycle`: a flat account, prices that walk, services tuned to act in minutes.

Everything is smaller and sooner than an operator would have it: one R is 0.15 % of the entry, a
position is held for a minute. The defaults stay as they are; these stand in their place here only.
"""

from collections.abc import Mapping
from typing import Any, Final

_SYMBOLS: Final = {
    "BTCUSDT": "88000",
    "ETHUSDT": "2950",
    "SOLUSDT": "128",
    "XRPUSDT": "1.90",
    "TRXUSDT": "0.30",
}
_TRADED: Final = ",".join(_SYMBOLS)
_LISTS: Final = (
    "PRODUCER_SYMBOLS",
    "INTENT_BRIDGE_ALLOWLIST",
    "INTENT_EXECUTOR_ALLOWLIST",
    "P33_ALLOWLIST",
    "APPLY_ALLOWLIST",
)
_SETTINGS: Final = {
    **dict.fromkeys(_LISTS, _TRADED),
    # who asks
    "PRODUCER_SECONDS": "1",
    "PRODUCER_LOOKBACK": "20",
    "PRODUCER_COOLDOWN_SECONDS": "20",
    "PRODUCER_NOTIONAL_USDT": "400",
    "INTENT_EXECUTOR_SOURCE_ALLOWLIST": "intent_bridge,apply_layer,exit_monitor",
    "INTENT_BRIDGE_ALLOW_SHORT": "true",
    "MIN_HOLD_SECONDS": "10",
    # what the gates leave room for
    "GOV_MAX_OPEN_POSITIONS": "5",
    "GOV_MAX_NOTIONAL_PER_TRADE_USDT": "500",
    "GOV_MAX_TOTAL_NOTIONAL_USDT": "2500",
    "GOV_SYMBOL_COOLDOWN_SECONDS": "10",
    "GOV_MAX_EXEC_PER_HOUR": "200",
    "GOV_MAX_EXEC_PER_5MIN": "30",
    "P26_COOLDOWN_SEC": "3",
    "P33_COOLDOWN_SEC": "2",
    # how often is looked
    "MARKET_MARKS_SECONDS": "1",
    "HARVEST_POLL_SECONDS": "2",
    "EXIT_MONITOR_SECONDS": "1",
    "P27_UPDATE_SEC": "20",
    # when a position ends
    "HARVEST_STOP_PCT": "0.0015",
    "HARVEST_COST_BPS": "1",
    "HARVEST_KILL_THRESHOLD": "0.88",
    "APPLY_MODE": "testnet",
    "EXIT_MODE": "enforce",
    "EXIT_TP_PCT": "0.8",
    "EXIT_SL_PCT": "0.25",
    "EXIT_TRAILING_PCT": "0.3",
    "EXIT_RETRY_SECONDS": "5",
}
LIVE_CYCLE: Final[Mapping[str, Any]] = {
    "symbols": _SYMBOLS,
    "wallet_balance": "10000",
    "walk": {"height_pct": "3", "swing_ms": 15_000, "step_ms": 500},
    "settings": _SETTINGS,
}
