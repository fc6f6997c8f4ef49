"""The key of the user data stream: asked for, kept alive, given up. No signature."""

from typing import Final

from qtops.sandbox.exchange.core.errors import refuse
from qtops.sandbox.exchange.rest.endpoint import Call, Endpoint, Security, Table
from qtops.sandbox.exchange.rest.wire import Json


def create(call: Call) -> Json:
    """The key in force is given again, and lives for another hour."""
    return {"listenKey": call.venue.streams.create(call.now_ms)}


def extend(call: Call) -> Json:
    """-1125 when there is none."""
    key = call.venue.streams.extend(call.now_ms)
    if key is None:
        raise refuse(-1125)
    return {"listenKey": key}


def close(call: Call) -> Json:
    """Its streams fall silent; without one nothing happens."""
    call.venue.streams.close()
    return {}


_PATH: Final = "/fapi/v1/listenKey"
ENDPOINTS: Final[Table] = {
    ("POST", _PATH): Endpoint(create, 1, Security.KEY),
    ("PUT", _PATH): Endpoint(extend, 1, Security.KEY),
    ("DELETE", _PATH): Endpoint(close, 1, Security.KEY),
}
