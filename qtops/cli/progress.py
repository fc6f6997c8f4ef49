"""Progress on a terminal: only after a second, on stderr, gone when done."""

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from qtops.ports import Clock

PATIENCE_MS = 1000
REFRESH_MS = 100
BAR_WIDTH = 20
_CLEAR = "\r\x1b[K"


class Progress:
    """`with env.progress("reading") as progress: progress.step(done, total)`."""

    def __init__(self, stream: TextIO | None, clock: "Clock", label: str) -> None:
        self._stream = stream
        self._clock = clock
        self._label = label
        self._started = clock.monotonic_ms()
        self._drawn_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream and self._drawn_at is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def step(self, done: int, total: int) -> None:
        """Say how far the work is; draws at most ten times a second."""
        now = self._clock.monotonic_ms()
        too_early = now - self._started < PATIENCE_MS
        just_drawn = self._drawn_at is not None and now - self._drawn_at < REFRESH_MS
        if self._stream is None or too_early or just_drawn:
            return
        self._drawn_at = now
        filled = BAR_WIDTH * min(done, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        seconds = (now - self._started) / 1000
        self._stream.write(f"{_CLEAR}{self._label}  [{bar}] {done:,}/{total:,}  {seconds:.0f} s")
        self._stream.flush()
