"""`qtops audit`: checks that only read, and say what they could not see."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli import audit_env, audit_policy, audit_repos, audit_streams, audit_system
from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted, counted
from qtops.cli.remote import ReadsRedis
from qtops.cli.spans import parse_span, span
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.audits.permit_trail import GateTrail, PlanTrail
    from qtops.audits.permits import PermitAudit, SourceTally

app = command_group()
audit_streams.register(app)
audit_system.register(app)
audit_env.register(app)
audit_repos.register(app)
audit_policy.register(app)

SCHEMA = "qtops.audit.permits/v1"
_SHORT = {"governor": "governor", "p26_portfolio_gate": "p26", "p33_position_gate": "p33"}
_LABELS = {
    "governor": "governor",
    "p26_portfolio_gate": "portfolio p26",
    "p33_position_gate": "position p33",
}
_VERDICTS = {"operational": Mark.OK, "idle": Mark.OK, "degraded": Mark.FAIL}
_FATES = {
    "live": Mark.OK,
    "used": Mark.OK,
    "expired": Mark.WARN,
    "gone": Mark.WARN,
    "unknown": Mark.UNKNOWN,
    "unreadable": Mark.FAIL,
    "refused": Mark.FAIL,
    "silent": Mark.FAIL,
}


@app.command("permits", cls=ReadsRedis)
def permits(
    *,
    sample: Annotated[int, typer.Option(min=0, max=10_000, help="Permits to show by source.")] = 3,
    window: Annotated[str, typer.Option(help="How far back decisions and plans count.")] = "15m",
    plan_id: Annotated[
        str | None,
        typer.Option("--plan-id", "--plan_id", help="What became of this plan's permits."),
    ] = None,
) -> None:
    """Whether the three permit sources are alive: permits, decisions, heartbeats.

    With --plan-id: which gate issued, refused or never answered, and whether the permit was used.

    Example: qtops audit permits --sample 5

    Exit codes: 0 all present, or idle with every gate alive; 2 one or more missing; 1 error.
    """
    import asyncio

    env = current()
    window_ms = parse_span(window, "--window")
    started = env.host.clock.monotonic_ms()
    found, trail = asyncio.run(_read(env, window_ms, sample, plan_id))
    took_ms = int(env.host.clock.monotonic_ms() - started)
    is_fine = trail.is_complete if trail else found.status != "degraded"
    exit_code = ExitCode.OK if is_fine else ExitCode.UNHEALTHY

    def text(out: Printer) -> None:
        context = f"{env.settings().entry('QTOPS_REDIS_URL').shown}  {span(took_ms)}"
        if trail:
            _print_trail(out, trail, found, context)
        else:
            _print_audit(out, found, window, context)

    emit(env, CommandResult(SCHEMA, found.status, exit_code, _payload(found, trail), text))


async def _read(
    env: AppContext, window_ms: int, sample: int, plan_id: str | None
) -> "tuple[PermitAudit, PlanTrail | None]":
    from qtops.audits.permit_trail import trail_of
    from qtops.audits.permits import Budget, audit_permits
    from qtops.wiring.operator import permit_source

    async with permit_source(env.settings()) as source:
        clock = env.host.clock
        found = await audit_permits(source, Budget(clock), window_ms=window_ms, sample=sample)
        trail = await trail_of(source, Budget(clock), plan_id) if plan_id is not None else None
    return found, trail


def _payload(found: "PermitAudit", trail: "PlanTrail | None") -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    sources = found.sources.values()
    payload = {
        "timestamp": fmt_instant(found.now_ms),
        "infrastructure_status": found.status,
        "permits": {s.gate.value: _source_payload(s, found.now_ms) for s in sources},
        "sample_keys": {_SHORT[s.gate.value]: s.samples for s in sources},
        "total": found.total,
        "unclassified": len(found.unclassified),
        "plans_in_window": found.plans,
        "undecodable_decisions": found.undecodable_decisions,
        "window_s": found.window_ms // 1000,
        "partial": bool(found.partial),
        "partial_figures": found.partial,
    }
    return payload | ({"plan": _trail_payload(trail)} if trail else {})


def _source_payload(tally: "SourceTally", now_ms: int) -> dict[str, Any]:
    oldest, newest = tally.oldest_ms, tally.newest_ms
    return {
        "count": tally.count,
        "pattern": tally.pattern,
        "status": "active" if tally.is_active else "missing",
        "allow": tally.allow,
        "deny": tally.deny,
        "unreadable": len(tally.unreadable),
        "no_expiry": len(tally.no_expiry),
        "decisions_in_window": tally.decisions,
        "heartbeat": "alive" if tally.is_alive else "missing",
        "oldest_age_ms": None if oldest is None else max(0, now_ms - oldest),
        "newest_age_ms": None if newest is None else max(0, now_ms - newest),
    }


def _print_audit(out: Printer, found: "PermitAudit", window: str, context: str) -> None:
    sources = list(found.sources.values())
    active = sum(s.is_active for s in sources)
    detail = f"{active} of {len(sources)} permit sources active"
    if found.status == "idle":
        detail = f"no plan in {window}, all {len(sources)} gates alive"
    out.verdict(_VERDICTS[found.status], found.status, detail, context)
    numbers = [Column(t, "right") for t in ("live", "allow", "deny", window, "oldest", "newest")]
    out.table([Column("source"), *numbers, Column("gate")], [_row(s, found) for s in sources])
    _print_samples(out, found)
    _print_findings(out, found)


def _row(tally: "SourceTally", found: "PermitAudit") -> list[Cell]:
    least = "≥" if "permits" in found.partial else ""
    least_decided = "≥" if "decisions_in_window" in found.partial else ""
    ages = [
        None if t is None else span(found.now_ms - t) for t in (tally.oldest_ms, tally.newest_ms)
    ]
    alive = Tinted("alive", Mark.OK) if tally.is_alive else Tinted("no heartbeat", Mark.WARN)
    counts = [f"{least}{n}" for n in (tally.count, tally.allow, tally.deny)]
    return [_LABELS[tally.gate.value], *counts, f"{least_decided}{tally.decisions}", *ages, alive]


def _print_samples(out: Printer, found: "PermitAudit") -> None:
    from qtops.contracts.permit import permit_text

    for tally in found.sources.values():
        for key in tally.samples:
            life = "no expiry" if key.ttl_s < 0 else f"{key.ttl_s} s left"
            out.detail(f"{key.key}  {life}  {permit_text(key.value)}")


def _print_findings(out: Printer, found: "PermitAudit") -> None:
    for tally in found.sources.values():
        _print_source_findings(out, tally, found)
    if found.unclassified:
        keys = counted(len(found.unclassified), "key")
        example = found.unclassified[0]
        out.finding(Mark.WARN, f"{keys} under the permit prefix that no gate writes: {example}")
    if found.undecodable_decisions:
        decisions = counted(found.undecodable_decisions, "decision")
        out.finding(Mark.WARN, f"{decisions} could not be decoded")
    if found.partial:
        figures = ", ".join(found.partial)
        out.finding(Mark.UNKNOWN, f"partial, the time was up: {figures} are lower bounds")


def _print_source_findings(out: Printer, tally: "SourceTally", found: "PermitAudit") -> None:
    label, service = _LABELS[tally.gate.value], _service(tally)
    if not tally.is_active and found.status == "degraded":
        plans = counted(found.plans, "plan") if found.plans else "no plan"
        text = f"{label}: no permit, no decision, {plans} in the window"
        out.finding(Mark.FAIL, text, _next(tally, found))
    elif not tally.is_alive:
        out.finding(Mark.WARN, f"{label}: no heartbeat", f"qtops run {service}")
    if tally.beat_ms is not None and not tally.is_alive:
        out.finding(Mark.WARN, f"{label}: its heartbeat never expires and proves nothing")
    for keys, what in ((tally.no_expiry, "without expiry"), (tally.unreadable, "unreadable")):
        if keys:
            text = f"{counted(len(keys), 'permit')} {what}: {keys[0]}"
            out.finding(Mark.WARN, text, _trail_command(_plan_of(keys[0], tally)))


def _next(tally: "SourceTally", found: "PermitAudit") -> str:
    """A dead gate is started; a gate that lives and says nothing is looked at by plan."""
    if tally.is_alive and found.newest_plan:
        return _trail_command(found.newest_plan)
    return f"qtops run {_service(tally)}"


def _service(tally: "SourceTally") -> str:
    from qtops.contracts.registry import GATE_SERVICES

    return GATE_SERVICES[tally.gate].value


def _plan_of(key: str, tally: "SourceTally") -> str:
    """The plan a permit's key is for; the governor's old prefix is none of its id."""
    return key.removeprefix(tally.pattern.removesuffix("*")).removeprefix("p32:")


def _trail_command(plan_id: str) -> str:
    return f"qtops audit permits --plan-id {shlex.quote(plan_id)}"


def _trail_payload(trail: "PlanTrail") -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    claim = trail.claim
    gates = {
        gate.gate.value: {
            "fate": gate.fate,
            "reason": gate.reason,
            "detail": gate.detail,
            "quantity": gate.quantity,
            "decided_at": fmt_instant(gate.decided_at_ms) if gate.decided_at_ms else None,
            "decisions": gate.decisions,
            "permits": gate.keys,
            "remarks": gate.remarks,
        }
        for gate in trail.gates
    }
    kept = ("state", "client_order_id", "attempt", "owner", "send_deadline_ms", "quantity")
    return {
        "plan_id": trail.plan_id,
        "complete": trail.is_complete,
        "gates": gates,
        "claim": {name: getattr(claim, name) for name in kept} if claim else None,
        "claim_unreadable": trail.claim_unreadable,
        "partial": trail.partial,
    }


def _print_trail(out: Printer, trail: "PlanTrail", found: "PermitAudit", context: str) -> None:
    issued = sum(_FATES[gate.fate] in {Mark.OK, Mark.WARN, Mark.UNKNOWN} for gate in trail.gates)
    mark, words = (Mark.OK, "issued") if trail.is_complete else (Mark.FAIL, "not issued")
    out.verdict(mark, words, f"{issued} of {len(trail.gates)} gates permit this plan", context)
    columns = [Column("gate"), Column("permit"), Column("decided", "right")]
    columns += [Column("quantity", "right"), Column("reason")]
    out.table(columns, [_trail_row(gate, found.now_ms) for gate in trail.gates])
    for gate in trail.gates:
        for remark in gate.remarks:
            out.finding(Mark.WARN, f"{_LABELS[gate.gate.value]}: {remark}")
    _print_claim(out, trail)
    if trail.partial:
        out.finding(Mark.UNKNOWN, "partial, the time was up: older decisions were not read")
    out.line(f"permit sources: {found.status}")


def _print_claim(out: Printer, trail: "PlanTrail") -> None:
    claim = trail.claim
    if claim is None and trail.claim_unreadable:
        out.finding(Mark.WARN, "the executor's claim on this plan cannot be read")
    elif claim is None:
        out.line("the executor holds no claim on this plan")
    elif claim.client_order_id == "none":
        out.line(f"claim {claim.state.value} without an order, by {claim.owner}")
    else:
        out.line(f"claim {claim.state.value}, order {claim.client_order_id}, by {claim.owner}")


def _trail_row(gate: "GateTrail", now_ms: int) -> list[Cell]:
    fate = gate.fate.value
    life = next((f", {key.ttl_s} s left" for key in gate.keys if key.ttl_s >= 0), "")
    decided = f"{span(now_ms - gate.decided_at_ms)} ago" if gate.decided_at_ms else None
    reason = f"{gate.reason} {gate.detail}".strip()
    answer = Tinted(fate + (life if fate == "live" else ""), _FATES[fate])
    return [_LABELS[gate.gate.value], answer, decided, gate.quantity or None, reason or None]
