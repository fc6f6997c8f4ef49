"""What is known of some documents: their verdict in words, their findings, the pictures.

A layout claims the keys that it shows; every other key is shown as it is, so no page leaves
anything of its document out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from qtops.reports.anything import blocks_of, facts_of, table_of, tone, word
from qtops.reports.blocks import (
    Block,
    Column,
    Section,
    Span,
    Table,
    Word,
    count_chart,
    time_chart,
)
from qtops.reports.exit_words import Finding

Document = Mapping[str, Any]

_US_PER_MS: Final = 1000
_MOST_BARS: Final = 25
_PARTIAL: Final = frozenset({"partial", "partial_figures"})
_OUTCOMES: Final = {
    "filled": "fine",
    "no_order_asked": "fine",
    "refused": "broken",
    "lost": "broken",
    "contradictory": "broken",
    "not_found": "broken",
}
_HOPS: Final = {"seen": "fine", "missing": "broken", "contradictory": "broken"}
_HOPS_OPEN: Final = {"expired": "attention", "unknown": "dim", "not reached": "dim"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The known part of a document. An empty `state` or `headline` leaves both to the exit code."""

    claimed: frozenset[str]
    sentence: str
    sections: Sequence[Section] = ()
    findings: Sequence[Finding] = ()
    state: str = ""
    headline: str = ""


def _error(document: Document) -> Layout:
    error = document["error"]
    hint = error.get("hint", "")
    findings = [Finding("attention", "what to do next", hint)] if hint else []
    rest = {name: value for name, value in error.items() if name not in {"message", "hint"}}
    sections = [Section("The error", [facts_of("", rest)])]
    return Layout(frozenset({"error"}), error["message"], sections, findings)


def _trace(document: Document) -> Layout:
    plans = document["plans"]
    state = _OUTCOMES.get(document["status"], "attention")
    asked = ", ".join(f"{name} {value}" for name, value in document["filters"].items() if value)
    first = plans[0]["verdict"] if plans else f"no trace of {asked}"
    sentence = first if len(plans) < 2 else f"{len(plans)} plans; the newest: {first}"  # noqa: PLR2004
    sections = [_life(plan) for plan in plans]
    return Layout(frozenset({"plans"}) | _PARTIAL, sentence, sections, _unread(document), state)


def _life(plan: Mapping[str, Any]) -> Section:
    """One plan: its hops as a picture, then as a table."""
    spans = [_span(hop) for hop in plan["hops"]]
    rows = [
        [
            Word(hop["name"]),
            _hop_word(hop),
            _ms(hop["since_plan_us"]),
            _ms(hop["latency_us"]),
            Word(" ".join(filter(None, [hop["reason"], hop["detail"]]))),
        ]
        for hop in plan["hops"]
    ]
    columns = [Column("hop"), Column("state"), Column("since plan, ms", is_number=True)]
    columns += [Column("latency, ms", is_number=True), Column("detail")]
    facts = {name: plan[name] for name in ("symbol", "outcome", "verdict", "first_break")}
    title = "Milliseconds from the plan to each hop"
    blocks: list[Block] = [
        facts_of("", facts),
        time_chart(title, spans),
        Table("Hop by hop", columns, rows),
    ]
    return Section(f"Plan {plan['plan_id']}", blocks)


def _span(hop: Mapping[str, Any]) -> Span:
    said = _hop_word(hop)
    note = "" if said.text == "seen" else said.text
    if hop["since_plan_us"] is None:
        return Span(hop["name"], said.state, note=note)
    end = Decimal(hop["since_plan_us"])
    start = end - Decimal(hop["latency_us"] or 0)
    return Span(hop["name"], said.state, start / _US_PER_MS, end / _US_PER_MS, note)


def _hop_word(hop: Mapping[str, Any]) -> Word:
    state = hop["state"]
    return Word("refused", "broken") if hop["refused"] else Word(state, _hop_state(state))


def _hop_state(state: str) -> str:
    return _HOPS.get(state) or _HOPS_OPEN.get(state, "attention")


def _ms(us: int | None) -> Word:
    return Word("" if us is None else f"{Decimal(us) / _US_PER_MS:.1f}")


def _unread(document: Document) -> list[Finding]:
    """What the time did not suffice to read."""
    return [
        Finding("attention", f"partial: {name} was not read to its start")
        for name in document.get("partial_figures", ())
    ]


def _refusals(document: Document) -> Layout:
    counted = {n: document[n] for n in ("plans", "executed", "refused", "undecided", "undecodable")}
    window, rows = document["window"], document["refusals"]
    top = rows[:_MOST_BARS]
    bars = [(f"{row['gate']}: {row['reason']}", row["plans"], "broken") for row in top]
    outcome = [("executed", counted["executed"], "fine"), ("refused", counted["refused"], "broken")]
    outcome.append(("undecided", counted["undecided"], "attention"))
    blocks = [count_chart("What became of the plans, number of plans", "plans", outcome)]
    if bars:
        blocks.append(count_chart("Refusals by gate and reason, number of plans", "plans", bars))
    sentence = (
        f"{counted['plans']} plans, {counted['executed']} executed, {counted['refused']} refused, "
        f"from {window['since']} to {window['until']}"
    )
    if rows:
        sentence += f"; most often {rows[0]['gate']}: {rows[0]['reason']} ({rows[0]['plans']})"
    names = ["gate", "reason", "plans", "first", "last", "example"]
    sections = [Section("Why plans did not trade", [*blocks, table_of("Reasons", rows, names)])]
    state = {"clear": "fine", "no_plans": "attention"}.get(document["status"], "attention")
    claimed = frozenset({"refusals", "window", *counted}) | _PARTIAL
    return Layout(claimed, sentence, sections, _unread(document), state)


