"""Spans of time as operators write and read them: `15m` in, `15 min` out."""

import re
from typing import Final

from qtops.errors import UsageError

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_UNITS_MS: Final = {"": _SECOND, "s": _SECOND, "m": _MINUTE, "h": _HOUR, "d": _DAY}
_SPAN: Final = re.compile(r"([0-9]{1,9})\s*([smhd]?)")
_LONGEST_MS: Final = 365 * _DAY


def parse_span(text: str, option: str) -> int:
    """Milliseconds of `90s`, `15m`, `2h`, `1d` or bare seconds; above zero, at most a year."""
    match = _SPAN.fullmatch(text.strip().lower())
    span_ms = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < span_ms <= _LONGEST_MS:
        raise UsageError(f"{option} {text[:40]!r}: give a span such as 90s, 15m, 2h or 1d")
    return span_ms


def span(ms: int) -> str:
    """A duration or an age, in the largest unit that keeps it exact enough to act on."""
    from qtops.contracts.codec import fmt_span

    return fmt_span(ms)
