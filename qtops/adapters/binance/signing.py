"""Requests as the exchange signs them: HMAC-SHA256 over the exact percent-encoded bytes sent."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlencode


def encode(params: Mapping[str, str]) -> str:
    """`a=1&b=2` in the given order; all but letters, digits and `-._~` percent-encoded (UTF-8)."""
    return urlencode(params, quote_via=quote, safe="")


def signature(secret: str, total_params: str) -> str:
    """Lower-case hex HMAC of query string and body, concatenated without a separator."""
    return hmac.new(secret.encode(), total_params.encode(), hashlib.sha256).hexdigest()


def signed(params: Mapping[str, str], secret: str) -> str:
    """The encoded parameters with their signature last."""
    encoded = encode(params)
    return f"{encoded}&signature={signature(secret, encoded)}"
