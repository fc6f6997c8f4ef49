"""What the exchange's errors say about an order: ERRORS.md and EXECUTION.md as data.

Codes are stable and messages vary, so the code decides; the one exception is HTTP 503, whose
"Service Unavailable." is the only answer of that status that is safe to read as "not executed".
"""

from dataclasses import dataclass
from typing import Final

from qtops.errors import OutcomeClass


@dataclass(frozen=True, slots=True)
class VenueErrorSpec:
    """One code: its name, what it says about the order that caused it, and the cause in words."""

    code: int
    name: str
    outcome: OutcomeClass
    meaning: str


_FINAL = OutcomeClass.FINAL
_UNKNOWN = OutcomeClass.UNKNOWN
_RETRY = OutcomeClass.RETRY
_RESYNC = OutcomeClass.RESYNC
_ALREADY = OutcomeClass.ALREADY
_HALT = OutcomeClass.HALT

_row = VenueErrorSpec
_ROWS: Final = (
    _row(-1000, "UNKNOWN", _UNKNOWN, "unknown error while processing"),
    _row(-1001, "DISCONNECTED", _UNKNOWN, "documented as not executed, but look it up first"),
    _row(-1002, "UNAUTHORIZED", _HALT, "not authorised"),
    _row(-1003, "TOO_MANY_REQUESTS", _RETRY, "request weight exhausted, or IP banned"),
    _row(-1004, "IP_IN_WHITE_LIST", _FINAL, "IP is already in the white list"),
    _row(-1005, "IP_NOT_IN_WHITE_LIST", _FINAL, "IP is not in the white list"),
    _row(-1006, "UNEXPECTED_RESP", _UNKNOWN, "execution status unknown"),
    _row(-1007, "TIMEOUT", _UNKNOWN, "backend timed out; execution status unknown"),
    _row(-1008, "THROTTLED", _UNKNOWN, "overload; such orders have been seen filled"),
    _row(-1010, "ERROR_MSG_RECEIVED", _FINAL, "bad request"),
    _row(-1011, "NON_WHITE_LIST", _HALT, "this IP may not use this route"),
    _row(-1013, "INVALID_MESSAGE", _FINAL, "bad request"),
    _row(-1014, "UNKNOWN_ORDER_COMPOSITION", _FINAL, "unsupported order combination"),
    _row(-1015, "TOO_MANY_ORDERS", _RETRY, "order count limit of 10 seconds or 1 minute reached"),
    _row(-1016, "SERVICE_SHUTTING_DOWN", _HALT, "service unavailable or being migrated"),
    _row(-1020, "UNSUPPORTED_OPERATION", _FINAL, "unsupported operation"),
    _row(
        -1021, "INVALID_TIMESTAMP", _RESYNC, "timestamp outside recvWindow, or over 1000 ms ahead"
    ),
    _row(-1022, "INVALID_SIGNATURE", _HALT, "signature not valid: wrong secret, or a bug"),
    _row(-1023, "START_TIME_GREATER_THAN_END_TIME", _FINAL, "start time after end time"),
    _row(-1099, "NOT_FOUND", _HALT, "not found, unauthenticated or unauthorised"),
    _row(-1100, "ILLEGAL_CHARS", _FINAL, "illegal characters in a parameter, for example 1e-07"),
    _row(-1101, "TOO_MANY_PARAMETERS", _FINAL, "too many or duplicate parameters"),
    _row(-1102, "MANDATORY_PARAM_EMPTY_OR_MALFORMED", _FINAL, "parameter missing or malformed"),
    _row(-1103, "UNKNOWN_PARAM", _FINAL, "unknown parameter"),
    _row(-1104, "UNREAD_PARAMETERS", _FINAL, "parameters that were not read"),
    _row(-1105, "PARAM_EMPTY", _FINAL, "empty parameter"),
    _row(-1106, "PARAM_NOT_REQUIRED", _FINAL, "for example reduceOnly in hedge mode"),
    _row(-1109, "BAD_ACCOUNT", _HALT, "invalid account"),
    _row(-1111, "BAD_PRECISION", _FINAL, "more decimals than the symbol has"),
    _row(-1112, "NO_DEPTH", _RETRY, "no orders on the book"),
    _row(-1115, "INVALID_TIF", _FINAL, "invalid timeInForce"),
    _row(-1116, "INVALID_ORDER_TYPE", _FINAL, "invalid order type"),
    _row(-1117, "INVALID_SIDE", _FINAL, "invalid side"),
    _row(-1118, "EMPTY_NEW_CL_ORD_ID", _FINAL, "empty new client order id"),
    _row(-1119, "EMPTY_ORG_CL_ORD_ID", _FINAL, "empty original client order id"),
    _row(-1120, "BAD_INTERVAL", _FINAL, "invalid kline interval"),
    _row(-1121, "BAD_SYMBOL", _FINAL, "invalid symbol"),
    _row(-1122, "INVALID_SYMBOL_STATUS", _FINAL, "invalid symbol status"),
    _row(-1125, "INVALID_LISTEN_KEY", _FINAL, "the listen key does not exist; create a new one"),
    _row(-1127, "MORE_THAN_XX_HOURS", _FINAL, "lookup window too large"),
    _row(-1128, "OPTIONAL_PARAMS_BAD_COMBO", _FINAL, "bad combination of parameters"),
    _row(-1130, "INVALID_PARAMETER", _FINAL, "data of a parameter is not valid"),
    _row(-1136, "INVALID_NEW_ORDER_RESP_TYPE", _FINAL, "invalid newOrderRespType"),
    _row(-2010, "NEW_ORDER_REJECTED", _FINAL, "order rejected"),
    _row(-2011, "CANCEL_REJECTED", _UNKNOWN, "filled, cancelled or never there"),
    _row(-2012, "CANCEL_ALL_FAIL", _UNKNOWN, "batch cancel failed"),
    _row(-2013, "NO_SUCH_ORDER", _RETRY, "no such order, or not visible yet"),
    _row(-2014, "BAD_API_KEY_FMT", _HALT, "API key missing or malformed"),
    _row(-2015, "REJECTED_MBX_KEY", _HALT, "API key, its IP or its permissions refused"),
    _row(-2016, "NO_TRADING_WINDOW", _HALT, "no trading window"),
    _row(-2017, "API_KEYS_LOCKED", _HALT, "API keys are locked"),
    _row(-2018, "BALANCE_NOT_SUFFICIENT", _FINAL, "balance is insufficient"),
    _row(-2019, "MARGIN_NOT_SUFFICIENT", _FINAL, "margin is insufficient"),
    _row(-2020, "UNABLE_TO_FILL", _FINAL, "unable to fill"),
    _row(-2021, "ORDER_WOULD_IMMEDIATELY_TRIGGER", _FINAL, "already past its trigger"),
    _row(-2022, "REDUCE_ONLY_REJECT", _FINAL, "flat, wrong side or conflicting open orders"),
    _row(-2023, "USER_IN_LIQUIDATION", _HALT, "the account is being liquidated"),
    _row(-2024, "POSITION_NOT_SUFFICIENT", _FINAL, "position is not sufficient"),
    _row(-2025, "MAX_OPEN_ORDER_EXCEEDED", _FINAL, "too many open orders"),
    _row(-2026, "REDUCE_ONLY_ORDER_TYPE_NOT_SUPPORTED", _FINAL, "order type cannot be reduce-only"),
    _row(-2027, "MAX_LEVERAGE_RATIO", _FINAL, "largest position at the current leverage exceeded"),
    _row(-2028, "MIN_LEVERAGE_RATIO", _FINAL, "leverage too small for the margin balance"),
    _row(-4001, "PRICE_LESS_THAN_ZERO", _FINAL, "price below zero"),
    _row(-4002, "PRICE_GREATER_THAN_MAX_PRICE", _FINAL, "price above the maximum"),
    _row(-4003, "QTY_LESS_THAN_ZERO", _FINAL, "quantity zero or below"),
    _row(-4004, "QTY_LESS_THAN_MIN_QTY", _FINAL, "quantity below the minimum"),
    _row(-4005, "QTY_GREATER_THAN_MAX_QTY", _FINAL, "quantity above the maximum"),
    _row(-4013, "PRICE_LESS_THAN_MIN_PRICE", _FINAL, "price below the minimum"),
    _row(-4014, "PRICE_NOT_INCREASED_BY_TICK_SIZE", _FINAL, "price is no multiple of the tick"),
    _row(-4015, "INVALID_CL_ORD_ID_LEN", _FINAL, "client order id not valid or over 36 characters"),
    _row(-4016, "PRICE_HIGHER_THAN_MULTIPLIER_UP", _FINAL, "limit price above the allowed band"),
    _row(-4021, "INVALID_DEPTH_LIMIT", _FINAL, "depth limit not valid"),
    _row(
        -4023, "QTY_NOT_INCREASED_BY_STEP_SIZE", _FINAL, "quantity is no multiple of the lot step"
    ),
    _row(-4024, "PRICE_LOWER_THAN_MULTIPLIER_DOWN", _FINAL, "limit price below the allowed band"),
    _row(-4028, "INVALID_LEVERAGE", _FINAL, "leverage not valid"),
    _row(-4029, "INVALID_TICK_SIZE_PRECISION", _FINAL, "tick size precision not valid"),
    _row(-4030, "INVALID_STEP_SIZE_PRECISION", _FINAL, "step size precision not valid"),
    _row(-4031, "INVALID_WORKING_TYPE", _FINAL, "working type not valid"),
    _row(-4045, "REACH_MAX_STOP_ORDER_LIMIT", _FINAL, "too many conditional orders"),
    _row(-4046, "NO_NEED_TO_CHANGE_MARGIN_TYPE", _ALREADY, "margin type is already so"),
    _row(-4047, "MARGIN_TYPE_WITH_OPEN_ORDERS", _FINAL, "open orders block the margin type"),
    _row(-4048, "MARGIN_TYPE_WITH_POSITION", _FINAL, "a position blocks the margin type"),
    _row(-4050, "CROSS_BALANCE_INSUFFICIENT", _FINAL, "cross balance insufficient"),
    _row(-4051, "ISOLATED_BALANCE_INSUFFICIENT", _FINAL, "isolated balance insufficient"),
    _row(-4054, "CANNOT_ADD_POSITION_MARGIN", _FINAL, "no position to add margin to"),
    _row(-4055, "AMOUNT_MUST_BE_POSITIVE", _FINAL, "amount must be positive"),
    _row(-4059, "NO_NEED_TO_CHANGE_POSITION_SIDE", _ALREADY, "position mode is already so"),
    _row(-4060, "INVALID_POSITION_SIDE", _FINAL, "position side not valid"),
    _row(
        -4061, "POSITION_SIDE_NOT_MATCH", _HALT, "the account's position mode is not what we assume"
    ),
    _row(-4062, "REDUCE_ONLY_CONFLICT", _FINAL, "reduceOnly value not valid"),
    _row(-4067, "POSITION_SIDE_CHANGE_EXISTS_OPEN_ORDERS", _FINAL, "open orders block it"),
    _row(-4068, "POSITION_SIDE_CHANGE_EXISTS_QUANTITY", _FINAL, "a position blocks it"),
    _row(-4082, "INVALID_BATCH_PLACE_ORDER_SIZE", _FINAL, "batch size not valid"),
    _row(-4083, "PLACE_BATCH_ORDERS_FAIL", _UNKNOWN, "batch failed; parts of it may stand"),
    _row(-4087, "REDUCE_ONLY_ORDER_PERMISSION", _HALT, "the account may only reduce"),
    _row(-4088, "NO_PLACE_ORDER_PERMISSION", _HALT, "the account may not place orders"),
    _row(-4105, "RISK_CONTROL_REDUCE_ONLY", _FINAL, "risk control: reduce-only"),
    _row(-4106, "RISK_CONTROL_BUY_REDUCE_ONLY", _FINAL, "risk control: buys reduce-only"),
    _row(-4107, "RISK_CONTROL_SELL_REDUCE_ONLY", _FINAL, "risk control: sells reduce-only"),
    _row(-4109, "INACTIVE_ACCOUNT", _HALT, "inactive account: transfer funds in first"),
    _row(-4116, "DUPLICATED_CLIENT_ORDER_ID", _UNKNOWN, "an order with this id is open: adopt it"),
    _row(-4117, "STOP_ORDER_TRIGGERING", _UNKNOWN, "conditional order is triggering"),
    _row(-4118, "REDUCE_ONLY_MARGIN_CHECK_FAILED", _FINAL, "cancel orders of the same side"),
    _row(-4120, "STOP_ORDER_SWITCH_ALGO", _FINAL, "belongs to the algo service (a bug here)"),
    _row(-4131, "MARKET_ORDER_REJECT", _FINAL, "thin book: best price outside the band"),
    _row(-4135, "INVALID_ACTIVATION_PRICE", _FINAL, "activation price not valid"),
    _row(-4136, "STOP_TARGET_NOT_ALLOWED", _FINAL, "price target not allowed"),
    _row(-4137, "QUANTITY_EXISTS_WITH_CLOSE_POSITION", _FINAL, "quantity with closePosition"),
    _row(-4138, "REDUCE_ONLY_MUST_BE_TRUE", _FINAL, "closePosition must reduce"),
    _row(-4140, "INVALID_OPENING_POSITION_STATUS", _FINAL, "symbol status does not allow opening"),
    _row(-4141, "SYMBOL_ALREADY_CLOSED", _FINAL, "symbol is closed"),
    _row(-4142, "STRATEGY_INVALID_TRIGGER_PRICE", _FINAL, "the trigger would fire at once"),
    _row(-4161, "ISOLATED_LEVERAGE_REJECT_WITH_POSITION", _FINAL, "a position blocks it"),
    _row(-4164, "MIN_NOTIONAL", _FINAL, "notional below the minimum (reduce-only is exempt)"),
    _row(-4168, "ISOLATED_REJECT_WITH_JOINT_MARGIN", _FINAL, "multi-assets mode is on"),
    _row(-4171, "NO_NEED_TO_CHANGE_JOINT_MARGIN", _ALREADY, "multi-assets mode is already so"),
    _row(-4183, "STOP_PRICE_ABOVE_MULTIPLIER", _FINAL, "stop price above the allowed band"),
    _row(-4184, "STOP_PRICE_BELOW_MULTIPLIER", _FINAL, "stop price below the allowed band"),
    _row(-4189, "OPEN_NOT_PERMITTED", _HALT, "only reduce-only orders are permitted"),
    _row(-4192, "COOLING_OFF_PERIOD", _HALT, "cooling-off period"),
    _row(-4202, "LEVERAGE_KYC_LIMIT", _FINAL, "leverage limit of the account"),
    _row(-4203, "LEVERAGE_LIMIT_3", _FINAL, "leverage limit of the account"),
    _row(-4204, "LEVERAGE_LIMIT_4", _FINAL, "leverage limit of the account"),
    _row(-4205, "LEVERAGE_AGE_LIMIT", _FINAL, "leverage limit of a young account"),
    _row(-4206, "LEVERAGE_REGION_LIMIT", _FINAL, "leverage limit of the region"),
    _row(-4207, "LEVERAGE_LIMIT_7", _FINAL, "leverage limit of the account"),
    _row(-4208, "LEVERAGE_SYMBOL_LIMIT", _FINAL, "leverage limit of the symbol"),
    _row(-4209, "LEVERAGE_LIMIT_9", _FINAL, "leverage limit of the account"),
    _row(-4400, "TRADING_QUANTITATIVE_RULE", _HALT, "quantitative rules: reduce-only"),
    _row(-4401, "LARGE_POSITION_SYM_RULE", _HALT, "large position rule: reduce-only"),
    _row(-4402, "COMPLIANCE_RESTRICTION", _HALT, "not available in this region"),
    _row(-4403, "LEVERAGE_COMPLIANCE", _HALT, "leverage not available in this region"),
    _row(
        -4411, "TRADFI_AGREEMENT_NOT_SIGNED", _FINAL, "agreement for TradFi perpetuals not signed"
    ),
    _row(-4531, "POSITION_MODE_NEEDS_COIN_M_FLAT", _FINAL, "needs a flat COIN-M account"),
    _row(-5000, "PATH_INVALID", _FINAL, "path or method not valid (a bug here)"),
    _row(-5021, "FOK_ORDER_REJECT", _FINAL, "FOK could not be filled at once"),
    _row(-5022, "GTX_ORDER_REJECT", _FINAL, "post-only order would take"),
    _row(-5024, "MODIFY_ORDER_STATUS", _FINAL, "modify: order status"),
    _row(-5025, "MODIFY_LIMIT_ONLY", _FINAL, "modify: only LIMIT orders"),
    _row(-5026, "MODIFY_TOO_OFTEN", _FINAL, "modify: too many changes"),
    _row(-5027, "SAME_ORDER", _ALREADY, "modify: the order is already so"),
    _row(
        -5028, "ME_RECVWINDOW_REJECT", _RESYNC, "timestamp outside the matching engine's recvWindow"
    ),
    _row(-5029, "MODIFY_MIN_NOTIONAL", _FINAL, "modify: notional below the minimum"),
    _row(-5037, "INVALID_PRICE_MATCH", _FINAL, "priceMatch not valid"),
    _row(-5038, "UNSUPPORTED_ORDER_TYPE_PRICE_MATCH", _FINAL, "priceMatch with this order type"),
    _row(
        -5039, "INVALID_SELF_TRADE_PREVENTION_MODE", _FINAL, "self-trade prevention mode not valid"
    ),
    _row(-5040, "FUTURE_GOOD_TILL_DATE", _FINAL, "goodTillDate not valid"),
    _row(-5041, "BBO_ORDER_REJECT", _FINAL, "no best price to match"),
    _row(-5043, "MODIFY_PENDING", _FINAL, "modify: an earlier change is pending"),
    _row(-5047, "MODIFY_REDUCE_ONLY_CONFLICT", _FINAL, "modify: reduceOnly conflict"),
)

