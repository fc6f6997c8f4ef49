"""`qtops audit streams`: what is read, what waits, what is lost. `qtops.cli.audit` adds it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Cell, Column, Mark, Printer, Tinted, counted
from qtops.cli.remote import ReadsRedis
from qtops.cli.spans import parse_span, span
from qtops.errors import ExitCode

if TYPE_CHECKING:
    from qtops.audits.stream_findings import Finding, GroupState
    from qtops.audits.streams import StreamAudit, StreamSource, StreamState
    from qtops.contracts.registry import Names
    from qtops.contracts.stream_reading import Count

SCHEMA = "qtops.audit.streams/v1"
_MARKS = {"P0": Mark.FAIL, "P1": Mark.FAIL, "P2": Mark.WARN, "P3": Mark.DIM}
_STEP_S = 0.5


def register(app: typer.Typer) -> None:
    """Make it a command of `app`."""
    app.command("streams", cls=ReadsRedis)(streams)


def streams(
    *,
    interval: Annotated[
        str | None,
        typer.Option(help="Look twice, so far apart (10, 30s, 2m): rates and time to drain."),
    ] = None,
) -> None:
    """Whether every consumer group gets what is written: backlog, pending, lost unread.

    Example: qtops audit streams --interval 10

    Exit codes: 0 no fault; 2 a fault was found (P0 to P2); 1 error.
    """
    import asyncio

    env = current()
    interval_ms = None if interval is None else parse_span(interval, "--interval")
    started = env.host.clock.monotonic_ms()
    found, names = asyncio.run(_read(env, interval_ms))
    took_ms = int(env.host.clock.monotonic_ms() - started)
    status = "degraded" if found.faults else "ok"
    exit_code = ExitCode.UNHEALTHY if found.faults else ExitCode.OK

    def text(out: Printer) -> None:
        context = f"{env.settings().entry('QTOPS_REDIS_URL').shown}  {span(took_ms)}"
        out.verdict(Mark.FAIL if found.faults else Mark.OK, status, _summary(found), context)
        _print_table(out, found, names)
        for finding in found.findings:
            _print_finding(out, finding, names)
        _print_absent(out, found, names)

    emit(env, CommandResult(SCHEMA, status, exit_code, _payload(found), text))


async def _read(env: AppContext, interval_ms: int | None) -> "tuple[StreamAudit, Names]":
    from qtops.audits.permits import Budget
    from qtops.audits.streams import Registry, judge, read_streams
    from qtops.wiring.operator import stream_source
    from qtops.wiring.services import BUILDERS

    clock = env.host.clock
    async with stream_source(env.settings()) as source:
        registry = Registry(source.names, frozenset(BUILDERS))
        sample = await read_streams(source, Budget(clock))
        if interval_ms is None:
            return judge(sample, None, registry), source.names
        await _wait(env, interval_ms / 1000, source)
        later = await read_streams(source, Budget(clock))
        return judge(later, sample, registry), source.names


async def _wait(env: AppContext, wait_s: float, source: "StreamSource") -> None:
    """By the server's clock, which the rates are reckoned in."""
    import asyncio

    until_ms = await source.now_ms() + wait_s * 1000
    with env.progress("until the second look") as progress:
        while (left_s := (until_ms - await source.now_ms()) / 1000) > 0:
            await asyncio.sleep(min(left_s, _STEP_S))
            progress.step(int(wait_s - left_s), int(wait_s))


def _summary(found: "StreamAudit") -> str:
    size = f"{counted(len(found.streams), 'stream')}, {counted(len(found.groups), 'group')}"
    if not found.faults:
        return f"{size}, no fault"
    lost = f", at least {found.lost:,} entries lost unread" if found.lost else ""
    return f"{counted(len(found.faults), 'fault')} in {size}{lost}"


def _print_table(out: Printer, found: "StreamAudit", names: "Names") -> None:
    is_wide = found.elapsed_ms > 0
    columns = [Column("stream"), Column("group", shrink=True)]
    columns += [Column("length", "right", spare=is_wide), Column("unread", "right")]
    columns += [Column("pending", "right"), Column("oldest", "right", spare=is_wide)]
    columns += [Column("lost", "right")]
    if is_wide:
        columns += [Column(t, "right") for t in ("in/s", "out/s", "drained in")]
    out.table(columns, [row for state in found.streams for row in _rows(state, found, names)])


def _rows(state: "StreamState", found: "StreamAudit", names: "Names") -> list[list[Cell]]:
    stream = state.stream
    is_stream = stream.kind == "stream"
    length = f"{stream.length:,}" if is_stream else Tinted(stream.kind, Mark.FAIL)
    head: list[Cell] = [_stream_name(stream.name, names)]
    rest = 3 if found.elapsed_ms else 0
    if not state.groups:
        return [[*head, None, length, *[None] * (4 + rest)]]
    return [
        [*head, _group_name(group.group.name, names), length, *_figures(group, found)]
        + (_flow_cells(group) if rest else [])
        for group in state.groups
    ]


