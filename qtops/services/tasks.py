"""Ending asyncio tasks for certain."""

import asyncio
from collections.abc import Iterable

INSIST_EVERY_S = 0.1


async def cancel_and_wait(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until they have ended. Once is not enough: Python 3.11's wait_for can lose one."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=INSIST_EVERY_S)
