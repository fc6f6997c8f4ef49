"""Who may call: API key, HMAC-SHA256 over the exact bytes sent, time window."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from qtops.sandbox.exchange.core.errors import AHEAD_OF_SERVER, BinanceError, missing, refuse
from qtops.sandbox.exchange.core.params import Params

DEFAULT_WINDOW_MS = 5000
MAX_WINDOW_MS = 60_000
AHEAD_MS = 1000
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def signature_of(secret: str, query: str, body: str) -> str:
    """Hex HMAC of query and body, concatenated without a separator, without `signature` itself."""
    total = _unsigned(query) + _unsigned(body)
    return hmac.new(secret.encode(), total.encode(), hashlib.sha256).hexdigest()


def _unsigned(part: str) -> str:
    return "&".join(item for item in part.split("&") if not item.startswith("signature="))


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Holds the one account's credentials. Key before parameters, as the venue does."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def check_key(self, header: str | None) -> None:
        """-2014 for a missing or malformed key, -2015 for a wrong one."""
        if header is None or not _KEY.fullmatch(header):
            raise refuse(-2014)
        if not hmac.compare_digest(header.encode(), self.api_key.encode()):
            raise refuse(-2015)

    def check_signature(self, query: str, body: str, params: Params, now_ms: int) -> None:
        """Mandatory parts, then the signature (-1022), then the time window (-1021)."""
        timestamp = params.integer("timestamp")
        given = params.optional("signature")
        if given is None:
            raise missing("signature")
        expected = signature_of(self.api_secret, query, body)
        if not hmac.compare_digest(given.lower().encode(), expected.encode()):
            raise refuse(-1022)
        _check_window(timestamp, params, now_ms)


def _check_window(timestamp: int, params: Params, now_ms: int) -> None:
    window = params.optional_integer("recvWindow")
    window = DEFAULT_WINDOW_MS if window is None else window
    if window > MAX_WINDOW_MS:
        raise refuse(-1130, "recvWindow")
    if timestamp >= now_ms + AHEAD_MS:
        raise BinanceError(-1021, AHEAD_OF_SERVER)
    if now_ms - timestamp > window:
        raise refuse(-1021)
