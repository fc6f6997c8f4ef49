"""A program of the host, run by its argument list: its output, or why there is none."""

import asyncio
from collections.abc import Sequence

from qtops.errors import HostError

LIMIT_S = 10.0


async def output_of(argv: Sequence[str], limit_s: float = LIMIT_S) -> str:
    """What it wrote to stdout. HostError when it does not start, fails or takes too long."""
    program = argv[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise HostError(f"{program}: {error.strerror}") from error
    try:
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate()
    except TimeoutError:
        raise HostError(f"{program} did not answer in {limit_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        text = " ".join(err.decode(errors="replace").split())[:200]
        raise HostError(f"{program} ended with {process.returncode}: {text}")
    return out.decode(errors="replace")
