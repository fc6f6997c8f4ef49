"""Every stream and consumer group: what is read, what waits, what is lost, against the registry.

A stream or group that is declared and not there yet is no fault while nothing was written; a
declared group that is missing on a stream with entries is one.
"""

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from qtops.audits.permits import Budget, shown
from qtops.audits.stream_findings import (
    Finding,
    GroupState,
    group_findings,
    redis_cli,
)
from qtops.audits.stream_loss import Loss, loss_of, lost_between
from qtops.audits.stream_rates import flow_of
from qtops.contracts.check import Severity
from qtops.contracts.registry import Names, Service, Stream, StreamSpec
from qtops.contracts.stream_reading import START, GroupReading, StreamReading, StreamSample

NO_STREAM: Final = ""  # a finding about several
NO_GROUP: Final = ""


class StreamSource(Protocol):
    """What this audit reads. It never changes a group's position."""

    @property
    def names(self) -> Names: ...

    async def now_ms(self) -> int:
        """The server's clock."""
        ...

    def stream_keys(self) -> AsyncGenerator[Sequence[bytes], None]:
        """Every stream under the namespace, in pages."""
        ...

    async def read(self, key: bytes) -> StreamReading | None:
        """The stream and its groups; None when there is no such key."""
        ...


@dataclass(frozen=True, slots=True)
class Registry:
    """What is declared under one namespace, and which services `qtops run` can start."""

    names: Names
    runnable: Collection[Service]

    @property
    def specs(self) -> Mapping[str, StreamSpec]:
        return {self.names.stream(stream): stream.value for stream in Stream}

    def groups(self, spec: StreamSpec | None) -> Mapping[str, Service]:
        """The declared groups of a stream and who reads through them."""
        declared = spec.groups if spec else ()
        return {g.name.format(namespace=self.names.namespace): g.service for g in declared}

    def remedy(self, service: Service | None, otherwise: str) -> str:
        """The command that starts the reader, if that is ours to do."""
        return f"qtops run {service}" if service in self.runnable else otherwise


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream that is there, and its groups. `waiting` are declared groups not made yet."""

    stream: StreamReading
    spec: StreamSpec | None
    groups: tuple[GroupState, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamAudit:
    """The audit. `absent` are declared streams nobody has written or read yet."""

    now_ms: int
    elapsed_ms: int
    streams: tuple[StreamState, ...]
    absent: tuple[str, ...]
    findings: tuple[Finding, ...]
    partial: tuple[str, ...]

    @property
    def groups(self) -> Sequence[GroupState]:
        return [group for state in self.streams for group in state.groups]

    @property
    def faults(self) -> Sequence[Finding]:
        return [finding for finding in self.findings if finding.severity.is_fault]

    @property
    def lost(self) -> int:
        """Entries that some group is proved to have lost; two groups may have lost the same."""
        return sum(max((group.lost for group in state.groups), default=0) for state in self.streams)


async def read_streams(source: StreamSource, budget: Budget) -> StreamSample:
    """The registry's streams first, then whatever else the namespace holds, while there is time."""
    now_ms = await source.now_ms()
    keys = {source.names.stream(stream).encode(): None for stream in Stream}
    async for page in budget.spend_on(source.stream_keys(), "streams"):
        keys |= dict.fromkeys(sorted(page))
    unread: list[str] = []
    found: list[StreamReading] = []
    for key in keys:
        if budget.is_spent:
            unread.append(f"stream {shown(key)}")
        elif (reading := await source.read(key)) is not None:
            found.append(reading)
    cut = (*unread, *sorted(budget.cut))
    return StreamSample(now_ms, tuple(found), (*cut, *_lower_bounds(found)))


def _lower_bounds(streams: Sequence[StreamReading]) -> Iterator[str]:
    for stream in streams:
        for group in stream.groups:
            if group.unread.is_least:
                yield f"unread of {group.name} in {stream.name}"
            if group.ghosts.is_least:
                yield f"ghosts of {group.name} in {stream.name}"


