"""Listening TCP sockets and, where this user may see it, who owns them. Read from /proc."""

import ipaddress
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from qtops.contracts.system_reading import Listener
from qtops.errors import HostError

_LISTEN: Final = "0A"
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_UNIT: Final = re.compile(r"/([^/]+\.service)(?:/|$)")


def listeners(proc: Path = Path("/proc")) -> Sequence[Listener]:
    """Every listening socket, by port. HostError when the table cannot be read."""
    found: list[tuple[str, int, str]] = []
    for table in ("tcp", "tcp6"):
        try:
            text = (proc / "net" / table).read_text(encoding="ascii")
        except FileNotFoundError:
            if table == "tcp":
                raise HostError(f"{proc}/net/tcp is not there") from None
            continue
        except OSError as error:
            raise HostError(f"{error.filename}: {error.strerror}") from error
        found += _rows(text)
    owners = _owners(proc, {inode for _, _, inode in found})
    sockets = [_listener(proc, address, port, owners.get(inode)) for address, port, inode in found]
    return sorted(sockets, key=lambda one: (one.port, one.address, one.pid or 0))


def _rows(text: str) -> Iterator[tuple[str, int, str]]:
    for line in text.splitlines()[1:]:
        columns = line.split()
        if columns[3] == _LISTEN:
            address, port = columns[1].split(":")
            yield _address(address), int(port, 16), columns[9]


def _address(hexadecimal: str) -> str:
    """The kernel prints each 32 bits as a number of the machine's own byte order."""
    raw = bytes.fromhex(hexadecimal)
    words = [raw[at : at + 4] for at in range(0, len(raw), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _owners(proc: Path, wanted: set[str]) -> Mapping[str, int]:
    owners: dict[str, int] = {}
    for directory in proc.iterdir():
        if directory.name.isdecimal():
            for inode in _sockets(directory / "fd") & wanted:
                # A parent and the child that inherited the socket: the older one owns it.
                owners[inode] = min(int(directory.name), owners.get(inode, sys.maxsize))
    return owners


def _sockets(directory: Path) -> set[str]:
    """Empty for a process of another user, or one that is gone."""
    found = set()
    with suppress(OSError):
        for entry in directory.iterdir():
            with suppress(OSError):  # closed since it was listed
                if match := _SOCKET.fullmatch(str(entry.readlink())):
                    found.add(match[1])
    return found


def _listener(proc: Path, address: str, port: int, pid: int | None) -> Listener:
    if pid is None:
        return Listener(address, port)
    unit = _UNIT.search(_read(proc / str(pid) / "cgroup"))
    process = _read(proc / str(pid) / "comm").strip()
    return Listener(address, port, pid, process, unit[1] if unit else "")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
