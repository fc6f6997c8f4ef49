"""How to reach one account: URL, keys, fence and timeouts, checked before anything is sent."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from qtops.contracts.environment import Environment, environment_of
from qtops.errors import ConfigError

LONGEST_RECV_WINDOW_MS: Final = 60_000
_EXAMPLE: Final = "For example https://demo-fapi.binance.com"


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """`recv_window_ms` is the fence of every signed request; timeouts are seconds.

    `total_timeout_s` bounds a whole exchange of request and answer, however it trickles.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    recv_window_ms: int = 5_000
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    total_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        if not 1 <= self.recv_window_ms <= LONGEST_RECV_WINDOW_MS:
            raise ConfigError(f"recvWindow {self.recv_window_ms} is not within 1..60000 ms")
        for name, value in (("key", self.api_key), ("secret", self.api_secret)):
            if not (value.isascii() and value.isprintable()) or " " in value:
                raise ConfigError(
                    f"the exchange API {name} holds blanks or unprintable characters",
                    hint="Copy it again; a line end or quote may have slipped in.",
                )

    @property
    def environment(self) -> Environment:
        return environment_of(self.base_url)

    @property
    def is_encrypted(self) -> bool:
        return urlsplit(self.base_url).scheme == "https"


def _check_url(url: str) -> None:
    """http(s) with a host and nothing else; plain http never carries a key to Binance."""
    try:
        parts = urlsplit(url)
        well_formed = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ConfigError("the exchange URL cannot be parsed", hint=_EXAMPLE) from None
    if parts.scheme not in {"http", "https"} or not well_formed:
        raise ConfigError("the exchange URL needs http(s):// and a host", hint=_EXAMPLE)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ConfigError("the exchange URL holds more than scheme, host and path", hint=_EXAMPLE)
    on_binance = environment_of(url) in {Environment.MAINNET, Environment.TESTNET}
    if parts.scheme == "http" and on_binance:
        raise ConfigError("the exchange URL is not encrypted", hint="Use https://.")
