"""What is wrong with a stream or a group, how bad it is, and what to do about it. Pure."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from qtops.audits.stream_loss import Loss, is_losing
from qtops.audits.stream_rates import Flow, Trend
from qtops.contracts.check import Severity
from qtops.contracts.registry import Service, StreamSpec
from qtops.contracts.stream_reading import ConsumerReading, GroupReading, StreamReading

DEAD_AFTER_MS: Final = 300_000  # every service of ours asks again within seconds
_NEAR_RETENTION_PCT: Final = 80
_FIRST_TIME_MS: Final = 1_000_000_000_000  # 2001; below it an id was counted, not clocked


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or remark. `what` has the figures, `meaning` says what follows from them."""

    severity: Severity
    code: str
    stream: str
    group: str
    what: str
    meaning: str
    next_command: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """One group, judged. `service` reads through it if the registry declares it.

    `remedy` is the command that starts its reader, or shows who reads.
    """

    stream: StreamReading
    group: GroupReading
    spec: StreamSpec | None
    service: Service | None
    remedy: str
    loss: Loss
    flow: Flow | None = None
    lost_since: int = 0

    @property
    def lost(self) -> int:
        """At least so many entries lost unread."""
        return max(self.loss.least, self.lost_since)

    @property
    def dead(self) -> Sequence[ConsumerReading]:
        """Consumers that hold entries and have not asked for any for long."""
        return [c for c in self.group.consumers if c.pending and c.idle_ms > DEAD_AFTER_MS]

    @property
    def is_attended(self) -> bool:
        return any(consumer.idle_ms <= DEAD_AFTER_MS for consumer in self.group.consumers)

    def oldest_age_ms(self, now_ms: int) -> int | None:
        """Age of the oldest pending entry by its id; None for an id that is no time."""
        oldest = self.group.oldest
        is_time = oldest is not None and oldest.entry_id.ms >= _FIRST_TIME_MS
        return max(0, now_ms - oldest.entry_id.ms) if oldest and is_time else None

    @property
    def retention(self) -> int | None:
        """How many entries the stream keeps; None when nothing shows that it is cut."""
        if self.spec is not None:
            return self.spec.maxlen
        stream = self.stream
        is_trimmed = (stream.entries_added or 0) > stream.length
        # Where entries are deleted one by one, a short stream is a drained one.
        return stream.length if is_trimmed and not stream.has_deletions else None

    @property
    def unread_at_most(self) -> int:
        group, length = self.group, self.stream.length
        if not group.unread.is_least:
            return group.unread.number
        return length if group.lag is None else min(length, group.lag)


def group_findings(state: GroupState) -> Iterator[Finding]:
    """Everything that is to be said about one group, by rule."""
    yield from _position(state)
    yield from _lost(state)
    yield from _pending(state)
    yield from _readers(state)
    yield from _retention(state)
    yield from _unknowns(state)


def _finding(
    state: GroupState, severity: Severity, code: str, what: str, meaning: str, command: str = ""
) -> Finding:
    names = (state.stream.name, state.group.name)
    return Finding(severity, code, *names, what, meaning, command or state.remedy)


def _position(state: GroupState) -> Iterator[Finding]:
    group, stream = state.group, state.stream
    if group.last_delivered > stream.last_id:
        yield _finding(
            state,
            Severity.P0,
            "position_ahead",
            f"its position {group.last_delivered} is ahead of the stream's last id "
            f"{stream.last_id}",
            "it never reads again: every id it was waiting past is older than its position "
            "(the stream was made anew). Position 0 hands it all that is held",
            redis_cli("XGROUP", "SETID", stream.name, group.name, "0"),
        )


def _lost(state: GroupState) -> Iterator[Finding]:
    stream, group, loss = state.stream, state.group, state.loss
    if state.lost == 0:
        return
    at_least = "at least " if loss.unknown else ""
    what = f"{at_least}{state.lost:,} entries lost unread"
    if group.lag is not None:
        what += f" (lag {group.lag:,}, held {stream.length:,})"
    if state.lost_since:
        what += f", {state.lost_since:,} of them while we looked"
    deleted = " Some may have been deleted on purpose (XDEL)." if stream.has_deletions else ""
    if state.lost_since or is_losing(stream, group):
        meaning = "trimmed before delivery, and the next trim cuts unread entries again."
        yield _finding(state, Severity.P0, "losing_unread", what, meaning + deleted)
    else:
        meaning = "trimmed before delivery: nobody of this group ever saw them, nor will."
        again = "qtops audit streams --interval 60"
        yield _finding(state, Severity.P1, "lost_unread", what, meaning + deleted, again)


