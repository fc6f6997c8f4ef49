"""Where the list of tradable symbols is kept."""

from dataclasses import dataclass
from typing import Protocol

from qtops.contracts.facts import Fact, Known
from qtops.contracts.universe import UniverseList, UniverseMeta


@dataclass(frozen=True, slots=True)
class UniverseReading:
    """All that is stored, as one reading at the Redis server's `now_ms`."""

    now_ms: int
    active: Fact[UniverseList]
    last_ok: Fact[UniverseList]
    meta: Fact[UniverseMeta]

    @property
    def served(self) -> Fact[UniverseList]:
        """The active list; the last good one where that cannot be read."""
        return self.active if isinstance(self.active, Known) else self.last_ok


class UniverseSource(Protocol):
    """Who only looks."""

    async def read(self) -> UniverseReading: ...


class UniverseStore(UniverseSource, Protocol):
    """Who writes: the universe service alone. Each method is one transaction."""

    async def publish(self, listed: UniverseList, meta: UniverseMeta) -> None:
        """A good list: active, last good, and meta."""
        ...

    async def hold(self, meta: UniverseMeta, restore: UniverseList | None) -> None:
        """No new list: meta says why. `restore` goes to the active place, which has none."""
        ...
