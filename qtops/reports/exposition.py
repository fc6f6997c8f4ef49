"""Prometheus text, for a collector that reads files: no time stamps on samples."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

_MS_PER_S: Final = 1000


def seconds(value_ms: int | Decimal) -> Decimal:
    """Prometheus wants seconds."""
    return Decimal(value_ms) / _MS_PER_S


class Families:
    """Samples by metric: all of one metric stand together under one HELP and TYPE."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, name: str, text: str, value: int | Decimal, labels: Mapping[str, str]) -> None:
        """One sample of a gauge."""
        head = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        shown = f"{value:f}" if isinstance(value, Decimal) else str(value)
        self._lines.setdefault(name, head).append(f"{name}{_labels(labels.items())} {shown}")

    def add_run(self, verb: str, now_ms: int, took_ms: int) -> None:
        """When a run came to a verdict, and what it took."""
        labels = {"verb": verb}
        text = "When a run last came to a verdict."
        self.add("qtops_run_last_success_timestamp_seconds", text, seconds(now_ms), labels)
        self.add("qtops_run_duration_seconds", "How long the run took.", seconds(took_ms), labels)

    def text(self) -> str:
        """All of it, ending in a newline as the format demands."""
        return "".join(f"{line}\n" for lines in self._lines.values() for line in lines)


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
