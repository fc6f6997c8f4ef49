"""Settings → services: what `qtops run` runs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from qtops.adapters.link import RedisLink
from qtops.contracts.registry import Key, Service
from qtops.errors import RefusedError
from qtops.settings.model import Settings
from qtops.wiring import open_link
from qtops.wiring.services import (
    analytics,
    breakers,
    bridge,
    executor,
    exits,
    feeders,
    gates,
    harvest,
    intake,
    producer,
    reconcile,
    risk,
)
from qtops.wiring.services.assembly import Builder, Running

__all__ = ["BUILDERS", "EXAMPLES", "run_services"]

# In the order in which `qtops run all` starts them: who feeds comes before who reads.
BUILDERS: Final[dict[Service, Builder]] = {
    **feeders.BUILDERS,
    **risk.BUILDERS,
    **gates.BUILDERS,
    **executor.BUILDERS,
    **harvest.BUILDERS,
    **reconcile.BUILDERS,
    **breakers.BUILDERS,
    **exits.BUILDERS,
    **bridge.BUILDERS,
    **intake.BUILDERS,
    **analytics.BUILDERS,
}
# No part of a system that trades: run by name only, and neither installed nor watched.
EXAMPLES: Final[dict[Service, Builder]] = producer.BUILDERS


async def run_services(
    services: Sequence[Service],
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[Service], None],
) -> None:
    """Run these services in this process until `stop`. The first that fails ends them all."""
    link = open_link(settings, "reader")
    try:
        with link.guard():
            await link.client.ping()
        if set(services) - feeders.BUILDERS.keys():
            await refuse_without_kill_switch(link)
    finally:
        await link.aclose()
    builders = BUILDERS | EXAMPLES
    running = [builders[service](service, settings) for service in services]
    try:
        async with asyncio.TaskGroup() as group:
            for built in running:
                ready = _announcer(on_ready, built.service)
                group.create_task(_run_one(built, stop, ready))
    finally:
        for built in running:
            await built.aclose()


def _announcer(on_ready: Callable[[Service], None], service: Service) -> Callable[[], None]:
    return lambda: on_ready(service)


async def _run_one(built: Running, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    try:
        await built.runnable.run(stop, ready)
    finally:
        stop.set()


async def refuse_without_kill_switch(link: RedisLink) -> None:
    """A service that can let orders through starts only where a kill switch exists."""
    with link.guard():
        present = await link.client.exists(link.names.key(Key.KILL))
    if not present:
        raise RefusedError(
            f"the kill switch {link.names.key(Key.KILL)} is not set; absent means HALTED",
            hint="qtops kill off --reason 'first start'",
        )
