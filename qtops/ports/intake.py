"""Where the intake puts what it was sent."""

from typing import Protocol

from qtops.contracts.intent import Intent


class IntentLog(Protocol):
    """`trade.intent`, as a producer sees it."""

    async def publish(self, intent: Intent) -> str:
        """The id of the new entry. RedisError when it is not certain that there is one."""
        ...
