"""The Redis server's clock between two readings of it."""

from qtops.ports import Clock


class ServerTime:
    """Carried on by our monotonic clock since the last reading; ours until there is one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor: tuple[int, float] | None = None

    def set(self, server_us: int) -> None:
        self._anchor = (server_us, self._clock.monotonic_ms())

    def now_us(self) -> int:
        if self._anchor is None:
            return self._clock.now_ms() * 1000
        server_us, local_ms = self._anchor
        return server_us + int((self._clock.monotonic_ms() - local_ms) * 1000)