def judge(sample: StreamSample, earlier: StreamSample | None, registry: Registry) -> StreamAudit:
    """What one look, or two of them some seconds apart, prove."""
    specs = registry.specs
    before = {stream.name: stream for stream in earlier.streams} if earlier else {}
    elapsed_ms = sample.now_ms - earlier.now_ms if earlier else 0
    states = tuple(
        _state(stream, before.get(stream.name), specs.get(stream.name), registry, elapsed_ms)
        for stream in sample.streams
    )
    unseen = specs.keys() - {stream.name for stream in sample.streams}
    cut = {part.removeprefix("stream ") for part in sample.partial}
    findings = [finding for state in states for finding in _stream_findings(state, registry)]
    findings += _unproduced(states)
    return StreamAudit(
        sample.now_ms,
        elapsed_ms,
        states,
        absent=tuple(name for name in specs if name in unseen - cut),
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        partial=sample.partial,
    )


def _state(
    stream: StreamReading,
    then: StreamReading | None,
    spec: StreamSpec | None,
    registry: Registry,
    elapsed_ms: int,
) -> StreamState:
    declared = registry.groups(spec)
    before = {group.name: group for group in then.groups} if then else {}
    states = []
    for group in stream.groups:
        service = declared.get(group.name)
        remedy = registry.remedy(service, redis_cli("XINFO", "CONSUMERS", stream.name, group.name))
        state = GroupState(stream, group, spec, service, remedy, loss_of(stream, group))
        if then is not None and group.name in before:
            state = _compared(state, then, before[group.name], elapsed_ms)
        states.append(state)
    there = {group.name for group in stream.groups}
    waiting = tuple(name for name in declared if name not in there)
    return StreamState(stream, spec, tuple(states), waiting)


def _compared(
    state: GroupState, then: StreamReading, before: GroupReading, elapsed_ms: int
) -> GroupState:
    """With the earlier look: rates, what was lost since, and what the server has forgotten."""
    stream, group = state.stream, state.group
    known, known_then = state.loss, loss_of(then, before)
    return replace(
        state,
        loss=Loss(max(known.least, known_then.least), known.unknown),
        flow=flow_of(then, before, stream, group, elapsed_ms / 1000),
        lost_since=lost_between(then, before, stream, group),
    )


def _stream_findings(state: StreamState, registry: Registry) -> Iterator[Finding]:
    stream = state.stream
    if stream.kind != "stream":
        yield Finding(
            Severity.P1,
            "wrong_type",
            stream.name,
            NO_GROUP,
            f"the key is a {stream.kind}, not a stream",
            "every service that reads or writes it fails",
            redis_cli("TYPE", stream.name),
        )
        return
    for group in state.groups:
        yield from group_findings(group)
    if stream.length:
        declared = registry.groups(state.spec)
        for name in state.waiting:
            yield _missing(stream, name, declared[name], registry)
    if state.spec is None and stream.groups and stream.last_id == START:
        yield Finding(
            Severity.P2,
            "never_written",
            stream.name,
            NO_GROUP,
            f"read by {_listed([group.name for group in stream.groups])}, and nobody has ever "
            "written it",
            "no service declares this name: it may be mistyped at its reader or its writer",
            redis_cli("XINFO", "GROUPS", stream.name),
        )


def _missing(stream: StreamReading, group: str, service: Service, registry: Registry) -> Finding:
    return Finding(
        Severity.P2,
        "group_missing",
        stream.name,
        group,
        f"{stream.length:,} entries wait and the group does not exist",
        f"{service.value} has never run here, or the group was destroyed",
        registry.remedy(service, redis_cli("XINFO", "GROUPS", stream.name)),
    )


def _unproduced(states: Sequence[StreamState]) -> Iterator[Finding]:
    """Streams with entries that no declared service writes, in one remark."""
    streams = [s.stream for s in states if s.spec is None and s.stream.last_id != START]
    if streams:
        yield Finding(
            Severity.P3,
            "no_producer",
            NO_STREAM,
            NO_GROUP,
            f"no declared service writes {_listed([stream.name for stream in streams])}",
            "not in the registry: its writer, readers and retention are not known here",
            redis_cli("XINFO", "STREAM", streams[0].name),
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
