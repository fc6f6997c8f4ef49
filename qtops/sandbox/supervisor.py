"""The sandbox: Redis, the exchange and the services, each its own process, under one roof."""

import asyncio
import os
import shlex
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from qtops.contracts.envfile import assignments
from qtops.errors import HostError
from qtops.sandbox.control_socket import ControlServer
from qtops.sandbox.environment import Addresses, child_environment, sandbox_settings
from qtops.sandbox.processes import Child, ChildSpec
from qtops.sandbox.recipe import EXCHANGE, EXCHANGE_READY, EXECUTOR, REDIS, SERVICE_READY, Recipe
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.sandbox.state import ENV_FILE, SandboxDirectory

Arm = Callable[[str, str], Awaitable[None]]
_REDIS_LOG: Final = "redis.log"


async def _nothing(_redis_url: str, _namespace: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the sandbox cannot do itself, and whom it tells.

    Args:
        arm: sets the initial control state, given the Redis URL and the namespace.
        disarm: takes it away again; called at the end, only for a Redis that is not ours.
        on_exit: a process ended that nobody had asked to (name, exit code).
        on_progress: so many of so many parts are up.

    """

    arm: Arm
    disarm: Arm = _nothing
    on_exit: Callable[[str, int], None] = lambda _name, _code: None
    on_progress: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The caller's environment and working directory, which the children get."""

    environ: Mapping[str, str]
    cwd: Path = field(default_factory=Path.cwd)


class Sandbox:
    """Everything one plan meets on its way, for as long as the context is open.

    `start` raises HostError when a part does not get up, and leaves nothing running. A part that
    ends later is reported and stays down; drills use `kill`, `start_service` and `restart`.
    """

    def __init__(
        self, recipe: Recipe, place: SandboxDirectory, around: Surroundings, hooks: Hooks
    ) -> None:
        self.recipe = recipe
        self.place = place
        self._around = around
        self._hooks = hooks
        self._redis = None if recipe.redis_url else EmbeddedRedis(directory=place.logs)
        self._children: dict[str, Child] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._addresses = Addresses(recipe.redis_url or "", "", recipe.namespace)
        self._is_armed = False
        self._is_redis_ending = False
        self._is_up = False
        self._control = ControlServer(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns once every part answers."""
        self.place.claim()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Services, then the exchange, then Redis; then the directory. Idempotent."""
        self._is_up = False
        await self._control.stop()
        try:
            services = [child for name, child in self._children.items() if name != EXCHANGE]
            await asyncio.gather(*(child.stop() for child in services))
            if EXCHANGE in self._children:
                await self._children[EXCHANGE].stop()
            if self._is_armed and self._redis is None:
                self._is_armed = False
                await self._hooks.disarm(self.redis_url, self.recipe.namespace)
        finally:
            if self._redis is not None:
                await asyncio.to_thread(self._redis.stop)
            await asyncio.gather(*self._watches)
            self.place.release()

    @property
    def redis_url(self) -> str:
        return self._addresses.redis_url

    @property
    def exchange_url(self) -> str:
        return self._addresses.exchange_url

    @property
    def settings(self) -> dict[str, str]:
        """Every setting that the sandbox decides, by name."""
        decided = sandbox_settings(self._addresses, self.recipe.credentials, self.recipe.chosen)
        return decided | {
            "QTOPS_SERVICE_CONTROL": "sandbox",
            "QTOPS_SANDBOX_DIR": str(self.place.path),
            "QTOPS_EXECUTOR_UNIT": EXECUTOR,
            "QTOPS_EXECUTOR_ENV_FILE": str(self.place.env_file(EXECUTOR)),
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that is run inside."""
        return child_environment(self._around.environ, self.settings)

    @property
    def pids(self) -> dict[str, int]:
        """Every process that is running, by name."""
        alive = {name: child.pid for name, child in self._children.items() if child.is_running}
        if self._redis is not None and self.redis_url and not self._redis.wait_exit(0):
            return {REDIS: self._redis.pid} | alive
        return alive

    def describe(self) -> dict[str, Any]:
        """What `sandbox up --json` prints, keys included."""
        codes = {name: child.exit_code for name, child in self._children.items()}
        return {
            "redis_url": self.redis_url,
            "exchange_url": self.exchange_url,
            "api_key": self.recipe.credentials.api_key,
            "api_secret": self.recipe.credentials.api_secret,
            "namespace": self.recipe.namespace,
            "pids": self.pids,
            "ended": {name: code for name, code in codes.items() if code is not None},
            "dir": str(self.place.path),
        }

    def log(self, name: str) -> Path:
        """The log of a part, `redis` and `exchange` included."""
        return self.place.logs / (_REDIS_LOG if name == REDIS else f"{name}.log")

    async def ended(self, name: str) -> int:
        """The exit code of a part, once it has ended by itself or by a failpoint."""
        return await self._child(name).ended()

    async def kill(self, name: str) -> None:
        """SIGKILL, Redis too."""
        if name == REDIS and self._redis is not None:
            self._is_redis_ending = True
            os.kill(self._redis.pid, signal.SIGKILL)
            await asyncio.to_thread(self._redis.wait_exit)
        else:
            await self._child(name).kill()
        self._write_state()

    async def stop_service(self, name: str) -> int:
        """SIGTERM; returns the exit code."""
        code = await self._child(name).stop()
        self._write_state()
        return code

    async def start_service(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Start a part that is down; `extra` variables are for this life only.

        The exchange comes back on its port, with its keys and its journal.
        """
        if name in self._children and self._children[name].is_running:
            raise HostError(f"{name} is running", hint="stop_service or kill it first")
        spec = self._exchange_spec() if name == EXCHANGE else self._service_spec(name, extra or {})
        await self._launch(spec).ready()
        self._write_state()

    async def restart(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        await self.stop_service(name)
        await self.start_service(name, extra)

    async def _start(self) -> None:
        total = len(self.recipe.services) + 2
        exchange = self._launch(self._exchange_spec())  # while it imports, Redis gets up
        await self._start_redis()
        await self._hooks.arm(self.redis_url, self.recipe.namespace)
        self._is_armed = True
        self._hooks.on_progress(1, total)
        url = str((await exchange.ready())["exchange_url"])
        self._addresses = Addresses(self.redis_url, url, self.recipe.namespace)
        self._hooks.on_progress(2, total)
        services = [self._launch(self._service_spec(n, {})) for n in self.recipe.services]
        await self._all_ready(services, total)
        await self._control.start(self.place.path)
        self._is_up = True
        self._write_env()
        self._write_state()

    async def _start_redis(self) -> None:
        if self._redis is None:
            return
        start = asyncio.create_task(asyncio.to_thread(self._redis.start))
        try:
            await asyncio.shield(start)
        except asyncio.CancelledError:
            await asyncio.wait({start})  # a server half started cannot be stopped
            raise
        self._addresses = Addresses(self._redis.url, "", self.recipe.namespace)
        self._keep(self._watch_redis(self._redis))

    async def _all_ready(self, services: list[Child], total: int) -> None:
        """The first that fails ends the wait."""
        waits = [asyncio.create_task(child.ready()) for child in services]
        try:
            for done, wait in enumerate(asyncio.as_completed(waits), start=total - len(waits) + 1):
                await wait
                self._hooks.on_progress(done, total)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _exchange_spec(self) -> ChildSpec:
        port = urlsplit(self.exchange_url).port or 0
        journal = str(self.place.journal)
        command = (*self.recipe.commands.exchange, "--port", str(port), "--journal", journal)
        keys = self.recipe.credentials.for_exchange()
        environ = child_environment(self._around.environ, keys)
        return self._spec(EXCHANGE, command, environ, EXCHANGE_READY)

    def _service_spec(self, name: str, extra: Mapping[str, str]) -> ChildSpec:
        """The service's own file adds to our surroundings; what the sandbox decides stands."""
        command = (*self.recipe.commands.service, name)
        file = self.place.env_file(name)
        file.touch(mode=0o600)
        own = {one.name: one.value for one in assignments(file.read_text())}
        environ = child_environment(dict(self._around.environ) | own, self.settings)
        return self._spec(name, command, environ | dict(extra), SERVICE_READY)

    def _spec(
        self, name: str, command: tuple[str, ...], environ: Mapping[str, str], schema: str
    ) -> ChildSpec:
        return ChildSpec(name, command, environ, self._around.cwd, self.log(name), schema)

    def _launch(self, spec: ChildSpec) -> Child:
        child = self._children[spec.name] = Child(spec)
        child.start()
        self._keep(self._watch(child))
        return child

    def _keep(self, watch: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(watch)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch(self, child: Child) -> None:
        code = await child.ended()
        if self._is_up and not child.is_ending:
            self._write_state()
            self._hooks.on_exit(child.spec.name, code)

    async def _watch_redis(self, redis: EmbeddedRedis) -> None:
        await asyncio.to_thread(redis.wait_exit)
        if self._is_up and not self._is_redis_ending:
            self._write_state()
            self._hooks.on_exit(REDIS, 1)

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise HostError(f"there is no {name} in this sandbox")
        return self._children[name]

    def _write_state(self) -> None:
        if self._is_up:
            runtime = str(self._redis.socket_path.parent) if self._redis else None
            self.place.write_state(self.describe() | {"runtime_dir": runtime})

    def _write_env(self) -> None:
        """For a shell: `. DIR/env`."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.settings.items()]
        self.place.write(ENV_FILE, "".join(lines))