def _figures(state: "GroupState", found: "StreamAudit") -> list[Cell]:
    group, age_ms = state.group, state.oldest_age_ms(found.now_ms)
    shown: Cell = f"{state.lost:,}"
    if state.lost:
        shown = Tinted(f"{'≥' if state.loss.unknown else ''}{state.lost:,}", Mark.FAIL)
    elif state.loss.unknown:
        shown = Tinted("unknown", Mark.UNKNOWN)
    return [
        _least(group.unread),
        f"{group.pending:,}",
        None if age_ms is None else span(age_ms),
        shown,
    ]


def _flow_cells(state: "GroupState") -> list[Cell]:
    flow = state.flow
    if flow is None:
        return [None, None, Tinted("unknown", Mark.UNKNOWN)]
    words: dict[str, Cell] = {
        "drained": "drained",
        "standing": Tinted("never: stands", Mark.WARN),
        "growing": Tinted("never: grows", Mark.FAIL),
    }
    when = words.get(flow.trend) or span(int((flow.drain_s or 0) * 1000))
    return [f"{flow.in_per_s:,.1f}", f"{flow.out_per_s:,.1f}", when]


def _least(count: "Count") -> str:
    return f"{'≥' if count.is_least else ''}{count.number:,}"


def _print_finding(out: Printer, finding: "Finding", names: "Names") -> None:
    parts = (_stream_name(finding.stream, names), _group_name(finding.group, names))
    where = " ← ".join(part for part in parts if part)
    mark = Mark.UNKNOWN if finding.code == "loss_unknown" else _MARKS[finding.severity]
    subject = f"{where}: " if where else ""
    out.finding(mark, f"{finding.severity} {subject}{finding.what}")
    out.line(f"  {finding.meaning}")
    out.hint(finding.next_command)


def _print_absent(out: Printer, found: "StreamAudit", names: "Names") -> None:
    """What is declared and not there, and what was not looked at."""
    absent = [_stream_name(name, names) for name in found.absent]
    absent += [
        f"{_group_name(group, names)} on {_stream_name(state.stream.name, names)}"
        for state in found.streams
        if not state.stream.length
        for group in state.waiting
    ]
    if absent:
        out.line(f"not there yet: {', '.join(absent)}", Mark.DIM)
    if found.partial:
        out.finding(Mark.UNKNOWN, f"partial, lower bounds or not read: {', '.join(found.partial)}")


def _stream_name(name: str, names: "Names") -> str:
    return name.removeprefix(names.stream_prefix())


def _group_name(name: str, names: "Names") -> str:
    return name.removeprefix(f"{names.namespace}:group:")


def _payload(found: "StreamAudit") -> dict[str, Any]:
    from qtops.contracts.codec import fmt_instant

    return {
        "timestamp": fmt_instant(found.now_ms),
        "interval_ms": found.elapsed_ms or None,
        "lost_unread_at_least": found.lost,
        "streams": [_stream_payload(state, found.now_ms) for state in found.streams],
        "absent": found.absent,
        "findings": found.findings,
        "partial": bool(found.partial),
        "partial_figures": found.partial,
    }


def _stream_payload(state: "StreamState", now_ms: int) -> dict[str, Any]:
    stream = state.stream
    return {
        "name": stream.name,
        "type": stream.kind,
        "declared": state.spec is not None,
        "length": stream.length,
        "entries_added": stream.entries_added,
        "first_id": str(stream.first_id) if stream.first_id else None,
        "last_id": str(stream.last_id),
        "groups": [_group_payload(group, now_ms) for group in state.groups],
        "groups_waiting": state.waiting,
    }


def _group_payload(state: "GroupState", now_ms: int) -> dict[str, Any]:
    group, oldest = state.group, state.group.oldest
    return {
        "name": group.name,
        "service": state.service,
        "last_delivered_id": str(group.last_delivered),
        "entries_read": group.entries_read,
        "lag": group.lag,
        "unread": group.unread.number,
        "unread_is_lower_bound": group.unread.is_least,
        "lost_unread_at_least": state.lost,
        "lost_unread_exact": not state.loss.unknown,
        "lost_unknown_because": state.loss.unknown or None,
        "lost_in_interval": state.lost_since,
        "pending": group.pending,
        "oldest_pending_age_ms": state.oldest_age_ms(now_ms),
        "oldest_pending_idle_ms": oldest.idle_ms if oldest else None,
        "ghost_pending": group.ghosts.number,
        "ghost_pending_is_lower_bound": group.ghosts.is_least,
        "consumers": group.consumers,
        "dead_consumers": [consumer.name for consumer in state.dead],
        "retention": state.retention,
        "flow": state.flow,
    }
