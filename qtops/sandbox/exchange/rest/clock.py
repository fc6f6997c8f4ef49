"""The host's clock; the exchange's own is this plus an offset that a test may set."""

import time


def host_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000
