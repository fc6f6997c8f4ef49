"""Traces for people: the verdict first, then every hop with its milliseconds, then what to do."""

import shlex
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted
from qtops.cli.spans import span

if TYPE_CHECKING:
    from qtops.audits.refusals import Refusal, Refusals
    from qtops.audits.trace import Life
    from qtops.audits.trace_hops import Hop

EXACT_US: Final = 10_000_000  # up to ten seconds a latency is shown in tenths of a millisecond
MAX_ROWS: Final = 20
_OUTCOMES: Final = {
    "filled": Mark.OK,
    "no_order_asked": Mark.OK,
    "refused": Mark.FAIL,
    "lost": Mark.FAIL,
    "contradictory": Mark.FAIL,
}
_STATES: Final = {
    "seen": Mark.OK,
    "missing": Mark.FAIL,
    "contradictory": Mark.FAIL,
    "expired": Mark.WARN,
    "unknown": Mark.UNKNOWN,
    "not reached": Mark.DIM,
}
_SERVICES: Final = {
    "governor": "governor",
    "portfolio gate": "portfolio-gate",
    "position gate": "position-gate",
    "permits": "executor",
    "result": "executor",
}
_KILL_REASONS: Final = ("kill_", "reducing_only", "mode_forbids", "manual_lane", "control_unknown")


def print_lives(
    out: Printer, lives: "Sequence[Life]", partial: Sequence[str], context: str
) -> None:
    """One plan in full, or a line for each of several."""
    if len(lives) == 1:
        _print_life(out, lives[0], context)
    else:
        _print_list(out, lives, context)
    _print_partial(out, partial)


def print_not_found(out: Printer, words: str, partial: Sequence[str], context: str) -> None:
    """Nothing is known of what was asked for."""
    detail = "" if partial else "not in plans, decisions, permits, claims, results, dead letters"
    out.verdict(Mark.FAIL, words, detail, context)
    out.hint("qtops trace --why-no-trade --since 1d")
    _print_partial(out, partial)


def _print_partial(out: Printer, partial: Sequence[str]) -> None:
    if partial:
        names = ", ".join(partial)
        out.finding(Mark.UNKNOWN, f"partial, the time was up: {names} not read to the start")


def _print_life(out: Printer, life: "Life", context: str) -> None:
    from qtops.audits.trace import verdict_of

    out.verdict(_OUTCOMES.get(life.outcome, Mark.UNKNOWN), _timed(life, verdict_of(life)))
    out.line(f"plan {life.plan_id}  {life.symbol}  {context}", Mark.DIM)
    columns = [Column("hop"), Column("state"), Column("since plan", "right")]
    columns += [Column("latency", "right"), Column("detail", shrink=True)]
    out.table(columns, [_hop_row(life, hop) for hop in life.hops])
    if next_command := _next(life):
        out.hint(next_command)


def _timed(life: "Life", words: str) -> str:
    """With how long after the plan, where that is known."""
    name = "result" if life.outcome == "filled" else getattr(life.first_break, "name", "plan")
    since_us = life.since_plan_us(life.hop(name))
    is_timed = since_us is not None and name != "plan"
    words = f"{words} after {_latency(since_us)}" if is_timed else words
    said, stop = life.hop("result").reason, life.first_break
    if life.outcome != "refused" or stop is None or not said:
        return words
    is_same = said.startswith(stop.reason) or said.endswith(stop.reason)
    return words if is_same else f"{words}; the executor said {said}"


