"""The P0.4C report: what `qtops proof chain` found, as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from qtops.reports.markdown import inline


def markdown_of(payload: Mapping[str, Any]) -> str:
    """The report of one reading of chains."""
    return "\n".join(_lines(payload)) + "\n"


def _lines(payload: Mapping[str, Any]) -> Iterator[str]:
    counts = payload["counts"]
    verdict = "PROVEN" if payload["proven"] else "NOT PROVEN"
    yield "# P0.4C proof report"
    yield ""
    yield f"**{verdict}**: {counts['complete']} of {counts['chains']} exits ran their whole course."
    yield ""
    yield f"- Window: {payload['since']} to {payload['timestamp']}"
    yield f"- Exchange: {inline(payload['exchange'])}"
    yield f"- Events that cannot be read: {counts['unreadable_events']}"
    for chain in payload["chains"]:
        yield ""
        yield f"## {inline(chain['symbol'])}, order {inline(chain['order_id'] or 'none')}"
        yield ""
        yield f"Plan {inline(chain['plan_id'])}, client order id {inline(chain['client_order_id'])}"
        yield ""
        yield "| step | at | details |"
        yield "|---|---|---|"
        for step in chain["steps"]:
            details = ", ".join(f"{name} {value}" for name, value in step["details"].items())
            yield f"| {inline(step['marker'])} | {step['at']} | {inline(details)} |"
        yield ""
        yield "Complete." if chain["complete"] else "Not complete:"
        if chain["faults"]:
            yield ""
        for fault in chain["faults"]:
            yield f"- {inline(fault)}"
