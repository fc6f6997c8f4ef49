"""The breakers' last look, as `qtops kill status` shows it."""

from typing import Any, Final

from qtops.cli.printer import Column, Mark, Printer, Tinted
from qtops.cli.spans import span
from qtops.contracts.breakers import BreakerState, BreakerStatus
from qtops.contracts.codec import fmt_instant

SILENT_MS: Final = 10_000
_MARKS: Final = {
    BreakerStatus.TRIPPED: Mark.FAIL,
    BreakerStatus.OVER: Mark.WARN,
    BreakerStatus.UNSEEN: Mark.UNKNOWN,
}


def breakers_payload(state: BreakerState) -> dict[str, Any]:
    """For `--json`."""
    return {
        "looked_at": fmt_instant(state.at_ms),
        "armed_at": fmt_instant(state.armed_at_ms),
        "looks": [
            {
                "breaker": look.breaker,
                "status": look.status,
                "since": fmt_instant(look.since_ms),
                "value": look.value,
                "limit": look.limit,
                "detail": look.detail,
            }
            for look in state.looks
        ],
    }


def print_breakers(out: Printer, state: BreakerState, now_ms: int) -> None:
    """A table, and a warning when nobody looks any more."""
    rows = []
    for look in state.looks:
        mark = _MARKS.get(look.status)
        status = Tinted(look.status.value, mark) if mark else look.status.value
        rows.append([look.breaker.value, status, look.value, look.limit, look.detail])
    columns = [Column("breaker"), Column("status"), Column("now"), Column("limit")]
    out.table([*columns, Column("why", shrink=True)], rows)
    if now_ms - state.at_ms > SILENT_MS:
        ago = span(now_ms - state.at_ms)
        out.finding(Mark.WARN, f"the breakers last looked {ago} ago: none of them watches now")
