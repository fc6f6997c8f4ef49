"""git by argv on repositories of others: reads only, and runs nothing that they configured."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from qtops.errors import HostError

_ENVIRONMENT: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}
_OFF: Final = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.pager=cat")
_FILTER_KEYS: Final = ("clean", "smudge", "process")


async def read_git(
    root: Path, *argv: str, also: Mapping[str, str] | None = None, fine: Sequence[int] = (0,)
) -> str:
    """What `git -C root argv` prints.

    Hooks, file system monitors and content filters of the repository do not run; another user's
    repository is accepted for this one call. HostError when git is not there or says no.
    """
    filters = await _filters(root)
    return await _git(root, filters, argv, also or {}, fine)


async def _filters(root: Path) -> list[str]:
    """What switches off each content filter that the repository configures: status runs them."""
    argv = ("config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$")
    names = (await _git(root, (), argv, {}, (0, 1))).split("\0")
    drivers = {name.rpartition(".")[0] for name in names if name}
    off = [f"{driver}.{key}=" for driver in sorted(drivers) for key in _FILTER_KEYS]
    return off + [f"{driver}.required=false" for driver in sorted(drivers)]


async def _git(
    root: Path,
    settings: Sequence[str],
    argv: Sequence[str],
    also: Mapping[str, str],
    fine: Sequence[int],
) -> str:
    options = [f"safe.directory={root}", *_OFF, *settings]
    command = ["git", *(word for one in options for word in ("-c", one)), "-C", str(root), *argv]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_ENVIRONMENT, **also},
        )
    except OSError as error:
        raise HostError(f"git: {error.strerror}", hint="install git") from None
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in fine:
        said = err.decode(errors="replace").strip().splitlines()
        raise HostError(f"git {argv[0]} in {root}: {said[0] if said else process.returncode}")
    return out.decode(errors="surrogateescape")
