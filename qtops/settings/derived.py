"""Settings that follow from others when nobody gave them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from qtops.contracts.environment import Environment, environment_of
from qtops.settings.model import DEFAULT_ORIGIN, Entry, Secret

TESTNET_URL: Final = "https://demo-fapi.binance.com"
MAINNET_URL: Final = "https://fapi.binance.com"
TESTNET_STREAM_URL: Final = "wss://fstream.binancefuture.com"
MAINNET_STREAM_URL: Final = "wss://fstream.binance.com"
_REDIS_PARTS: Final = ("REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_PASSWORD")


def derived_entries(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries that replace the given ones."""
    redis = entries["QTOPS_REDIS_URL"]
    exchange = entries["QTOPS_EXCHANGE_URL"]
    exchange = _exchange(entries) if exchange.is_default else exchange
    stream = entries["QTOPS_EXCHANGE_STREAM_URL"]
    return {
        "QTOPS_REDIS_URL": _redis(entries) if redis.is_default else redis,
        "QTOPS_EXCHANGE_URL": exchange,
        "QTOPS_EXCHANGE_STREAM_URL": _stream(stream, exchange) if stream.is_default else stream,
    }


def _redis(entries: Mapping[str, Entry]) -> Entry:
    """The operators' REDIS_* parts as one URL; nothing given leaves the default."""
    url = entries["QTOPS_REDIS_URL"]
    origins = [entries[part].origin for part in _REDIS_PARTS if not entries[part].is_default]
    if not origins:
        return url
    host, port, database, password = (entries[part].value for part in _REDIS_PARTS)
    secret = password.reveal() if isinstance(password, Secret) else ""
    account = f":{quote(secret, safe='')}@" if secret else ""
    where = f"[{host}]" if ":" in str(host) else host
    return Entry(url.setting, f"redis://{account}{where}:{port}/{database}", ", ".join(origins))


def _exchange(entries: Mapping[str, Entry]) -> Entry:
    """Testnet unless BINANCE_USE_TESTNET says no."""
    testnet = entries["BINANCE_USE_TESTNET"]
    url = TESTNET_URL if testnet.value else MAINNET_URL
    origin = DEFAULT_ORIGIN if testnet.is_default else f"BINANCE_USE_TESTNET, {testnet.origin}"
    return Entry(entries["QTOPS_EXCHANGE_URL"].setting, url, origin)


def _stream(stream: Entry, exchange: Entry) -> Entry:
    """The venue's host for streams; elsewhere the REST API's own host and port."""
    parts = urlsplit(str(exchange.value))
    match environment_of(str(exchange.value)):
        case Environment.MAINNET:
            url = MAINNET_STREAM_URL
        case Environment.TESTNET:
            url = TESTNET_STREAM_URL
        case _:
            url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    origin = DEFAULT_ORIGIN if exchange.is_default else f"QTOPS_EXCHANGE_URL, {exchange.origin}"
    return Entry(stream.setting, url, origin)
