"""Settings → what a rollback looks at and acts with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qtops.adapters.control_store import RedisControlStore
from qtops.adapters.manual_lane import RedisManualLane
from qtops.adapters.service_control import CommandControl, SystemdControl
from qtops.contracts.registry import Key
from qtops.errors import ConfigError
from qtops.ports import ControlStore
from qtops.rollback.plan import Part, Sight
from qtops.rollback.steps import Hands, ManualLane, ServiceControl
from qtops.sandbox.control_socket import SandboxControl
from qtops.settings.model import Settings
from qtops.wiring import open_link


@dataclass(frozen=True, slots=True)
class Bench:
    """The system that is rolled back."""

    sight: Sight
    control: ControlStore
    lane: ManualLane
    services: ServiceControl

    def hands(self, by: str, reason: str) -> Hands:
        return Hands(self.control, self.lane, self.services, by, reason)


@asynccontextmanager
async def rollback_bench(settings: Settings) -> AsyncIterator[Bench]:
    """Connects with the first question; never repeats a write."""
    link = open_link(settings, "writer")
    try:
        control, services = RedisControlStore(link), service_control(settings)
        keys = [link.names.key(key) for key in (Key.MANUAL_LANE, Key.MODE)]
        sight = Sight(control, services, *keys)
        yield Bench(sight, control, RedisManualLane(link), services)
    finally:
        await link.aclose()


def executor(settings: Settings) -> Part:
    """What applies plans here."""
    return Part(settings.text("QTOPS_EXECUTOR_UNIT"), settings.text("QTOPS_EXECUTOR_ENV_FILE"))


def apply_layer(settings: Settings) -> Part:
    """One that applies plans beside the executor, where there is one."""
    return Part(settings.text("QTOPS_APPLY_UNIT"), settings.text("QTOPS_APPLY_ENV_FILE"))


def service_control(settings: Settings) -> ServiceControl:
    """Raises ConfigError when what the chosen one needs is not set."""
    match settings.text("QTOPS_SERVICE_CONTROL"):
        case "sandbox":
            directory = settings.text("QTOPS_SANDBOX_DIR")
            if not directory:
                raise ConfigError("QTOPS_SANDBOX_DIR is not set", hint="source DIR/env first")
            return SandboxControl(Path(directory))
        case "command":
            restart = settings.text("QTOPS_SERVICE_RESTART_COMMAND")
            return CommandControl(restart, settings.text("QTOPS_SERVICE_STATUS_COMMAND"))
        case _:
            return SystemdControl()
