"""Market, intent, plan, permits, order, position, harvest, exit: every service, unattended.

The scenario `live-cycle` at about ten times its pace: what takes minutes there is seen here.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from benchmarks.live_cycle_figures import Figures, Observer
from qtops.contracts.registry import Service
from qtops.sandbox.environment import SANDBOX_SERVICES
from qtops.sandbox.exchange.live_cycle import LIVE_CYCLE
from qtops.sandbox.redis_server import EmbeddedRedis
from tests.services.conftest import System, running_system

FASTER = {
    "PRODUCER_SECONDS": "0.2",
    "PRODUCER_LOOKBACK": "8",
    "PRODUCER_COOLDOWN_SECONDS": "3",
    "MARKET_MARKS_SECONDS": "0.2",
    "SNAPSHOT_POSITIONS_SECONDS": "0.25",
    "HARVEST_POLL_SECONDS": "0.3",
    "EXIT_MONITOR_SECONDS": "0.2",
    "EXIT_RETRY_SECONDS": "1",
    "MIN_HOLD_SECONDS": "1",
    "GOV_SYMBOL_COOLDOWN_SECONDS": "1",
    "P26_COOLDOWN_SEC": "1",
    "P33_COOLDOWN_SEC": "0.5",
    "P27_UPDATE_SEC": "5",
}
WALK = "weight_per_minute = 100000\n[walk]\nheight_pct = '3'\nswing_ms = 1500\nstep_ms = 100\n"
DEADLINE_S = 45


@pytest.fixture
async def system(tmp_path) -> AsyncIterator[System]:
    symbols = "".join(f"{name} = '{price}'\n" for name, price in LIVE_CYCLE["symbols"].items())
    file = tmp_path / "faster.toml"
    file.write_text(f"{WALK}[symbols]\n{symbols}")
    settings = {**LIVE_CYCLE["settings"], **FASTER, Service.PRODUCER.metrics_setting: "0"}
    with EmbeddedRedis() as server, structlog.testing.capture_logs() as logs:
        async with running_system(server.url, str(file), **settings) as running:
            yield running
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]


async def test_the_whole_cycle_runs_by_itself_and_leaves_nothing_behind(system: System):
    await system.start(*(s for s in SANDBOX_SERVICES if not s.by_name_only))
    observer = Observer(
        system.settings.text("QTOPS_REDIS_URL"), system.exchange_url, system.names.namespace
    )
    async with asyncio.timeout(DEADLINE_S):
        while not went_round(figures := await asyncio.to_thread(observer.figures)):
            await asyncio.sleep(0.3)
    observer.close()
    assert sum(figures.filled.values()) + sum(figures.refused.values()) == figures.plans.total()


def went_round(figures: Figures) -> bool:
    """In, partly out, wholly out, by both services that close; and now nothing is on its way."""
    closers = {source for source, _ in figures.filled}
    seen = {"intent_bridge", "apply_layer", "exit_monitor"} <= closers
    return seen and figures.round_trips > 0 and figures.partial_closes > 0 and figures.at_rest