def _pending(state: GroupState) -> Iterator[Finding]:
    group = state.group
    if group.ghosts.number:
        least = "at least " if group.ghosts.is_least else ""
        yield _finding(
            state,
            Severity.P1,
            "ghost_pending",
            f"{least}{group.ghosts.number:,} of {group.pending:,} pending entries no longer exist",
            "delivered, never acknowledged, and since cut from the stream: what they asked for "
            "cannot be done any more. A reader that claims them drops them from the list",
            _look_at_pending(state),
        )
    if state.dead:
        yield _dead(state)
    elif group.oldest and group.oldest.idle_ms > DEAD_AFTER_MS:
        oldest = group.oldest
        yield _finding(
            state,
            Severity.P2,
            "stuck_pending",
            f"entry {oldest.entry_id} was delivered {oldest.deliveries:,}x, last "
            f"{oldest.idle_ms // 1000:,} s ago, and never acknowledged",
            f"its consumer {oldest.consumer} lives and has forgotten it",
            _look_at_pending(state),
        )


def _dead(state: GroupState) -> Finding:
    dead = state.dead
    held = sum(consumer.pending for consumer in dead)
    quietest_s = max(consumer.idle_ms for consumer in dead) // 1000
    what = f"dead consumers: {len(dead):,}, holding {held:,}, silent for up to {quietest_s:,} s"
    if state.is_attended:
        meaning = "delivered to readers that are gone; a live one has to claim them"
        return _finding(state, Severity.P2, "dead_consumers", what, meaning)
    meaning = "delivered to readers that are gone, and no live one is there to claim them"
    return _finding(state, Severity.P1, "orphaned_pending", what, meaning)


def _readers(state: GroupState) -> Iterator[Finding]:
    group, flow = state.group, state.flow
    if group.unread.number and not state.is_attended:
        severity = Severity.P1 if state.service else Severity.P2
        meaning = "nobody has asked for entries of this group for 5 min: the backlog waits"
        yield _finding(state, severity, "nobody_reads", f"{_unread(state)} unread", meaning)
    if flow is not None and flow.trend is Trend.GROWING:
        yield _finding(
            state,
            Severity.P2,
            "backlog_grows",
            f"{flow.in_per_s:,.1f} entries/s come, {flow.out_per_s:,.1f} are read; "
            f"{_unread(state)} unread",
            _time_to_loss(state, flow),
        )
    if state.spec is not None and state.service is None:
        yield _finding(
            state,
            Severity.P2,
            "undeclared_group",
            "no declared service reads through this group",
            "someone reads this stream that the registry does not know, or did once",
            redis_cli("XINFO", "CONSUMERS", state.stream.name, group.name),
        )


def _time_to_loss(state: GroupState, flow: Flow) -> str:
    room = (state.retention or 0) - state.unread_at_most
    if state.retention is None or room <= 0:
        return "at these rates it never drains"
    left_s = room / (flow.in_per_s - flow.out_per_s)
    return f"at these rates it never drains, and loses unread entries in {left_s:,.0f} s"


def _retention(state: GroupState) -> Iterator[Finding]:
    keeps, most = state.retention, state.unread_at_most
    if state.loss.least and is_losing(state.stream, state.group):
        return  # said already, and worse
    if keeps and most and most * 100 >= keeps * _NEAR_RETENTION_PCT:
        up_to = "up to " if state.group.unread.is_least else ""
        yield _finding(
            state,
            Severity.P1,
            "near_retention",
            f"{up_to}{most:,} unread of about {keeps:,} entries that the stream keeps",
            "its retention ends at this group's position: what comes next cuts unread entries",
        )


def _unknowns(state: GroupState) -> Iterator[Finding]:
    group = state.group
    reasons = []
    if group.lag is None:
        reasons.append("the server does not know its lag")
    if state.loss.unknown and not group.unread.is_least:
        reasons.append(state.loss.unknown)
    if reasons:
        yield _finding(
            state,
            Severity.P3,
            "loss_unknown",
            f"UNKNOWN what it lost: {'; '.join(reasons)}",
            "not zero. Two looks tell what is lost between them",
            "qtops audit streams --interval 60",
        )


def _unread(state: GroupState) -> str:
    unread = state.group.unread
    return f"{'at least ' if unread.is_least else ''}{unread.number:,}"


def _look_at_pending(state: GroupState) -> str:
    return redis_cli("XPENDING", state.stream.name, state.group.name, "-", "+", "10")


def redis_cli(*words: str) -> str:
    """A command of the server, to paste."""
    return shlex.join(("redis-cli", *words))
