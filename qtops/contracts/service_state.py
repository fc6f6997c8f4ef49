"""What a service manager says about one service."""

from dataclasses import dataclass
from typing import Final

ACTIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`active` or another word; `life` differs between two lives of a service, empty if unknown."""

    word: str
    life: str
