"""The operator's own ssh client as a child process: one connection a host, commands and a tunnel.

Host keys are checked whatever the configuration says, passwords are never asked for, nothing of
our environment goes along. No shell runs here; ssh itself hands *one* string to the shell of the
far side, so `shlex.join` quotes every word of it.
"""

import asyncio
import os
import shlex
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Final

from qtops.adapters.ssh_faults import SSH_FAILED, ssh_fault
from qtops.errors import HostError

PERSIST_S: Final = 30
_ALIVE: Final = ("ServerAliveInterval=5", "ServerAliveCountMax=3")
# ssh sends what its configuration names of LANG and the like; what it never gets it cannot send.
_HANDED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "KRB5CCNAME")
_NAME_LENGTH: Final = 32
_LONGEST_DIRECTORY: Final = 56  # a socket's path has 107 bytes; ssh adds 17 to "/" and the name
_PRIVATE: Final = 0o700
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Output:
    """How a process ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class SshOptions:
    """What differs from the operator's own ssh configuration; None leaves it as it is there."""

    connect_s: int
    port: int | None = None
    key: Path | None = None
    config: Path | None = None
    control_dir: Path | None = None


class Ssh:
    """Other hosts, by the ssh of PATH. No person is asked anything."""

    def __init__(self, options: SshOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = {name: environ[name] for name in _HANDED_ON if name in environ}

    async def run(self, host: str, words: Sequence[str]) -> Output:
        """Run one command there. HostError when ssh itself fails."""
        shared = ["ControlPath=none"]
        if self._options.control_dir is not None:
            path = self._options.control_dir / self._name(host)
            shared = ["ControlMaster=auto", f"ControlPath={path}", f"ControlPersist={PERSIST_S}"]
        options = ["ClearAllForwardings=yes", "RemoteCommand=none", *shared]
        output = await captured(
            [*self._base(options), "--", host, shlex.join(words)], self._environ
        )
        if output.code == SSH_FAILED:
            raise ssh_fault(host, output.stderr)
        return output

    @asynccontextmanager
    async def tunnel(self, host: str, far: tuple[str, int]) -> AsyncIterator[Path]:
        """A socket only we can open, whose other end is `far` as seen from `host`."""
        options = ["ExitOnForwardFailure=yes", "StreamLocalBindMask=0177", "ControlPath=none"]
        with TemporaryDirectory(prefix="qtops-") as private, TemporaryFile() as errors:
            near = Path(private, "redis")
            address = f"[{far[0]}]" if ":" in far[0] else far[0]
            forward = ["-N", "-L", f"{near}:{address}:{far[1]}"]
            command = [*self._base([*options, "RemoteCommand=none"]), *forward, "--", host]
            async with _child(command, self._environ, asyncio.subprocess.DEVNULL, errors) as ssh:
                await _listening(ssh, near, host, errors)
                yield near

    def _name(self, host: str) -> str:
        """Not ssh's %C: two names of one address may have different keys, ours and the host's."""
        chosen = self._options
        way = repr((host, chosen.port, str(chosen.key), str(chosen.config)))
        return sha256(way.encode()).hexdigest()[:_NAME_LENGTH]

    def _base(self, options: Sequence[str]) -> list[str]:
        chosen = self._options
        fixed = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no", *_ALIVE]
        command = ["ssh", "-T", "-x"]
        for option in (*fixed, f"ConnectTimeout={chosen.connect_s}", *options):
            command += ["-o", option]
        given = (("-F", chosen.config), ("-p", chosen.port), ("-i", chosen.key))
        for flag, value in given:
            command += [] if value is None else [flag, str(value)]
        return command


async def captured(command: Sequence[str], environ: Mapping[str, str]) -> Output:
    """Run a program to its end; it is stopped when we are.

    Its errors go to a file: a master connection that stays behind would keep a pipe open.
    """
    with TemporaryFile() as errors:
        async with _child(command, environ, asyncio.subprocess.PIPE, errors) as process:
            stdout, _ = await process.communicate()
            code = await process.wait()
        return Output(code, stdout.decode(errors="replace"), _read(errors))


@asynccontextmanager
async def _child(
    command: Sequence[str], environ: Mapping[str, str], stdout: int, errors: IO[bytes]
) -> AsyncIterator[asyncio.subprocess.Process]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=errors,
            env=dict(environ),
        )
    except FileNotFoundError as error:
        hint = "apt-get install openssh-client" if command[0] == "ssh" else "look at PATH"
        raise HostError(
            f"there is no {command[0]} on this host", hint=hint, code="ssh_missing"
        ) from error
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listening(
    ssh: asyncio.subprocess.Process, near: Path, host: str, errors: IO[bytes]
) -> None:
    """The socket is made by ssh once it is authenticated, or ends and has said why.

    `ConnectTimeout` and `ServerAlive*` bound how long that takes.
    """
    while not near.exists():  # noqa: ASYNC240  a stat in a directory we just made
        if ssh.returncode is not None:
            raise ssh_fault(host, _read(errors))
        await asyncio.sleep(_LOOK_S)


def _read(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace")


def control_dir(environ: Mapping[str, str]) -> Path | None:
    """Where shared connections have their sockets: a directory that is ours alone, else None.

    Who can open such a socket is us on the far side, so one made by somebody else is not used.
    """
    base = environ.get("XDG_RUNTIME_DIR", "")
    place = Path(base, "qtops-ssh") if base else Path("/tmp", f"qtops-ssh-{os.geteuid()}")  # noqa: S108  its owner and mode are checked below
    if len(os.fsencode(place)) > _LONGEST_DIRECTORY:
        return None
    try:
        with suppress(FileExistsError):
            place.mkdir(mode=_PRIVATE)
        found = place.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return place if is_ours and stat.S_IMODE(found.st_mode) == _PRIVATE else None
