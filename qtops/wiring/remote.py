"""A command line on other hosts: by the qtops there, or by ours through a tunnel to Redis."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from qtops import __version__
from qtops.adapters.redis_url import parse_redis_url
from qtops.adapters.ssh import Output, Ssh, SshOptions, captured, control_dir
from qtops.errors import ConfigError, ExitCode, HostError, QtopsError
from qtops.settings.model import Settings

AT_ONCE: Final = 8
VERSION_SCHEMA: Final = "qtops.version/v1"
_NOT_FOUND: Final = frozenset({126, 127})  # what a shell answers for a program it cannot start
_EXIT_CODES: Final = frozenset(ExitCode)


class Via(StrEnum):
    """What runs the command. `auto` is the qtops there, and the tunnel where there is none."""

    AUTO = "auto"
    QTOPS = "qtops"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Request:
    """A command line without its remote options: the command's words, then its arguments.

    `here` are options that the local qtops needs in addition (profile, settings file).
    `by_redis` are the words it gets in addition when it reads through a tunnel; None says that
    Redis alone cannot answer the command, `why_not` in whose words.
    """

    command: Sequence[str]
    arguments: Sequence[str] = ()
    flags: Sequence[str] = ()
    here: Sequence[str] = ()
    by_redis: Sequence[str] | None = None
    why_not: str = ""

    @property
    def words(self) -> list[str]:
        return [*self.command, *self.arguments]

    @property
    def is_json(self) -> bool:
        return "--json" in self.flags


@dataclass(frozen=True, slots=True)
class Way:
    """How the hosts are reached; port and key None are ssh's own choice."""

    via: Via = Via.AUTO
    port: int | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one host answered, or why there is no answer (`fault`)."""

    host: str
    via: Via
    took_ms: int = 0
    code: int = ExitCode.ERROR
    stdout: str = ""
    stderr: str = ""
    document: Mapping[str, Any] | None = None
    fault: QtopsError | None = None


class Hosts:
    """Reads on other hosts with these settings; `environ` is for our own processes only."""

    def __init__(self, settings: Settings, way: Way, environ: Mapping[str, str]) -> None:
        config = settings.text("QTOPS_REMOTE_SSH_CONFIG")
        self._ssh = Ssh(
            SshOptions(
                connect_s=settings.milliseconds("QTOPS_REMOTE_CONNECT_SECONDS") // 1000,
                port=way.port,
                key=way.key,
                config=Path(config).expanduser() if config else None,
                control_dir=control_dir(environ),
            ),
            environ,
        )
        self._via = way.via
        self._environ = environ
        self._program = settings.text("QTOPS_REMOTE_QTOPS")
        self._redis = parse_redis_url(settings.text("QTOPS_REMOTE_REDIS"))

    async def ask(self, hosts: Sequence[str], request: Request) -> list[Answer]:
        """All hosts side by side, at most `AT_ONCE`; one that fails stops no other."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(host: str) -> Answer:
            async with places:
                return await self._answer(host, request)

        return list(await asyncio.gather(*map(one, hosts)))

    async def _answer(self, host: str, request: Request) -> Answer:
        clock = asyncio.get_running_loop()
        started, via = clock.time(), self._via
        try:
            if via is not Via.REDIS:
                via = await self._greet(host, request)
            output = await (self._there if via is Via.QTOPS else self._here)(host, request)
            document = _checked(host, output, request)
        except QtopsError as fault:
            return Answer(host, via, int((clock.time() - started) * 1000), fault=fault)
        took_ms = int((clock.time() - started) * 1000)
        return Answer(host, via, took_ms, output.code, output.stdout, output.stderr, document)

    async def _greet(self, host: str, request: Request) -> Via:
        """The same release must answer there; without one, the tunnel, where it will do."""
        output = await self._ssh.run(host, [self._program, "--version", "--json"])
        if output.code not in _NOT_FOUND:
            _same_release(host, self._program, output)
            return Via.QTOPS
        message = f"{host} has no {self._program} in the PATH of its ssh commands"
        hint = "install qtops there, or name its place: QTOPS_REMOTE_QTOPS=/path/to/qtops"
        if self._via is Via.AUTO and request.by_redis is not None:
            return Via.REDIS
        if self._via is Via.AUTO:
            message += f", and a tunnel to its Redis will not do: {request.why_not}"
        raise HostError(message, hint=hint, code="remote_no_qtops")

    async def _there(self, host: str, request: Request) -> Output:
        return await self._ssh.run(host, [self._program, *request.flags, *request.words])

    async def _here(self, host: str, request: Request) -> Output:
        """By a qtops of ours whose Redis is the tunnel; the password goes by the environment."""
        if request.by_redis is None:
            message = f"a tunnel to the Redis of {host} will not do: {request.why_not}"
            raise HostError(message, hint="leave --via out", code="remote_no_qtops")
        if self._redis.kind != "single" or self._redis.tls:
            message = "QTOPS_REMOTE_REDIS must be a plain redis:// URL, the tunnel encrypts"
            raise ConfigError(message)
        qtops = [sys.executable, "-P", "-m", "qtops", *request.here, *request.flags]
        words = [*request.command, *request.by_redis, *request.arguments]
        async with self._ssh.tunnel(host, self._redis.nodes[0]) as socket:
            environ = {**self._environ, "QTOPS_REDIS_URL": self._url(socket)}
            return await captured([*qtops, *words], environ)

    def _url(self, socket: Path) -> str:
        far = self._redis
        user, password = quote(far.username or "", safe=""), quote(far.password or "", safe="")
        login = f"{user}:{password}@" if password else ""
        return f"unix://{login}{quote(str(socket))}?db={far.db}"


def _same_release(host: str, program: str, output: Output) -> None:
    """Options and documents may differ between minor releases; patches are compatible."""
    document = _document(output.stdout)
    version = str((document or {}).get("version", ""))
    if document is None or document.get("schema") != VERSION_SCHEMA:
        message = f"{program} on {host} does not answer `--version --json` as qtops does"
        said = (output.stderr or output.stdout).strip().splitlines()[:1] or ["nothing"]
        hint = f"it said: {said[0][:120]}"
        raise HostError(message, hint=hint, code="remote_not_qtops")
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise HostError(
            f"{host} runs qtops {version}, this is {__version__}",
            hint=f"install one release on both, or run it there by hand: ssh {host}",
            code="remote_version",
        )


def _checked(host: str, output: Output, request: Request) -> Mapping[str, Any] | None:
    """The document of a --json request. HostError for what no qtops writes or ends with."""
    if output.code not in _EXIT_CODES:
        said = output.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        message = f"the command on {host} ended with {output.code}: {said[0]}"
        raise HostError(message, code="remote_died")
    if not request.is_json:
        return None
    document = _document(output.stdout)
    if (
        document is None
        or not isinstance(document.get("schema"), str)
        or not isinstance(document.get("status"), str)
        or document.get("exit_code") != output.code
    ):
        raise HostError(
            f"what {host} answered is not one qtops document",
            hint="see whether a start-up file of the shell there prints something",
            code="remote_not_qtops",
        )
    return document


def _document(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
