"""A whole system in one process: real Redis, the sandbox exchange over HTTP, the real services."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import structlog

from qtops.adapters.proof_bench import RedisBench
from qtops.contracts.plan import client_order_id
from qtops.contracts.registry import Key, Names, Service, Stream
from qtops.contracts.result import Result
from qtops.sandbox.exchange.scenario import load_scenario
from qtops.sandbox.exchange.server import serve
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.settings.load import load_settings
from qtops.settings.model import Settings
from qtops.wiring import arm_sandbox, open_bench, open_link
from qtops.wiring.services import BUILDERS, run_services

GATES = (Service.GOVERNOR, Service.PORTFOLIO_GATE, Service.POSITION_GATE)
READERS = (Service.SNAPSHOTS, Service.MARKET_STATE)
EVERYTHING = (*READERS, *GATES, Service.EXECUTOR)
SYMBOLS = "BTCUSDT,ETHUSDT,TRXUSDT,SOLUSDT,XRPUSDT,BNBUSDT,ADAUSDT,DOGEUSDT,LINKUSDT,AVAXUSDT"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


class System:
    """What a test needs to drive the services and to look at what they did."""

    def __init__(self, environ: dict[str, str], exchange_url: str) -> None:
        self.environ = environ
        self.settings = settings = settings_from(environ)
        self.exchange_url = exchange_url
        self.names = Names(settings.text("QTOPS_NAMESPACE"))
        self.bench: RedisBench = open_bench(settings)
        self.link = open_link(settings, "writer")
        self.http = httpx.AsyncClient(base_url=exchange_url, timeout=10)
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    async def start(self, *services: Service, **changes: str) -> None:
        """Start services in this process, each with `changes` to the settings; wait until ready."""
        waiting = {service: asyncio.Event() for service in services}
        settings = self.with_settings(**changes)
        task = asyncio.create_task(
            run_services(list(services), settings, self._stop, lambda s: waiting[s].set())
        )
        self._running.append(task)
        ready = asyncio.gather(*(event.wait() for event in waiting.values()))
        done, _ = await asyncio.wait({task, ready}, timeout=20, return_when="FIRST_COMPLETED")
        if task in done:
            task.result()
        assert ready.done(), "services did not become ready"

    def with_settings(self, **changes: str) -> Settings:
        return settings_from({**self.environ, **changes})

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._running)
        self._running.clear()
        self._stop = asyncio.Event()

    async def close(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.link.aclose()
        await self.bench.aclose()
        await self.http.aclose()

    # --- driving --------------------------------------------------------------------------------
    async def publish(self, stream: Stream = Stream.APPLY_PLAN, **fields: str) -> str:
        entry: bytes = await self.link.client.xadd(self.names.stream(stream), fields)
        return entry.decode()

    async def result(self, plan_id: str, timeout_s: float = 15) -> Result:
        found = await self.bench.result_of(plan_id, "1-0", timeout_s)
        assert found is not None, f"no result for {plan_id}"
        return found

    async def control(self, verb: str, what: str, /, **body: Any) -> Any:
        answer = await self.http.request(verb, f"/sandbox/v1/{what}", json=body or None)
        answer.raise_for_status()
        return answer.json()

    async def signed(self, method: str, path: str, **params: str) -> Any:
        """A request with the account's own key, as an operator could send it by hand."""
        key, secret = (self.environ[f"BINANCE_TESTNET_API_{part}"] for part in ("KEY", "SECRET"))
        query = urlencode({**params, "timestamp": int(time.time() * 1000)})
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{path}?{query}&signature={signature}"
        answer = await self.http.request(method, url, headers={"X-MBX-APIKEY": key})
        answer.raise_for_status()
        return answer.json()

    async def orders(self) -> list[dict[str, Any]]:
        found = await self.control("GET", "orders")
        orders: list[dict[str, Any]] = found["orders"]
        return orders

    # --- looking --------------------------------------------------------------------------------
    async def results_of(self, plan_id: str) -> list[Result]:
        rows = await self.link.client.xrange(self.names.stream(Stream.APPLY_RESULT))
        decoded = [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in rows]
        return [Result.from_fields(raw) for raw in decoded if raw.get("plan_id") == plan_id]

    async def dead_letters(self) -> list[dict[str, str]]:
        rows = await self.link.client.xrange(self.names.stream(Stream.DLQ))
        return [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in rows]

    async def pending(self, stream: Stream, service: Service) -> int:
        group = self.names.group(stream, service)
        summary = await self.link.client.xpending(self.names.stream(stream), group)
        return int(summary["pending"])

    async def permit(self, gate_key: Key, plan_id: str) -> dict[str, Any] | None:
        raw = await self.link.client.get(self.names.key(gate_key, plan_id=plan_id))
        return json.loads(raw) if raw else None

    def order_id(self, plan_id: str) -> str:
        return client_order_id(self.names.namespace, plan_id)


