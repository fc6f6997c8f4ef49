"""What `qtops replay` found, as text and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted, counted

if TYPE_CHECKING:
    from qtops.audits.replay import Replay, Verdict
    from qtops.contracts.decision import Decision

_SHOWN: Final = 20
CAVEAT: Final = (
    "each plan is judged on the facts as they were; "
    "what a flipped plan would have changed for later ones is not carried on"
)


def summary_text(found: "Replay") -> str:
    """How many decisions change, in one line."""
    if not found.read:
        return "nothing is recorded (QTOPS_RECORD_FACTS of the gates, --since, --symbol, --gate)"
    flips = f"{counted(len(found.flips), 'flip')}: {counted(found.flipped_opens, 'open')}"
    exits = f"exits: {found.flipped_exits or 'none'}"
    return f"{counted(found.read, 'decision')}, {flips}; {exits}"


def print_replay(out: Printer, found: "Replay", unreadable: Sequence[str]) -> None:
    """Which limits differ, which decisions they change, and what could not be judged."""
    for name, (was, asked) in found.limits.items():
        out.line(f"{name}: {was} → {asked}")
    _print_changes(out, found)
    _print_faults(out, found, unreadable)
    out.line(CAVEAT, Mark.DIM)


def _print_changes(out: Printer, found: "Replay") -> None:
    if found.changed:
        columns = [Column("plan", shrink=True), Column("symbol"), Column("effect"), Column("gate")]
        columns += [Column("was", shrink=True), Column("would be", shrink=True)]
        out.table(columns, [_row(verdict) for verdict in found.changed])
    for verdict in found.flips:
        out.detail(f"{verdict.plan_id}: {_detail(verdict.was)} → {_detail(verdict.would_be)}")
    if reasons := found.by_reason():
        out.line("flips by reason: " + ", ".join(f"{n} {reason}" for reason, n in reasons.items()))


def _row(verdict: "Verdict") -> list[Cell]:
    would_be = _answer(verdict.would_be) + _new_terms(verdict)
    exit_flips = verdict.is_flip and verdict.is_exit
    shown: Cell = Tinted(would_be, Mark.FAIL) if exit_flips else would_be
    head = [verdict.plan_id, verdict.symbol, verdict.effect.value, verdict.gate.value]
    return [*head, _answer(verdict.was), shown]


def _new_terms(verdict: "Verdict") -> str:
    """What else the permit would say: the portfolio gate's mode and action, for example."""
    from qtops.contracts.decision import Allow

    was, would_be = verdict.was, verdict.would_be
    if not isinstance(was, Allow) or not isinstance(would_be, Allow):
        return ""
    new = [f"{k}={v}" for k, v in would_be.terms.items() if was.terms.get(k) != v]
    return f" ({', '.join(new)})" if new else ""


def _answer(decision: "Decision") -> str:
    from qtops.audits.replay import ALLOWED, reason_of
    from qtops.contracts.decision import Allow
    from qtops.contracts.values import fmt_decimal

    if isinstance(decision, Allow):
        return f"{ALLOWED} {fmt_decimal(decision.quantity)}"
    return reason_of(decision)


def _detail(decision: "Decision") -> str:
    from qtops.contracts.decision import Deny

    detail = decision.detail if isinstance(decision, Deny) else ""
    return f"{_answer(decision)} ({detail})" if detail else _answer(decision)


def _print_faults(out: Printer, found: "Replay", unreadable: Sequence[str]) -> None:
    for verdict in found.not_reproducible[:_SHOWN]:
        where = f"{verdict.plan_id}, {verdict.gate.value}"
        out.finding(Mark.WARN, f"not reproducible: {where}: {verdict.why_not}")
    if (more := len(found.not_reproducible) - _SHOWN) > 0:
        out.finding(Mark.WARN, f"not reproducible: {more} more")
    if unreadable:
        records = counted(len(unreadable), "record")
        out.finding(Mark.WARN, f"{records} could not be read: {unreadable[0]}")


def replay_payload(found: "Replay", unreadable: Sequence[str]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "decisions": found.read,
        "reproduced": found.read - len(found.not_reproducible),
        "limits": {name: {"was": w, "asked": a} for name, (w, a) in found.limits.items()},
        "flips": len(found.flips),
        "plans_flipped": {"open": found.flipped_opens, "exit": found.flipped_exits},
        "flips_by_reason": found.by_reason(),
        "changed": [_verdict_payload(verdict) for verdict in found.changed],
        "not_reproducible": [
            {"plan_id": v.plan_id, "gate": v.gate, "why": v.why_not} for v in found.not_reproducible
        ],
        "unreadable": list(unreadable),
        "propagates": False,
    }


def _verdict_payload(verdict: "Verdict") -> dict[str, Any]:
    return {
        "plan_id": verdict.plan_id,
        "symbol": verdict.symbol,
        "effect": verdict.effect,
        "gate": verdict.gate,
        "at_ms": verdict.at_ms,
        "flip": verdict.is_flip,
        "was": _decision_payload(verdict.was),
        "would_be": _decision_payload(verdict.would_be),
    }


def _decision_payload(decision: "Decision") -> dict[str, Any]:
    from qtops.contracts.decision import Allow

    if isinstance(decision, Allow):
        return {"allow": True, "quantity": decision.quantity, "terms": decision.terms}
    return {"allow": False, "reason": decision.reason, "detail": decision.detail}
