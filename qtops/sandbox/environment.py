"""What a sandbox's services, and the commands run inside it, find in their environment."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from qtops.contracts.registry import Service

_ALPHABET: Final = string.ascii_letters + string.digits
_KEY_LENGTH: Final = 64
# The gates and what they cannot do without: what a sandbox runs unless told otherwise.
GATES: Final = (
    Service.SNAPSHOTS,
    Service.MARKET_STATE,
    Service.GOVERNOR,
    Service.PORTFOLIO_GATE,
    Service.POSITION_GATE,
    Service.EXECUTOR,
)
# Every service there is, each after those that feed it.
SANDBOX_SERVICES: Final = (
    Service.UNIVERSE,
    *GATES,
    *(Service.USER_STREAM, Service.INTENT_BRIDGE, Service.INTAKE),
    *(Service.CLUSTERS, Service.RISK_BUDGET),
    *(Service.HARVEST, Service.HEAT_CALIBRATION, Service.APPLY_LAYER),
    *(Service.EXIT_MONITOR, Service.RECONCILE, Service.BREAKERS, Service.ANALYTICS),
    Service.PRODUCER,
)
EXCHANGE_KEY: Final = "QTOPS_SANDBOX_API_KEY"
EXCHANGE_SECRET: Final = "QTOPS_SANDBOX_API_SECRET"  # noqa: S105  the name of a variable

# Other spellings of what the sandbox sets, and what must not reach it at all.
_WITHHELD: Final = frozenset(
    {
        "BINANCE_API_KEY",
        "BINANCE_API_SECRET",
        "BINANCE_TESTNET_KEY",
        "BINANCE_TESTNET_SECRET",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_DB",
        "REDIS_PASSWORD",
        EXCHANGE_KEY,
        EXCHANGE_SECRET,
    },
)


def _random_key() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LENGTH))


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made for one sandbox, worth nothing anywhere else."""

    api_key: str = field(default_factory=_random_key, repr=False)
    api_secret: str = field(default_factory=_random_key, repr=False)
    permit_key: str = field(default_factory=_random_key, repr=False)

    def for_exchange(self) -> dict[str, str]:
        """How the exchange learns which key it is to accept, now and after a restart."""
        return {EXCHANGE_KEY: self.api_key, EXCHANGE_SECRET: self.api_secret}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of one sandbox are."""

    redis_url: str
    exchange_url: str
    namespace: str


def sandbox_settings(
    addresses: Addresses,
    credentials: Credentials,
    chosen: Mapping[str, str],
) -> dict[str, str]:
    """Every setting that a sandbox decides, by name. `chosen` are the caller's own on top.

    The mainnet keys are emptied: a settings file may hold them.
    """
    return {
        "QTOPS_REDIS_URL": addresses.redis_url,
        "QTOPS_NAMESPACE": addresses.namespace,
        "QTOPS_EXCHANGE_URL": addresses.exchange_url,
        "QTOPS_PERMIT_KEY": credentials.permit_key,
        "BINANCE_USE_TESTNET": "true",
        "BINANCE_TESTNET_API_KEY": credentials.api_key,
        "BINANCE_TESTNET_API_SECRET": credentials.api_secret,
        "BINANCE_API_KEY": "",
        "BINANCE_API_SECRET": "",
        **{service.metrics_setting: "0" for service in SANDBOX_SERVICES},
        "QTOPS_EXIT_HTTP_PORT": "0",
        **chosen,
    }


def child_environment(base: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, so that GOV_* and the like reach the services, and `settings`."""
    return {name: text for name, text in base.items() if name not in _WITHHELD} | dict(settings)
