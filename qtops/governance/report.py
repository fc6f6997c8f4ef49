"""An operation as a page: what was declared, done, refused and undone."""

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from qtops.contracts.codec import fmt_instant
from qtops.governance.operation import Operation, Ran, Step, outcome_of

_TITLES = {
    "objective": "Objective",
    "risk_class": "Risk class",
    "blast_radius": "Blast radius",
    "changes_summary": "Changes",
    "allowed_paths": "Allowed paths",
    "allowed_services": "Allowed services",
    "rollback_strategy": "Rollback",
    "requested_by": "Requested by",
    "approved_by": "Approved by",
    "notes": "Notes",
}


def report(operation: Operation, partial: str = "") -> str:
    """Markdown; the same record gives the same bytes."""
    outcome, why = outcome_of(operation, partial)
    lines = [
        f"# {operation.operation_id}: {_inline(operation.declaration['operation'])}",
        "",
        f"Outcome **{outcome}**{f': {_inline(why)}' if why else ''}.",
        f"Opened {fmt_instant(operation.opened_at_ms)} by {_inline(operation.by)}.",
    ]
    if operation.exception:
        lines.append(f"Exception to the approval policy: {_inline(operation.exception)}.")
    lines += ["", "## Declaration", "", *_declared(operation)]
    lines += ["", "## Steps", "", *_steps(operation.steps)]
    lines += ["", "## Rollback", "", *_rollback(operation)]
    lines += ["", "## Refused", "", *_refused(operation)]
    lines += ["", "## Output", "", *_outputs(operation)]
    return "\n".join(lines).rstrip() + "\n"


def _declared(operation: Operation) -> list[str]:
    fields = operation.declaration
    rows = [(title, _text(fields.get(name))) for name, title in _TITLES.items()]
    return _table(("field", "declared"), rows)


def _steps(steps: Sequence[Step]) -> list[str]:
    rows = [
        (
            str(step.number),
            fmt_instant(step.started_at_ms),
            step.title,
            _what(step),
            step.result or "UNKNOWN",
            step.verdict.value,
            _verification(step),
        )
        for step in steps
    ]
    return _table(("#", "UTC", "step", "command", "result", "verdict", "verification"), rows)


def _what(step: Step) -> str:
    """The command, or that there was none, and what it was said to touch."""
    said = [*step.paths, *step.services]
    touched = f", touching {', '.join(said)}" if said else ""
    return (_command(step.command) or "(by hand)") + touched


def _verification(step: Step) -> str:
    ran = step.verification
    return f"{_command(ran.command)}: {ran.result}" if ran else "none"


def _rollback(operation: Operation) -> list[str]:
    if not operation.rollback:
        return ["No command was declared."]
    rows = [
        (str(number), fmt_instant(ran.started_at_ms), _command(ran.command), ran.result)
        for number, attempt in enumerate(operation.attempts, 1)
        for ran in attempt
    ]
    declared = [f"- {_code(_command(command))}" for command in operation.rollback]
    tried = _table(("attempt", "UTC", "command", "result"), rows) if rows else ["It was not run."]
    return ["Declared:", "", *declared, "", *tried]


def _refused(operation: Operation) -> list[str]:
    rows = [
        (fmt_instant(one.at_ms), one.title, _command(one.command), "; ".join(one.reasons))
        for one in operation.refusals
    ]
    return _table(("UTC", "step", "command", "reason"), rows)


def _outputs(operation: Operation) -> list[str]:
    lines: list[str] = []
    for title, ran in _runs(operation):
        size = f"{ran.output_bytes} bytes, sha256 `{ran.output_sha256}`"
        lines += [f"{title}, {_code(_command(ran.command))}: {size}", ""]
        if ran.output_tail:
            lines += [*(f"    {_printable(line)}" for line in ran.output_tail.splitlines()), ""]
    return lines or ["Nothing was run."]


def _runs(operation: Operation) -> Iterable[tuple[str, Ran]]:
    for step in operation.steps:
        if step.run:
            yield f"Step {step.number}", step.run
        if step.verification:
            yield f"Step {step.number}, verification", step.verification
    for number, attempt in enumerate(operation.attempts, 1):
        yield from ((f"Rollback, attempt {number}", ran) for ran in attempt)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(_inline(cell) for cell in row)} |" for row in rows]
    if not body:
        return ["None."]
    return [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *body]


def _command(words: Sequence[str]) -> str:
    return shlex.join(words)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value or "none")


def _code(text: str) -> str:
    return f"``{_printable(text)}``"


def _inline(text: str) -> str:
    """On one line and inside its cell."""
    return _printable(" ".join(text.split())).replace("|", "\\|")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
