"""Failures on demand: what goes wrong with the next requests, and how often."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

ANY = "*"
STREAM_PATH = "/private/ws/"


class FaultKind(StrEnum):
    """What can be made to go wrong. `before` means the request has no effect."""

    TIMEOUT_BEFORE = "timeout_before_execute"
    TIMEOUT_AFTER = "timeout_after_execute"
    DISCONNECT_BEFORE = "disconnect_before_execute"
    DISCONNECT_AFTER = "disconnect_after_execute"
    UNKNOWN_EXECUTED = "unknown_503_executed"
    UNKNOWN_NOT_EXECUTED = "unknown_503_not_executed"
    UNAVAILABLE = "unavailable_503"
    RATE_LIMIT = "rate_limit_429"
    BAN = "ban_418"
    ERROR = "error"
    LATENCY = "latency_ms"
    PARTIAL_FILL = "partial_fill"
    STREAM_DROP = "stream_drop"
    STREAM_DELAY = "stream_delay_ms"
    STREAM_DUPLICATE = "stream_duplicate"
    STREAM_REORDER = "stream_reorder"
    STREAM_DISCONNECT = "stream_disconnect"


# After these the request has taken effect.
EXECUTING = frozenset(
    {FaultKind.TIMEOUT_AFTER, FaultKind.DISCONNECT_AFTER, FaultKind.UNKNOWN_EXECUTED}
)
_LATENCY = frozenset({FaultKind.LATENCY})
_PARTIAL = frozenset({FaultKind.PARTIAL_FILL})
# These hit events of the user data stream; the path is `/private/ws/` and the event's name.
STREAM = frozenset(kind for kind in FaultKind if kind.startswith("stream_"))
_FAILURES = frozenset(FaultKind) - _LATENCY - _PARTIAL - STREAM


@dataclass(slots=True)
class Fault:
    """One rule for `left` more requests; None means until deleted. `value` depends on the kind."""

    path: str
    method: str
    kind: FaultKind
    left: int | None
    value: Decimal | None

    def matches(self, method: str, path: str) -> bool:
        """The exact path, or a prefix that ends in `*`; the method exactly, or `*` on a side."""
        if method != ANY and self.method not in {ANY, method}:
            return False
        if self.path.endswith(ANY):
            return path.startswith(self.path[:-1])
        return self.path == path

    def number(self, default: int) -> int:
        return default if self.value is None else int(self.value)

    def record(self) -> dict[str, str | int | None]:
        return {
            "path": self.path,
            "method": self.method,
            "kind": self.kind.value,
            "count": self.left,
            "value": None if self.value is None else str(self.value),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one request: a delay, a partial fill, and at most one failure."""

    delay_ms: int = 0
    fill_share: Decimal = Decimal(1)
    failure: Fault | None = None

    @property
    def runs(self) -> bool:
        """Whether the request takes effect."""
        return self.failure is None or self.failure.kind in EXECUTING


@dataclass(slots=True)
class Faults:
    """The rules in force, oldest first; a counted rule ends with its last use."""

    rules: list[Fault] = field(default_factory=list)

    def draw(self, method: str, path: str) -> Verdict:
        """The oldest matching rule of each of: latency, partial fill, failure."""
        latency = self._take(method, path, _LATENCY)
        partial = self._take(method, path, _PARTIAL)
        share = Decimal(1)
        if partial is not None:
            share = Decimal("0.5") if partial.value is None else partial.value
        return Verdict(
            delay_ms=0 if latency is None else latency.number(0),
            fill_share=share,
            failure=self._take(method, path, _FAILURES),
        )

    def draw_event(self, event: str) -> Fault | None:
        """The oldest rule that matches an event of the user data stream."""
        return self._take(ANY, f"{STREAM_PATH}{event}", STREAM)

    def _take(self, method: str, path: str, kinds: frozenset[FaultKind]) -> Fault | None:
        for fault in self.rules:
            if fault.kind in kinds and fault.matches(method, path):
                self._use(fault)
                return fault
        return None

    def _use(self, fault: Fault) -> None:
        if fault.left is None:
            return
        fault.left -= 1
        if fault.left == 0:
            self.rules = [rule for rule in self.rules if rule is not fault]
