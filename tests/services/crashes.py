"""Things that die and come back: processes of one service, a Redis that loses its last second."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import redis.exceptions

from qtops.contracts.registry import Key, Service, Stream
from qtops.sandbox.exchange.scenario import ExchangeScenario
from qtops.sandbox.exchange.server import serve
from qtops.sandbox.redis_server import _free_port, find_server
from tests.services.conftest import System

T = TypeVar("T")
PATIENCE_S = 30.0
HERE = Path(__file__).parent


async def until(what: Callable[[], Awaitable[bool]], why: str, timeout_s: float = PATIENCE_S):
    """Wait for something that only shows in Redis, the exchange or /proc."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await what():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never happened: {why}") from None


# --- processes ----------------------------------------------------------------------------------
class Worker:
    """One service in a process with a host name of its own, hence a consumer of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(
        cls,
        system: System,
        host: str,
        service: Service = Service.EXECUTOR,
        stop_at: str = "",
        idle_ms: int = 800,
        **environ: str,
    ) -> "Worker":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "crash_executor.py")),
            env={
                **os.environ,
                **system.environ,
                "QTOPS_RECV_WINDOW_MS": "500",
                "QTOPS_LOG_LEVEL": "warning",
                **environ,
                "CRASH_HOST": host,
                "CRASH_IDLE_MS": str(idle_ms),
                "CRASH_STOP_AT": stop_at,
                "CRASH_SERVICE": service.value,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
            assert json.loads(line)["schema"] == "qtops.run.ready/v1"
        except BaseException:
            process.kill()
            raise
        return cls(process)

    async def stopped(self) -> None:
        """Wait until it has frozen itself."""

        async def frozen() -> bool:
            stat = _stat_of(self.process.pid)
            return stat.rpartition(")")[2].split()[0] == "T"

        await until(frozen, "the process stopped")

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


def _stat_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text()


@contextlib.asynccontextmanager
async def workers() -> AsyncIterator[list[Worker]]:
    """Whatever is put into the list dies at the end."""
    alive: list[Worker] = []
    try:
        yield alive
    finally:
        for worker in alive:
            await worker.kill()


# --- Redis --------------------------------------------------------------------------------------
class FragileRedis:
    """A durable server on a fixed port that can be killed and come back with less than it had."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        options = {
            "port": str(self.port), "bind": "127.0.0.1", "dir": str(self._directory), "save": "",
            "appendonly": "yes", "appendfsync": "everysec", "aof-load-truncated": "yes",
            "logfile": str(self._directory / "log"),
        }  # fmt: skip
        command = [str(find_server()), *(w for k, v in options.items() for w in (f"--{k}", v))]
        self._process = subprocess.Popen(command)  # noqa: ASYNC220  killed with the test
        client = redis.Redis(port=self.port)

        async def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self._directory / "log").read_text()
            with contextlib.suppress(redis.exceptions.RedisError):
                return bool(await asyncio.to_thread(client.ping))
            return False

        await until(answers, "Redis answers")
        client.close()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _file(self) -> Path:
        [file] = (self._directory / "appendonlydir").glob("*.incr.aof")
        return file

    def written(self) -> int:
        """How long the file is: everything that was answered so far is in it."""
        return self._file().stat().st_size

    async def crash(self, keep: int | None = None) -> None:
        """kill -9; what was written after `keep` bytes is lost; start again."""
        self.kill()
        if keep is not None:
            os.truncate(self._file(), keep)
        await self.start()


@contextlib.asynccontextmanager
async def fragile_redis(directory: Path) -> AsyncIterator[FragileRedis]:
    server = FragileRedis(directory)
    await server.start()
    try:
        yield server
    finally:
        server.kill()


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Our own connections broke with the server; try until they are made again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await work()
            except redis.exceptions.RedisError:
                await asyncio.sleep(0.05)


# --- the exchange -------------------------------------------------------------------------------
@contextlib.asynccontextmanager
async def exchange_at(scenario: ExchangeScenario, port: int, journal: Path) -> AsyncIterator[None]:
    """The exchange on a fixed port, with what its journal remembers."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(scenario, port=port, journal=journal, on_ready=ready.set_result)
    )
    await asyncio.wait({task, ready}, timeout=PATIENCE_S, return_when="FIRST_COMPLETED")
    try:
        ready.result()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- what must hold at the end ------------------------------------------------------------------
async def reservations(system: System) -> dict[str, dict[str, object]]:
    raw = await system.link.client.hgetall(system.names.key(Key.RESERVATIONS))
    return {plan_id.decode(): json.loads(text) for plan_id, text in raw.items()}


async def settled(system: System, plan_ids: set[str], timeout_s: float = PATIENCE_S) -> None:
    """Every plan has a result, and no entry is pending any more."""

    async def done() -> bool:
        try:
            rows = await system.link.client.xrange(system.names.stream(Stream.APPLY_RESULT))
            pending = await system.pending(Stream.APPLY_PLAN, Service.EXECUTOR)
        except redis.exceptions.RedisError:
            return False
        found = {raw[b"plan_id"].decode() for _, raw in rows}
        return plan_ids <= found and pending == 0

    await until(done, f"results of {len(plan_ids)} plans and nothing pending", timeout_s)


async def positions(system: System) -> dict[str, Decimal]:
    rows = await system.signed("GET", "/fapi/v3/positionRisk")
    return {row["symbol"]: Decimal(row["positionAmt"]) for row in rows}


async def assert_consistent(system: System, before: dict[str, Decimal], plan_ids: set[str]) -> None:
    """One result a plan; at most one order a plan; each tells of the other; the book adds up."""
    rows = await system.link.client.xrange(system.names.stream(Stream.APPLY_RESULT))
    results = [{k.decode(): v.decode() for k, v in raw.items()} for _, raw in rows]
    assert Counter(r["plan_id"] for r in results) == Counter(plan_ids)
    orders = await system.orders()
    by_id = {order["clientOrderId"]: order for order in orders}
    assert len(by_id) == len(orders), "two orders under one id"
    executed = {
        system.order_id(r["plan_id"]): r for r in results if r["executed"].lower() in {"true", "1"}
    }
    filled = {cid for cid, order in by_id.items() if Decimal(order["executedQty"]) > 0}
    assert set(executed) == filled
    for client_id, result in executed.items():
        assert str(by_id[client_id]["orderId"]) == result["order_id"]
    after = await positions(system)
    for symbol in {order["symbol"] for order in orders}:
        traded = sum(
            Decimal(o["executedQty"]) * (1 if o["side"] == "BUY" else -1)
            for o in orders
            if o["symbol"] == symbol
        )
        held = after.get(symbol, Decimal(0))
        assert held - before.get(symbol, Decimal(0)) == traded
        raw = await system.link.client.hget(
            system.names.key(Key.BOOK, symbol=symbol), "position_amt"
        )
        assert raw is None or Decimal(raw.decode()) == held, f"the book of {symbol} is wrong"
    left = await reservations(system)
    assert {r["state"] for r in left.values()} <= {"filled", "issued"}, left
