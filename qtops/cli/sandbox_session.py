"""Between the commands and the sandbox: building one, signals, `--sandbox`."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from qtops.cli.context import AppContext
from qtops.errors import ConfigError, UsageError
from qtops.sandbox.exchange.scenario import load_scenario
from qtops.sandbox.processes import describe_exit
from qtops.sandbox.recipe import DEFAULT_SCENARIO, Recipe, chosen_services, qtops_commands
from qtops.sandbox.state import SandboxDirectory
from qtops.sandbox.supervisor import Hooks, Sandbox, Surroundings

if TYPE_CHECKING:
    from qtops.sandbox.exchange.scenario import ExchangeScenario
    from qtops.settings.model import Settings

DEFAULT_DIRECTORY: Final = Path(".qtops/sandbox")
_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_MAKES_ITS_OWN: Final = frozenset({"sandbox", "drill"})
_ALLOWLISTS: Final = ("P33_ALLOWLIST", "INTENT_EXECUTOR_ALLOWLIST")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sandbox as the command line asks for it. Without a directory it is a private one."""

    scenario: str = DEFAULT_SCENARIO
    services: str = "gates"
    redis: str | None = None
    directory: Path | None = None
    keep: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def new_sandbox(env: AppContext, wanted: Wanted) -> Sandbox:
    """One that has not started yet; what is wrong with the request is said here."""
    scenario = load_scenario(wanted.scenario)
    services = chosen_services(wanted.services)
    settings = env.settings()
    tuned = _tuned(scenario, settings)
    redis_url = wanted.redis or env.options.redis
    recipe = Recipe(
        commands=qtops_commands(wanted.scenario),
        services=services,
        redis_url=redis_url,
        namespace=_namespace(settings, redis_url),
        chosen={name: ",".join(settings.names(name)) for name in _ALLOWLISTS}
        | tuned
        | dict(wanted.settings),
    )
    keep = wanted.keep and wanted.directory is not None
    directory = wanted.directory or Path(tempfile.mkdtemp(prefix="qtops-sandbox-"))
    around = Surroundings(_environ(env), env.host.cwd)
    return Sandbox(recipe, SandboxDirectory(directory, keep=keep), around, _hooks(env))


def _tuned(scenario: "ExchangeScenario", settings: "Settings") -> dict[str, str]:
    """What the scenario sets and the caller does not: files and environment win."""
    for name in scenario.settings:
        if name not in settings:
            raise ConfigError(f"scenario {scenario.name!r}: {name} is no setting")
    return {
        name: text for name, text in scenario.settings.items() if settings.entry(name).is_default
    }


def _namespace(settings: "Settings", redis_url: str | None) -> str:
    """On a Redis that others may use, one of its own: nothing of theirs is armed or removed."""
    if redis_url is None:
        return settings.text("QTOPS_NAMESPACE")
    from secrets import token_hex

    name = f"sandbox-{token_hex(4)}"
    return f"{{{name}}}" if "cluster" in redis_url.partition(":")[0] else name


def _environ(env: AppContext) -> Mapping[str, str]:
    """The children read the settings files that we read."""
    chosen: dict[str, str] = {}
    if env.options.profile:
        chosen["QTOPS_PROFILE"] = env.options.profile
    if env.options.config:
        chosen["QTOPS_CONFIG"] = str(env.host.cwd / env.options.config)
    return dict(env.host.environ) | chosen


def _hooks(env: AppContext) -> Hooks:
    def report(name: str, code: int) -> None:
        env.warn(f"{name} {describe_exit(code)}; it stays down")

    progress = env.progress("starting the sandbox")

    def step(done: int, total: int) -> None:
        progress.step(done, total)
        if done == total:
            progress.__exit__(None, None, None)

    return Hooks(arm, _disarm, report, step)


async def arm(redis_url: str, namespace: str) -> None:
    """The control state of a fresh sandbox: kill switch off, mode TESTNET."""
    from qtops.wiring import arm_sandbox

    await arm_sandbox(_bare_settings(redis_url, namespace))


async def _disarm(redis_url: str, namespace: str) -> None:
    """Remove every key of the sandbox from a Redis that stays."""
    from glob import escape

    from qtops.wiring import open_link

    link = open_link(_bare_settings(redis_url, namespace), "writer")
    try:
        with link.guard():
            async for key in link.client.scan_iter(match=f"{escape(namespace)}:*", count=1000):
                await link.client.unlink(key)
    finally:
        await link.aclose()


def _bare_settings(redis_url: str, namespace: str) -> "Settings":
    """Defaults and these two, whatever files say."""
    from qtops.settings.load import load_settings

    nowhere = Path("/nonexistent")
    given = {"QTOPS_REDIS_URL": redis_url, "QTOPS_NAMESPACE": namespace}
    return load_settings(given, cwd=nowhere, home=nowhere, etc_dir=nowhere)


class StopSignals:
    """SIGTERM, Ctrl-C and a closed terminal, as a queue, while the context is open.

    What the caller ignores (nohup, a shell's background job) stays ignored.
    """

    def __init__(self) -> None:
        self._received: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in _STOP:
            # outside the main thread there are no signals to hear
            with suppress(ValueError, RuntimeError):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    loop.add_signal_handler(number, self._received.put_nowait, number)
                    self._stack.callback(loop.remove_signal_handler, number)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def next(self) -> signal.Signals:
        return await self._received.get()


async def started(sandbox: Sandbox, signals: StopSignals) -> bool:
    """True once it is up; False when a signal came first (then it is gone again)."""
    start = asyncio.create_task(sandbox.start())
    asked = asyncio.create_task(signals.next())
    await asyncio.wait({start, asked}, return_when=asyncio.FIRST_COMPLETED)
    if start.done():
        asked.cancel()
        start.result()
        return True
    start.cancel()
    await asyncio.wait({start})
    return False


@contextmanager
def throwaway(env: AppContext, command_path: str) -> Iterator[None]:
    """`--sandbox`: the settings point at a fresh sandbox as long as the context is open."""
    word = "".join(command_path.split()[1:2])
    if word in _MAKES_ITS_OWN:
        raise UsageError(f"--sandbox is for other commands, qtops {word} makes its own")
    with inside(env, new_sandbox(env, Wanted()), "--sandbox"):
        yield


@contextmanager
def inside(env: AppContext, sandbox: Sandbox, origin: str) -> Iterator[None]:
    """The settings point at this sandbox, which lives as long as the context is open."""
    with asyncio.Runner() as runner:
        try:
            if not runner.run(_start(sandbox)):
                raise KeyboardInterrupt
            for name, value in sandbox.settings.items():
                env.override(name, value, origin)
            with _terminated_as_interrupted():
                yield
        finally:
            runner.run(_stop(sandbox))


async def _start(sandbox: Sandbox) -> bool:
    with StopSignals() as signals:
        return await started(sandbox, signals)


async def _stop(sandbox: Sandbox) -> None:
    with StopSignals():  # a second Ctrl-C does not interrupt the cleaning up
        await sandbox.stop()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM must not skip the tear-down."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before: Any = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: nobody sends it here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
