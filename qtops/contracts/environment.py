"""Which exchange a URL leads to, judged by its host alone."""

from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

TESTNET_HOSTS: Final = frozenset({"demo-fapi.binance.com", "testnet.binancefuture.com"})


class Environment(StrEnum):
    """OTHER is a host we do not know: treat it like MAINNET wherever money is at stake."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    SANDBOX = "sandbox"
    OTHER = "other"

    @property
    def is_play_money(self) -> bool:
        """Nothing of value can be lost there."""
        return self in {Environment.TESTNET, Environment.SANDBOX}


def environment_of(url: str) -> Environment:
    """Known test hosts by exact name, loopback is the sandbox, any other binance.com is mainnet."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return Environment.OTHER
    if host in TESTNET_HOSTS:
        return Environment.TESTNET
    if host == "binance.com" or host.endswith(".binance.com"):
        return Environment.MAINNET
    return Environment.SANDBOX if is_loopback(host) else Environment.OTHER


def is_loopback(host: str) -> bool:
    """`localhost`, 127.0.0.0/8 or ::1; a name that merely resolves there does not count."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
