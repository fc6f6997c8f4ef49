"""Where the bars of a round's timeline go. Layout only: every time comes from the payload."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qtops.contracts.vocabulary import GateName
from qtops.gates.admission import SHORT

GATES = {SHORT[gate]: gate.value for gate in GateName}
EXECUTOR_HOPS = ("admitted", "sent", "answered", "settled")
PERMITS = "permits"
ZERO = Decimal(0)
MAX_TICKS = 6
THINNEST = Decimal("0.6")  # per cent of the plot; a bar of no length would not be seen
LONG = 75  # per cent; behind a longer bar there is no room for a note
TEXT_BARS = 30  # characters


@dataclass(frozen=True, slots=True)
class Bar:
    """One row. `left` and `width` are per cent of the plot; no bar when `width` is zero."""

    label: str
    state: str
    value: str
    note: str = ""
    left: Decimal = ZERO
    width: Decimal = ZERO

    @property
    def note_inside(self) -> bool:
        """Where the note goes: behind a short bar, at the end of a long one."""
        return self.left + self.width > LONG

    @property
    def text_bar(self) -> str:
        """The same bar in characters, for Markdown."""
        if not self.width:
            return " " * TEXT_BARS
        start = min(int(self.left * TEXT_BARS / 100), TEXT_BARS - 1)
        length = max(1, round(self.width * TEXT_BARS / 100))
        return f"{' ' * start}{'█' * min(length, TEXT_BARS - start)}".ljust(TEXT_BARS)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars on one scale. `ticks` are (per cent, label in `unit`)."""

    bars: Sequence[Bar]
    ticks: Sequence[tuple[Decimal, str]]
    unit: str = "ms"

    @property
    def description(self) -> str:
        """The picture in words."""
        return "; ".join(
            f"{bar.label}: {bar.value}" + (f" ({bar.note})" if bar.note else "")
            for bar in self.bars
        )


def timeline_of(finished: Mapping[str, Any]) -> Timeline:
    """Gates run side by side from the plan on; each step of the executor follows the one before."""
    times = {name: Decimal(at) for name, at in finished["timeline_ms"].items()}
    longest = max(times.values(), default=ZERO)
    end = longest if longest > ZERO else Decimal(1)
    bars = [Bar("plan", "mark", "0 ms", width=THINNEST)]
    bars += [_gate_bar(name, finished, times.get(name), end) for name in GATES]
    bars += _executor_bars(finished, times, end)
    known = {PERMITS, *GATES, *EXECUTOR_HOPS}
    bars += [
        Bar(name, "step", f"{at} ms", "", *place(ZERO, at, end))
        for name, at in times.items()
        if name not in known
    ]
    return Timeline(bars, list(ticks_to(end)))


def decision_state(allow: object, verdict: str) -> str:
    """A refusal that was expected is context, one in a failed round is the fault."""
    if allow:
        return "fine"
    return {"FAILED": "broken", "REJECTED_EXPECTED": "dim"}.get(verdict, "attention")


def _gate_bar(name: str, finished: Mapping[str, Any], at: Decimal | None, end: Decimal) -> Bar:
    if name in finished["missing_permits"]:
        state = "broken" if finished["verdict"] == "FAILED" else "attention"
        return Bar(name, state, "no decision")
    said = [d for d in finished["permits"] if d["gate"] == GATES[name]]
    if not said:
        return Bar(name, "dim", "not seen")
    allow = said[-1]["allow"]
    state, word = decision_state(allow, finished["verdict"]), "allow" if allow else "deny"
    if at is None:
        return Bar(name, state, "no time", word)
    return Bar(name, state, f"{at} ms", word, *place(ZERO, at, end))


def _executor_bars(
    finished: Mapping[str, Any], times: Mapping[str, Decimal], end: Decimal
) -> Iterator[Bar]:
    since = times.get(PERMITS, ZERO)
    for name in EXECUTOR_HOPS:
        at = times.get(name)
        if at is None:
            yield Bar(name, *_unseen(name, finished, times))
            continue
        yield Bar(name, "step", f"{at} ms", "", *place(since, at, end))
        since = at


def _unseen(
    name: str, finished: Mapping[str, Any], times: Mapping[str, Decimal]
) -> tuple[str, str]:
    """(state, words) of a hop without a time."""
    result = finished["result"]
    if result is None:
        return ("broken", "no result") if name == "settled" else ("dim", "not seen")
    reached = result["executed"] or "settled" not in times
    return "dim", "no time" if reached else "not reached"


def place(start: Decimal, at: Decimal, end: Decimal) -> tuple[Decimal, Decimal]:
    """(left, width) of a bar from `start` to `at` on a scale from 0 to `end`, per cent."""
    left, right = (min(max(t, ZERO), end) * 100 / end for t in sorted((start, at)))
    left = min(left, 100 - THINNEST)
    return _rounded(left), _rounded(max(right - left, THINNEST))


def _rounded(share: Decimal) -> Decimal:
    return share.quantize(Decimal("0.01"))


def _tick_step(longest: Decimal) -> Decimal:
    """The smallest of 1, 2, 5 times a power of ten that needs few enough ticks."""
    power = Decimal(1).scaleb(longest.adjusted() - 1)
    steps = [power * n for n in (1, 2, 5, 10, 20, 50)]
    return next(step for step in steps if step * (MAX_TICKS - 1) >= longest)


def ticks_to(end: Decimal) -> Iterator[tuple[Decimal, str]]:
    """(per cent, label) of each tick on a scale from 0 to `end`; few, and round numbers."""
    step = _tick_step(end)
    for n in range(int(end / step) + 1):
        at = step * n
        yield _rounded(at * 100 / end), f"{at.normalize():f}"
