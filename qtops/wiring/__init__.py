"""The composition root: settings → adapters. The only package that builds adapters.

Operators' commands find what they need here; `services` builds what `qtops run` runs.
"""

from typing import TYPE_CHECKING

from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.redis_connection import Purpose
from qtops.contracts.registry import Key
from qtops.settings.model import Settings

if TYPE_CHECKING:
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.adapters.proof_bench import RedisBench
    from qtops.adapters.sandbox_control import SandboxControl


def open_link(
    settings: Settings, purpose: Purpose = "reader", name: str = "qtops-cli"
) -> RedisLink:
    """A client that has not connected yet. Close it with `aclose()`."""
    url = settings.text("QTOPS_REDIS_URL")
    return RedisLink.to(url, settings.text("QTOPS_NAMESPACE"), purpose=purpose, name=name)


def open_venue(settings: Settings, link: RedisLink | None = None) -> "BinanceVenue":
    """The exchange that the settings name, with the keys of that kind of venue.

    With a `link` the request budget is shared with every process that uses the same API key.
    """
    from qtops.adapters.binance.client import BinanceVenue
    from qtops.adapters.binance.settings import VenueSettings

    kind = _key_kind(settings)
    venue = VenueSettings(
        base_url=settings.text("QTOPS_EXCHANGE_URL"),
        api_key=settings.secret(f"{kind}_KEY").reveal(),
        api_secret=settings.secret(f"{kind}_SECRET").reveal(),
        recv_window_ms=settings.milliseconds("QTOPS_RECV_WINDOW_MS"),
    )
    from qtops.adapters.rate_ledger import RedisRateLedger

    ledger = RedisRateLedger(link, venue.api_key) if link is not None else None
    return BinanceVenue(venue, SystemClock(), ledger)


def _key_kind(settings: Settings) -> str:
    return "BINANCE_TESTNET_API" if settings.boolean("BINANCE_USE_TESTNET") else "BINANCE_API"


def has_exchange_key(settings: Settings) -> bool:
    """Whether a key is configured for the kind of venue that the settings name."""
    return bool(settings.secret(f"{_key_kind(settings)}_KEY"))


async def arm_sandbox(settings: Settings) -> None:
    """The control state of a fresh sandbox: kill switch off, mode TESTNET."""
    link = open_link(settings, "writer")
    try:
        with link.guard():
            await link.client.mset(
                {
                    link.names.key(Key.KILL): "0",
                    link.names.key(Key.KILL_EPOCH): "1",
                    link.names.key(Key.MODE): "TESTNET",
                }
            )
    finally:
        await link.aclose()


def open_bench(settings: Settings) -> "RedisBench":
    """The system under proof. Close it with `aclose()`."""
    from qtops.adapters.proof_bench import RedisBench

    return RedisBench(open_link(settings, "writer"), open_link(settings, "blocking"))


def open_sandbox_control(settings: Settings) -> "SandboxControl":
    """The sandbox exchange from behind; RefusedError for any other venue. An async context."""
    from qtops.adapters.sandbox_control import SandboxControl

    return SandboxControl(settings.text("QTOPS_EXCHANGE_URL"))
