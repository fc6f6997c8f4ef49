"""The refusals this exchange can answer with: Binance's codes, texts and HTTP statuses."""

HTTP_BAD_REQUEST = 400

MESSAGES = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1002: "You are not authorized to execute this request.",
    -1003: "Too many requests; current limit is {0} requests per minute.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: (
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown."
    ),
    -1008: (
        "Server is currently overloaded with other requests. Please try again in a few minutes."
    ),
    -1015: "Too many new orders; current limit is {0} orders per {1}.",
    -1016: "This service is no longer available.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1023: "Start time is greater than end time.",
    -1100: "Illegal characters found in parameter '{0}'; legal range is '{1}'.",
    -1101: "Too many parameters sent for this endpoint: '{0}' was sent more than once.",
    -1102: "Mandatory parameter '{0}' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '{0}' sent when not required.",
    -1109: "Invalid account.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1122: "Invalid symbol status.",
    -1125: (
        "This listenKey does not exist. Please use `POST /fapi/v1/listenKey` "
        "to recreate `listenKey`"
    ),
    -1127: "More than {0} hours between startTime and endTime.",
    -1128: "Combination of optional parameters invalid.",
    -1130: "Data sent for parameter '{0}' is not valid.",
    -1136: "Invalid newOrderRespType.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2023: "User in liquidation mode now.",
    -2024: "Position is not sufficient.",
    -2025: "Reach max open order limit.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id length should be less than 36 chars.",
    -4016: "Limit price can't be higher than {0}.",
    -4021: "{0} is not valid depth limit",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {0}.",
    -4028: "Leverage {0} is not valid",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4059: "No need to change position side.",
    -4060: "Invalid position side.",
    -4061: "Order's position side does not match user's setting.",
    -4062: "Invalid or improper reduceOnly value.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4082: "Invalid number of batch place orders.",
    -4105: "This symbol is in position risk control: only reduce-only buy orders are allowed.",
    -4106: "This symbol is in position risk control: only reduce-only sell orders are allowed.",
    -4107: "This symbol is in position risk control: only reduce-only orders are allowed.",
    -4116: "ClientOrderId is duplicated.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders.",
    -4120: (
        "Order type not supported for this endpoint. "
        "Please use the Algo Order API endpoints instead."
    ),
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4140: "Invalid symbol status for opening position.",
    -4141: "Symbol is closed.",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than {0} (unless you choose reduce only).",
    -4168: "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    -4171: "No need to change multi-assets mode.",
    -5000: "Path {0}, Method {1} is invalid",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    -5026: "Only LIMIT orders can be modified.",
    -5027: "No need to modify the order.",
    -5028: "Timestamp for this request is outside of the ME recvWindow.",
    -5037: "Invalid price match",
    -5038: "Price match only supports order type: LIMIT.",
    -5039: "Invalid self trade prevention mode",
    -5040: "The goodTillDate timestamp must be greater than the current time plus 600 seconds.",
}

STATUSES = {
    -1001: 503,
    -1002: 401,
    -1003: 429,
    -1006: 503,
    -1007: 408,
    -1008: 503,
    -1015: 429,
    -1016: 503,
    -2014: 401,
    -2015: 401,
    -5000: 404,
}

ONE_OF_TWO = "Param '{0}' or '{1}' must be sent, but both were empty/null!"
AHEAD_OF_SERVER = "Timestamp for this request was 1000ms ahead of the server's time."


class BinanceError(Exception):
    """A refusal exactly as the client will read it; nothing was executed."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = STATUSES.get(code, HTTP_BAD_REQUEST) if status is None else status
        self.retry_after_s = retry_after_s

    def payload(self) -> dict[str, int | str]:
        return {"code": self.code, "msg": self.message}


def refuse(code: int, *details: object) -> BinanceError:
    """The documented refusal of that code, with its blanks filled in."""
    return BinanceError(code, MESSAGES.get(code, f"Error {code}.").format(*details))


def missing(parameter: str) -> BinanceError:
    """The refusal for a mandatory parameter that is absent or empty."""
    return refuse(-1102, parameter)


def missing_both(first: str, second: str) -> BinanceError:
    """The refusal when one of two identifiers had to be sent."""
    return BinanceError(-1102, ONE_OF_TWO.format(first, second))