VENUE_ERRORS: Final = {row.code: row for row in _ROWS}

# Used where the code does not decide. 403 and 451 are the WAF and geo-blocking.
STATUS_OUTCOMES: Final = {
    401: _HALT,
    403: _HALT,
    404: _FINAL,
    408: _UNKNOWN,
    418: _RETRY,
    429: _RETRY,
    451: _HALT,
}

_NOT_EXECUTED_503: Final = "service unavailable"


def classify(
    http_status: int | None, venue_code: int | None, message: str, *, is_order: bool
) -> OutcomeClass:
    """What a failed request did.

    Args:
        http_status: None when no response arrived.
        venue_code: the body's `code`, None when the body was not the exchange's JSON.
        message: the body's `msg`, or a short plain body; looked at for HTTP 503 only.
        is_order: the request could change something. A read that failed can be repeated,
            so UNKNOWN becomes RETRY for it.

    """
    outcome = _order_outcome(http_status, venue_code, message)
    if outcome is OutcomeClass.UNKNOWN and not is_order:
        return OutcomeClass.RETRY
    return outcome


def _order_outcome(status: int | None, code: int | None, message: str) -> OutcomeClass:
    if status is None:
        return OutcomeClass.UNKNOWN
    if status == 503 and message.strip().rstrip(".").casefold() == _NOT_EXECUTED_503:  # noqa: PLR2004
        return OutcomeClass.RETRY
    if code is not None and code in VENUE_ERRORS:
        return VENUE_ERRORS[code].outcome
    if status in STATUS_OUTCOMES:
        return STATUS_OUTCOMES[status]
    refused = code is not None and 400 <= status < 500  # noqa: PLR2004
    return OutcomeClass.FINAL if refused else OutcomeClass.UNKNOWN
