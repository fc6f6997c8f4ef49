"""The host's clock. The only place that asks the operating system for the time."""

import time


class SystemClock:
    """Implements `qtops.ports.Clock`."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1_000_000