def _latency(us: int | None) -> str | None:
    if us is None:
        return None
    return f"{Decimal(us) / 1000:.1f} ms" if us < EXACT_US else span(us // 1000)


def _hop_row(life: "Life", hop: "Hop") -> list[Cell]:
    state = Tinted("refused", Mark.FAIL) if hop.refused else Tinted(hop.state, _STATES[hop.state])
    since = None if hop.name == "plan" else _latency(life.since_plan_us(hop))
    return [hop.name, state, since, _latency(hop.latency_us), hop.words or None]


def _next(life: "Life") -> str:
    """The command that shows more about the hop that ended the plan; empty when all is well."""
    stop = life.first_break
    if stop is None:
        return ""
    if "no heartbeat" in stop.detail and stop.name in _SERVICES:
        return f"qtops run {_SERVICES[stop.name]}"
    if stop.reason.startswith(_KILL_REASONS):
        return "qtops kill status"
    if stop.refused and stop.name in {"plan", "result"}:
        return "qtops trace --why-no-trade --since 1h"
    if stop.state == "contradictory" and stop.name in {"order", "fills", "result"}:
        return f"qtops proof order-id --plan-id {shlex.quote(life.plan_id)}"
    return f"qtops audit permits --plan-id {shlex.quote(life.plan_id)}"


def _print_list(out: Printer, lives: "Sequence[Life]", context: str) -> None:
    from qtops.audits.trace import verdict_of

    filled = sum(life.outcome == "filled" for life in lives)
    mark = Mark.OK if filled == len(lives) else Mark.FAIL
    words = f"{filled} of the {len(lives)} newest {lives[0].symbol} plans traded"
    out.verdict(mark, words, "", context)
    rows: list[list[Cell]] = [
        [
            life.plan_id,
            Tinted(life.outcome.replace("_", " "), _OUTCOMES.get(life.outcome, Mark.UNKNOWN)),
            _timed(life, verdict_of(life)),
        ]
        for life in lives
    ]
    out.table([Column("plan"), Column("outcome"), Column("verdict", shrink=True)], rows)
    worst = next((life for life in lives if life.outcome != "filled"), lives[0])
    out.hint(f"qtops trace {shlex.quote(worst.plan_id)}")


def print_refusals(out: Printer, found: "Refusals", window: str, context: str) -> None:
    """The histogram, its first cause in the verdict."""
    rows = found.rows
    plans, refused = len(found.seen), len(found.refused)
    about = f" of {found.symbol}" if found.symbol else ""
    if not plans:
        out.verdict(Mark.WARN, f"no plan{about} in {window}", "nobody asked for a trade", context)
    elif not refused:
        mark = Mark.WARN if found.undecided else Mark.OK
        detail = f"{len(found.executed):,} executed"
        out.verdict(mark, f"none of {plans:,} plans{about} was refused", detail, context)
    else:
        cause = f"{rows[0].gate}, {rows[0].reason} ({rows[0].plans:,})"
        words = f"{refused:,} of {plans:,} plans{about} were refused; first cause: {cause}"
        out.verdict(Mark.FAIL, words, "", context)
    if rows:
        columns = [Column("gate"), Column("reason"), Column("plans", "right")]
        columns += [Column("first"), Column("last"), Column("example", shrink=True)]
        out.table(columns, [_refusal_row(row, found.now_ms) for row in rows[:MAX_ROWS]])
        if (more := len(rows) - MAX_ROWS) > 0:
            out.line(f"{more:,} more reasons with --json", Mark.DIM)
        out.hint(f"qtops trace {shlex.quote(rows[0].example)}")
    _print_remarks(out, found)


def _print_remarks(out: Printer, found: "Refusals") -> None:
    if found.undecided:
        text = f"{len(found.undecided):,} plans that no gate decided and no result ended"
        out.finding(Mark.WARN, text, "qtops audit permits")
    if found.undecodable:
        out.finding(Mark.WARN, f"{found.undecodable:,} decisions or results could not be decoded")
    if found.partial:
        figures = ", ".join(found.partial)
        out.finding(Mark.UNKNOWN, f"partial, the time was up: {figures} are lower bounds")


def _refusal_row(row: "Refusal", now_ms: int) -> list[Cell]:
    ages = [f"{span(now_ms - at_ms)} ago" for at_ms in (row.first_ms, row.last_ms)]
    return [row.gate, row.reason, f"{row.plans:,}", *ages, row.example]
