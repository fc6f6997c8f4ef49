"""Services restarted by systemd, or by a command line of the operator's. Never through a shell."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import Final

from qtops.contracts.service_state import ACTIVE, ServiceState
from qtops.errors import ConfigError, HostError

RESTART_LIMIT_S: Final = 90.0
STATUS_LIMIT_S: Final = 10.0
PLACEHOLDER: Final = "{service}"


class SystemdControl:
    """Implements `qtops.rollback.steps.ServiceControl` with systemctl."""

    async def restart(self, service: str) -> None:
        await _checked(["systemctl", "restart", "--", service], RESTART_LIMIT_S)

    async def state(self, service: str) -> ServiceState:
        query = ["systemctl", "show", "--property=ActiveState,InvocationID", "--", service]
        output = await _checked(query, STATUS_LIMIT_S)
        found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        return ServiceState(found.get("ActiveState", "unknown"), found.get("InvocationID", ""))


class CommandControl:
    """Implements `qtops.rollback.steps.ServiceControl` with two commands; `{service}` is replaced.

    Whether it is another life than before cannot be seen by it.
    """

    def __init__(self, restart: str, status: str) -> None:
        self._restart = _words("QTOPS_SERVICE_RESTART_COMMAND", restart)
        self._status = _words("QTOPS_SERVICE_STATUS_COMMAND", status)

    async def restart(self, service: str) -> None:
        await _checked(_filled(self._restart, service), RESTART_LIMIT_S)

    async def state(self, service: str) -> ServiceState:
        code, _ = await _run(_filled(self._status, service), STATUS_LIMIT_S)
        return ServiceState(ACTIVE if code == 0 else f"not active (exit code {code})", "")


def _words(setting: str, text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}") from error
    if not words or not any(PLACEHOLDER in word for word in words):
        raise ConfigError(f"{setting} names no {PLACEHOLDER}", hint="qtops config show")
    return words


def _filled(words: Sequence[str], service: str) -> list[str]:
    return [word.replace(PLACEHOLDER, service) for word in words]


async def _checked(command: Sequence[str], limit_s: float) -> str:
    code, output = await _run(command, limit_s)
    if code != 0:
        last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
        raise HostError(f"{shlex.join(command)}: {last[0]}")
    return output


async def _run(command: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Exit code and output of both streams; HostError when it does not start or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise HostError(f"{command[0]}: {error.strerror}", hint="QTOPS_SERVICE_CONTROL") from error
    try:
        async with asyncio.timeout(limit_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        message = f"{shlex.join(command)} was ended, it took over {limit_s:g} s"
        raise HostError(message) from error
    return process.returncode or 0, output.decode(errors="replace")
