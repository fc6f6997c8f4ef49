"""What a drill and the sandbox exchange tell each other, independent of HTTP."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next `count` orders; `value` as the sandbox exchange reads it."""

    name: str
    kind: str
    count: int = 1
    value: str = ""


@dataclass(frozen=True, slots=True)
class Landed:
    """An order as the exchange keeps it; `time_ms` is when it took it, on its clock."""

    client_order_id: str
    symbol: str
    time_ms: int
