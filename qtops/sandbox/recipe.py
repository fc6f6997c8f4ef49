"""What a sandbox consists of, as data: the command lines and which services."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from qtops.contracts.registry import Service
from qtops.errors import UsageError
from qtops.sandbox.environment import GATES, SANDBOX_SERVICES, Credentials

EXCHANGE: Final = "exchange"
REDIS: Final = "redis"
EXECUTOR: Final = Service.EXECUTOR.value
EXCHANGE_READY: Final = "qtops.sandbox.exchange/v1"
SERVICE_READY: Final = "qtops.run.ready/v1"
DEFAULT_SCENARIO: Final = "exit-proof"

# -P: a file in the working directory must not stand in for a module of ours
_QTOPS: Final = (sys.executable, "-P", "-m", "qtops", "--json")
GATE_SERVICES: Final = tuple(service.value for service in GATES)
SERVICES: Final = tuple(service.value for service in SANDBOX_SERVICES)
_ALL: Final = tuple(s.value for s in SANDBOX_SERVICES if not s.by_name_only)
SERVICE_SETS: Final = {"all": _ALL, "gates": GATE_SERVICES, "none": ()}


@dataclass(frozen=True, slots=True)
class Commands:
    """Command lines. The exchange's gets `--port N --journal DIR` behind it, a service's its name.

    Each announces on stdout, as one line of JSON, that it is ready, and ends on SIGTERM.
    """

    exchange: tuple[str, ...]
    service: tuple[str, ...]


def qtops_commands(scenario: str) -> Commands:
    """The real ones."""
    exchange = (*_QTOPS, "sandbox", "exchange", "--scenario", scenario)
    return Commands(exchange=exchange, service=(*_QTOPS, "run"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """One sandbox.

    Args:
        commands: what to start.
        services: which services, by the names that `qtops run` knows.
        redis_url: a running Redis instead of the embedded one.
        namespace: first part of every Redis name; on a Redis that is shared, one nobody else has.
        chosen: settings of the caller that the services and commands inside are to see.
        credentials: the keys; by default fresh ones.

    """

    commands: Commands
    services: tuple[str, ...] = GATE_SERVICES
    redis_url: str | None = None
    namespace: str = "quantum"
    chosen: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)


def chosen_services(text: str) -> tuple[str, ...]:
    """`all`, `gates`, `none`, or names with commas between them."""
    if text in SERVICE_SETS:
        return SERVICE_SETS[text]
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in SERVICES]:
        known = ", ".join((*SERVICE_SETS, *SERVICES))
        raise UsageError(f"no service {unknown[0]!r} for a sandbox; there are {known}")
    return names