def close_plan(
    plan_id: str, symbol: str = "TRXUSDT", qty: str = "100", **more: str
) -> dict[str, str]:
    return {
        "plan_id": plan_id,
        "decision": "EXECUTE",
        "symbol": symbol,
        "side": "SELL",
        "qty": qty,
        "reduceOnly": "true",
        "source": "intent_bridge",
        "action": "FULL_CLOSE_PROPOSED",
        **more,
    }


def open_plan(
    plan_id: str, symbol: str = "BTCUSDT", qty: str = "0.002", **more: str
) -> dict[str, str]:
    return {
        "plan_id": plan_id,
        "decision": "EXECUTE",
        "symbol": symbol,
        "side": "BUY",
        "qty": qty,
        "reduceOnly": "false",
        "source": "intent_bridge",
        "action": "ENTRY_PROPOSED",
        **more,
    }


def settings_from(environ: dict[str, str]) -> Settings:
    nowhere = Path("/nonexistent")
    return load_settings(environ, cwd=nowhere, home=nowhere, etc_dir=nowhere)


@contextlib.asynccontextmanager
async def running_system(
    redis_url: str, scenario: str, journal: Path | None = None, **environ: str
) -> AsyncIterator[System]:
    """The exchange and an armed, empty namespace; no service runs yet."""
    played = load_scenario(scenario)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    exchange = asyncio.create_task(serve(played, journal=journal, on_ready=ready.set_result))
    done, _ = await asyncio.wait({exchange, ready}, timeout=20, return_when="FIRST_COMPLETED")
    if exchange in done:
        exchange.result()
    url = await ready
    system = System(
        {
            "QTOPS_REDIS_URL": redis_url,
            "QTOPS_EXCHANGE_URL": url,
            "QTOPS_NAMESPACE": f"t{secrets.token_hex(4)}",
            "BINANCE_TESTNET_API_KEY": played.api_key,
            "BINANCE_TESTNET_API_SECRET": played.api_secret,
            "QTOPS_PERMIT_KEY": "test-permit-key",
            "P33_ALLOWLIST": SYMBOLS,
            "INTENT_EXECUTOR_ALLOWLIST": SYMBOLS,
            **{service.metrics_setting: "0" for service in BUILDERS},
            "QTOPS_EXIT_HTTP_PORT": "0",
            **environ,
        },
        url,
    )
    await arm_sandbox(system.settings)
    try:
        yield system
    finally:
        await system.close()
        exchange.cancel()
        await asyncio.gather(exchange, return_exceptions=True)


@pytest.fixture
async def system(redis_server: EmbeddedRedis) -> AsyncIterator[System]:
    """Positions TRXUSDT 17889 and ETHUSDT 6.678."""
    async with running_system(redis_server.url, "exit-proof") as running:
        yield running


@pytest.fixture
async def flat_system(redis_server: EmbeddedRedis) -> AsyncIterator[System]:
    """No positions, and caps that leave room for small opens."""
    async with running_system(redis_server.url, "flat") as running:
        yield running


async def until(read, wanted):
    """Ask until the answer is the wanted one; ten seconds at most."""
    async with asyncio.timeout(10):
        while (seen := await read()) != wanted:
            await asyncio.sleep(0.02)
    return seen