def _permits(document: Document) -> Layout:
    sources = document["permits"]
    active = [name for name, source in sources.items() if source["status"] == "active"]
    sentence = f"{len(active)} of {len(sources)} permit sources active"
    names = ["status", "heartbeat", "count", "allow", "deny", "unreadable", "no_expiry"]
    names.append("decisions_in_window")
    table = table_of(
        "",
        [{"source": name} | dict(source) for name, source in sources.items()],
        ["source", *names],
    )
    window_s = document["window_s"]
    bars = [(name, one["decisions_in_window"], "step") for name, one in sources.items()]
    chart = count_chart(f"Decisions in {window_s} s by gate, number", "decisions", bars)
    rest = [
        {"source": name} | {n: v for n, v in source.items() if n not in names}
        for name, source in sources.items()
    ]
    sections = [Section("Permit sources", [table, chart, table_of("Keys", rest)])]
    missing = [name for name in sources if name not in active]
    findings = [
        Finding("broken", f"{name}: no readable permit, no decision", "qtops trace --why-no-trade")
        for name in missing
        if document["exit_code"]
    ]
    findings += _unread(document)
    return Layout(frozenset({"permits"}) | _PARTIAL, sentence, sections, findings)


def _streams(document: Document) -> Layout:
    streams = document["streams"]
    groups = [
        {"stream": one["name"].rpartition(":")[2]} | dict(group)
        for one in streams
        for group in one["groups"]
    ]
    names = ["name", "service", "lag", "pending", "oldest_pending_age_ms", "lost_unread_at_least"]
    bars = [
        (f"{group['stream']}: {group['name']}", group["lag"] or 0, "step")
        for group in sorted(groups, key=lambda group: -(group["lag"] or 0))[:_MOST_BARS]
    ]
    blocks: list[Block] = [table_of("Groups", groups, ["stream", *names])]
    if any(group["lag"] for group in groups):
        title = "Entries that a group has not read yet, number"
        blocks.append(count_chart(title, "entries", bars))
    findings = [_stream_finding(one) for one in document["findings"]]
    sentence = f"{len(streams)} streams, {len(groups)} groups, {len(findings)} findings"
    sections = [
        Section("Who reads what", blocks),
        Section("Streams in full", list(blocks_of(streams))),
    ]
    claimed = frozenset({"streams", "findings"}) | _PARTIAL
    return Layout(claimed, sentence, sections, [*findings, *_unread(document)])


def _stream_finding(finding: Mapping[str, Any]) -> Finding:
    severity = finding["severity"]
    where = " ".join(filter(None, [finding["stream"].rpartition(":")[2], finding["group"]]))
    text = f"{severity} {where}: {finding['what']}; {finding['meaning']}"
    return Finding(tone("severity", severity) or "dim", text, finding["next_command"])


def _health(document: Document) -> Layout:
    checks = document["checks"]
    findings = [
        Finding(tone("status", one["status"]) or "attention", one["what"], one["fix"])
        for check in checks
        for one in check["findings"]
    ]
    figures = [
        {"check": check["check"]}
        | dict(figure)
        | {"labels": " ".join(f"{k}={v}" for k, v in figure["labels"].items())}
        for check in checks
        for figure in check["figures"]
    ]
    sections = [Section("Checks", [table_of("", checks, ["check", "status", "summary"])])]
    if figures:
        columns = ["check", "name", "labels", "value", "warn", "fail"]
        sections.append(Section("Figures, with the limits", [table_of("", figures, columns)]))
    claimed = frozenset({"checks", "headline"})
    return Layout(claimed, document["headline"], sections, findings)


def _kill(document: Document) -> Layout:
    state = document["trading_state"]
    tones = {"ACTIVE": "fine", "REDUCING": "attention"}
    words = {"ACTIVE": "orders may leave", "REDUCING": "only verified reductions leave"}
    sentence = words.get(state, "no automated order leaves")
    if said := document["why"] or document["reason"]:
        sentence += f": {said}"
    rows = [
        [
            Word(one["switch"]),
            word("value", one["value"]),
            Word("set", "attention") if one["set"] else Word("not set", "dim"),
            word("honoured_by", one["honoured_by"]),
            word("does_not_cover", one["does_not_cover"]),
        ]
        for one in document["switches"]
    ]
    titles = ("switch", "value", "set", "honoured by", "does not cover")
    sections = [Section("Every switch", [Table("", [Column(title) for title in titles], rows)])]
    findings = [Finding("attention", str(remark)) for remark in document["remarks"]]
    claimed = frozenset({"switches", "remarks"})
    return Layout(claimed, sentence, sections, findings, tones.get(state, "broken"))


def _ledger_entry(document: Document) -> Layout:
    entry = document["entry"]
    what = {name: value for name, value in entry.items() if not isinstance(value, (dict, list))}
    rest = {name: value for name, value in entry.items() if name not in what}
    outcome = str(entry.get("outcome", ""))
    sentence = f"{entry.get('operation_name', '')}: {entry.get('objective', '')}"
    state = {"SUCCESS": "fine", "PARTIAL": "attention"}.get(outcome, "broken")
    sections = [Section("Entry", [facts_of("", what), *blocks_of(rest)])]
    headline = f"{entry['operation_id']} {outcome}"
    return Layout(frozenset({"entry"}), sentence, sections, (), state, headline)


LAYOUTS: Final[Mapping[str, Callable[[Document], Layout]]] = {
    "qtops.error/v1": _error,
    "qtops.trace/v1": _trace,
    "qtops.trace.refusals/v1": _refusals,
    "qtops.audit.permits/v1": _permits,
    "qtops.audit.streams/v1": _streams,
    "qtops.health/v1": _health,
    "qtops.kill.status/v1": _kill,
    "qtops.ledger.show/v1": _ledger_entry,
}
