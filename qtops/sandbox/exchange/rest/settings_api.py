"""Account settings: leverage, margin type, position mode, multi-assets mode."""

from typing import Final

from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Security, Table
from qtops.sandbox.exchange.rest.wire import Json
from qtops.sandbox.exchange.rest.wire_account import PositionWire

_DONE: Final = {"code": 200, "msg": "success"}


def set_leverage(call: Call) -> Json:
    """For future margin and for positions that exist."""
    symbol = call.symbol()
    call.engine.settings.set_leverage(symbol, call.params.integer("leverage"))
    config = PositionWire(call.engine).config(symbol)
    return {name: config[name] for name in ("symbol", "leverage", "maxNotionalValue")}


def set_margin_type(call: Call) -> Json:
    """Already so is -4046."""
    symbol = call.symbol()
    kind = call.params.choice("marginType", {"ISOLATED", "CROSSED"}, -1130)
    call.engine.settings.set_margin_type(symbol, is_isolated=kind == "ISOLATED")
    return _DONE


def get_position_mode(call: Call) -> Json:
    """One-way unless changed."""
    return {"dualSidePosition": call.state.account.hedge_mode}


def set_position_mode(call: Call) -> Json:
    """Already so is -4059."""
    call.engine.settings.set_hedge_mode(hedge_mode=call.params.flag("dualSidePosition"))
    return _DONE


def get_multi_assets(call: Call) -> Json:
    """Off unless changed."""
    return {"multiAssetsMargin": call.state.account.multi_assets}


def set_multi_assets(call: Call) -> Json:
    """A flag only: the one asset here is USDT."""
    call.engine.settings.set_multi_assets(multi_assets=call.params.flag("multiAssetsMargin"))
    return _DONE


_SIGNED: Final = Security.SIGNED
_MODE: Final = "/fapi/v1/positionSide/dual"
_ASSETS: Final = "/fapi/v1/multiAssetsMargin"
ENDPOINTS: Final[Table] = {
    ("POST", "/fapi/v1/leverage"): Endpoint(set_leverage, 1, _SIGNED),
    ("POST", "/fapi/v1/marginType"): Endpoint(set_margin_type, 1, _SIGNED),
    ("GET", _MODE): Endpoint(get_position_mode, 30, _SIGNED),
    ("POST", _MODE): Endpoint(set_position_mode, 1, _SIGNED),
    ("GET", _ASSETS): Endpoint(get_multi_assets, 30, _SIGNED),
    ("POST", _ASSETS): Endpoint(set_multi_assets, 1, _SIGNED),
}
