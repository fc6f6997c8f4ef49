"""What `qtops observe check` reads of this machine: HTTP, /proc, systemd."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from qtops.adapters.host_vitals import SYSTEMD_RUNS
from qtops.errors import HostError

LIMIT_S: Final = 3.0
USUAL_PORTS: Final = (9090, 9091)
_PROGRAM: Final = "prometheus"
_UNIT: Final = f"{_PROGRAM}.service"
_LISTENS: Final = "0A"  # the state LISTEN in /proc/net/tcp
_ADDRESS: Final = re.compile(r"--web\.listen-address[=\s]+\"?([^\s\",;]*):(\d+)")


class HostMonitors:
    """Implements `qtops.audits.monitoring.Monitors`. `proc` is where the kernel shows processes."""

    def __init__(self, proc: Path = Path("/proc"), ports: Sequence[int] = USUAL_PORTS) -> None:
        self._proc = proc
        self._ports = ports

    async def json(self, url: str, token: str = "") -> Any:
        """The JSON at the URL; HostError, saying why, when there is none."""
        answer = await self._get(url, token)
        try:
            return answer.json()
        except ValueError as error:
            raise HostError("it answers, but not with JSON") from error

    async def text(self, url: str) -> str:
        """The text at the URL; HostError, saying why, when there is none."""
        return (await self._get(url)).text

    async def _get(self, url: str, token: str = "") -> httpx.Response:
        """No redirects (where one leads, nobody asked for) and no proxies (this is local)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with httpx.AsyncClient(timeout=LIMIT_S, trust_env=False) as client:
                answer = await client.get(url, headers=headers)
        except httpx.TimeoutException as error:
            raise HostError(f"no answer in {LIMIT_S:g} s") from error
        except httpx.ConnectError as error:
            raise HostError("nothing listens there") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HostError(str(error) or type(error).__name__) from error
        if answer.status_code != httpx.codes.OK:
            raise HostError(f"HTTP {answer.status_code}")
        return answer

    async def places(self) -> Sequence[tuple[str, str]]:
        """Command lines, listening sockets, the unit, the usual ports; each URL once."""
        found: dict[str, str] = {}
        for pid in self._processes():
            command = _read(self._proc / pid / "cmdline").replace("\0", " ")
            for url in _addresses(command):
                found.setdefault(url, f"command line of process {pid}")
            for port in self._listening(pid):
                found.setdefault(_local(port), f"listening socket of process {pid}")
        for url in _addresses(await self._unit_command()):
            found.setdefault(url, f"command line of {_UNIT}")
        for port in self._ports:
            found.setdefault(_local(port), "usual port")
        return list(found.items())

    def _processes(self) -> Iterator[str]:
        for folder in sorted(self._proc.glob("[0-9]*"), key=lambda path: int(path.name)):
            if _read(folder / "comm").strip() == _PROGRAM:
                yield folder.name

    def _listening(self, pid: str) -> Iterator[int]:
        """Ports the process listens on; none where its descriptors are not ours to see."""
        sockets = set(_sockets(self._proc / pid / "fd"))
        for table in ("tcp", "tcp6"):
            for line in _read(self._proc / pid / "net" / table).splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and fields[9] in sockets:
                    yield int(fields[1].rpartition(":")[2], 16)

    async def _unit_command(self) -> str:
        try:
            return await self._systemctl("show", "--property=ExecStart", "--", _UNIT)
        except HostError:
            return ""  # no systemd here: the other ways remain

    async def unit_states(self, units: Sequence[str]) -> Mapping[str, str]:
        """ActiveState of those units that systemd knows; HostError when it cannot say."""
        properties = "--property=Id,LoadState,ActiveState"
        output = await self._systemctl("show", properties, "--", *units)
        states = {}
        for block in output.split("\n\n"):
            fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if fields.get("LoadState", "not-found") != "not-found":
                states[fields["Id"].removesuffix(".service")] = fields.get("ActiveState", "unknown")
        return states

    async def _systemctl(self, *words: str) -> str:
        if not SYSTEMD_RUNS.is_dir():
            raise HostError("this machine does not run systemd")
        try:
            process = await asyncio.create_subprocess_exec(
                "systemctl",
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise HostError(f"systemctl: {error.strerror}") from error
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise HostError(f"systemctl {words[0]} ended with {process.returncode}")
        return output.decode(errors="replace")


def _addresses(command: str) -> Iterable[str]:
    """Of `--web.listen-address=HOST:PORT`; an address of every interface is asked on loopback."""
    for host, port in _ADDRESS.findall(command):
        everywhere = host in {"", "0.0.0.0", "[::]"}  # noqa: S104  compared, not bound
        yield _local(int(port)) if everywhere else f"http://{host}:{port}"


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _sockets(folder: Path) -> Iterator[str]:
    """Inodes of the sockets among a process' descriptors."""
    try:
        links = [str(path.readlink()) for path in folder.iterdir()]
    except OSError:
        return  # another user's process, or it has just ended
    for link in links:
        if link.startswith("socket:["):
            yield link.removeprefix("socket:[").removesuffix("]")


def _read(path: Path) -> str:
    """Empty for what is gone or not ours to see: other ways to find it remain."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
