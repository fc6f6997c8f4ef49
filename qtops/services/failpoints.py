"""Named places where a test may kill the executor; outside the sandbox they do nothing."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """The labelled steps of a plan's life in the executor, in order."""

    RECEIVED = "received"
    LOOKED_UP = "looked_up"
    ADMITTED = "admitted"
    PREPARED = "prepared"
    MARKED = "marked"
    ANSWERED = "answered"
    SETTLED = "settled"


Failpoint = Callable[[Step], None]


def no_failpoint(step: Step) -> None:
    """The production failpoint: goes on."""
