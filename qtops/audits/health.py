"""Is what lies in Redis healthy? One pure judge a component; `docs/health.md` has the limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from qtops.audits.health_silence import judge_silence
from qtops.contracts.codec import fmt_span
from qtops.contracts.control import parse_kill
from qtops.contracts.facts import Missing
from qtops.contracts.health import Check, Figure, Finding, Status, unseen
from qtops.contracts.registry import GATE_SERVICES, HEARTBEAT_TTL_S, Service, Stream
from qtops.contracts.universe import UniverseMeta
from qtops.contracts.vitals import Beat, GroupVitals, PermitFlow, RedisVitals, ServerVitals
from qtops.contracts.vocabulary import GateName, TradingState
from qtops.errors import DecodeError

BEATING: Final = (
    Service.SNAPSHOTS,
    Service.MARKET_STATE,
    Service.GOVERNOR,
    Service.PORTFOLIO_GATE,
    Service.POSITION_GATE,
    Service.EXECUTOR,
)
WINDOW_MS: Final = 900_000
_GOOD_SAVE: Final = frozenset({"ok", ""})


@dataclass(frozen=True, slots=True)
class Limits:
    """From which value on a figure is a warning, and from which a failure."""

    snapshot_fail_ms: int  # P33_STALE_THRESHOLD_SEC: the position gate refuses from there
    silence_ms: Mapping[Stream, int] = field(default_factory=dict)  # QTOPS_HEALTH_SILENCE
    universe_fail_ms: int = 300_000  # UNIVERSE_MAX_AGE: readers take their own lists from there
    latency_warn_ms: int = 50
    latency_fail_ms: int = 500
    memory_warn_ratio: Decimal = Decimal("0.8")
    memory_fail_ratio: Decimal = Decimal("0.95")
    beat_warn_ms: int = 10_000  # two beats missed
    lag_warn: int = 100
    lag_fail: int = 1000
    pending_warn_ms: int = 60_000  # the life of a permit and of a plan
    pending_fail_ms: int = 300_000
    answer_grace_ms: int = 10_000  # what a gate has to decide a plan
    skew_warn_ms: int = 1000
    skew_fail_ms: int = 2500  # half the fence of a signed request
    disk_warn_ratio: Decimal = Decimal("0.10")
    disk_fail_ratio: Decimal = Decimal("0.05")

    @property
    def snapshot_warn_ms(self) -> int:
        """Half way to being refused."""
        return self.snapshot_fail_ms // 2


def graded(value: int | Decimal, warn: int | Decimal, fail: int | Decimal) -> Status:
    """A limit belongs to what it begins."""
    if value >= fail:
        return Status.FAIL
    return Status.WARN if value >= warn else Status.OK


def found(status: Status, what: str, fix: str) -> tuple[Finding, ...]:
    """One finding, or none when all is well."""
    return () if status is Status.OK else (Finding(status, what, fix),)


def judge_redis(server: ServerVitals | Missing, limits: Limits) -> Check:
    """Slow, full, or unable to write to its disk."""
    if isinstance(server, Missing):
        return unseen("redis", server.why, "qtops audit permits")
    latency = graded(server.latency_ms, limits.latency_warn_ms, limits.latency_fail_ms)
    text = f"Redis answers in {server.latency_ms} ms"
    findings = found(latency, text, "redis-cli --latency")
    figures = [
        Figure(
            "redis_latency_ms", server.latency_ms, limits.latency_warn_ms, limits.latency_fail_ms
        )
    ]
    memory = _memory_ratio(server)
    if memory is not None:
        warn, fail = limits.memory_warn_ratio, limits.memory_fail_ratio
        full = f"Redis memory is {memory:.0%} full"
        findings += found(graded(memory, warn, fail), full, "redis-cli INFO memory")
        figures.append(Figure("redis_memory_ratio", memory, warn, fail))
    return Check("redis", text, findings + _persistence(server), tuple(figures))


def _memory_ratio(server: ServerVitals) -> Decimal | None:
    if server.memory_limit_bytes <= 0:
        return None
    return round(Decimal(server.memory_bytes) / server.memory_limit_bytes, 3)


def _persistence(server: ServerVitals) -> tuple[Finding, ...]:
    """A save or append that failed stops writes; a rewrite that failed only lets the file grow."""
    fix = "redis-cli INFO persistence"
    findings: tuple[Finding, ...] = ()
    for word, status, what in (
        (server.last_save, Status.FAIL, "Redis could not save to its disk"),
        (server.last_append, Status.FAIL, "Redis could not append to its disk"),
        (server.last_rewrite, Status.WARN, "Redis could not rewrite its append-only file"),
    ):
        if word not in _GOOD_SAVE:
            findings += (Finding(status, f"{what} ({word})", fix),)
    return findings


def judge_heartbeats(beats: tuple[Beat, ...] | Missing, limits: Limits) -> Check:
    """A beat that never expires proves nothing, so it counts as none."""
    if isinstance(beats, Missing):
        return unseen("heartbeats", beats.why)
    findings: tuple[Finding, ...] = ()
    figures = []
    for beat in beats:
        name, fix = beat.service.value, f"qtops run {beat.service.value}"
        age_ms = None
        if beat.ttl_ms is None:
            findings += (Finding(Status.FAIL, f"{name} has no heartbeat", fix),)
        elif beat.ttl_ms < 0:
            text = f"{name}: its heartbeat never expires and proves nothing"
            findings += (Finding(Status.FAIL, text, fix),)
        else:
            age_ms = max(0, HEARTBEAT_TTL_S * 1000 - beat.ttl_ms)
            status = Status.WARN if age_ms >= limits.beat_warn_ms else Status.OK
            findings += found(status, f"{name} beat last {fmt_span(age_ms)} ago", fix)
        labels = {"service": name}
        figures.append(
            Figure("beat_age_ms", age_ms, limits.beat_warn_ms, HEARTBEAT_TTL_S * 1000, labels)
        )
    alive = sum(figure.value is not None for figure in figures)
    summary = f"{alive} of {len(beats)} services beat"
    return Check("heartbeats", summary, findings, tuple(figures))


def judge_streams(groups: tuple[GroupVitals, ...] | Missing, limits: Limits) -> Check:
    """Lag is what a group was never given; pending is what it was given and has not settled."""
    if isinstance(groups, Missing):
        return unseen("streams", groups.why)
    findings: tuple[Finding, ...] = ()
    figures: list[Figure] = []
    for group in groups:
        findings += _group_findings(group, limits)
        figures += _group_figures(group, limits) if group.exists else []
    waiting = max((group.lag or 0 for group in groups), default=0)
    known = sum(group.exists for group in groups)
    summary = f"{known} groups, at most {waiting} entries unread"
    return Check("streams", summary, findings, tuple(figures))


def _group_findings(group: GroupVitals, limits: Limits) -> tuple[Finding, ...]:
    """An empty stream owes nobody a group."""
    name = f"{group.stream.value.name}, {group.service.value}"
    fix = f"qtops run {group.service.value}"
    if not group.exists:
        text = f"{name}: its group is missing, {group.length} entries wait"
        return found(Status.FAIL if group.length else Status.OK, text, fix)
    if group.lag is None:
        text = f"{name}: the server does not know how much is unread"
        findings = found(Status.UNKNOWN, text, f"redis-cli XINFO GROUPS {group.key}")
    else:
        status = graded(group.lag, limits.lag_warn, limits.lag_fail)
        findings = found(status, f"{name}: {group.lag} entries unread", fix)
    age_ms = group.oldest_pending_age_ms or 0
    status = graded(age_ms, limits.pending_warn_ms, limits.pending_fail_ms)
    text = f"{name}: {group.pending} pending, the oldest for {fmt_span(age_ms)}"
    return findings + found(status, text, f"redis-cli XPENDING {group.key} {group.group}")


def _group_figures(group: GroupVitals, limits: Limits) -> list[Figure]:
    labels = {"stream": group.stream.value.name, "service": group.service.value}
    age = group.oldest_pending_age_ms or 0
    warn, fail = limits.pending_warn_ms, limits.pending_fail_ms
    return [
        Figure("lag_entries", group.lag, limits.lag_warn, limits.lag_fail, labels),
        Figure("pending_entries", group.pending, labels=labels),
        Figure("oldest_pending_age_ms", age, warn, fail, labels),
    ]


_GATES: Final = {
    GateName.GOVERNOR: "governor",
    GateName.PORTFOLIO: "portfolio gate",
    GateName.POSITION: "position gate",
}


def judge_permits(flow: PermitFlow | Missing, now_ms: int, limits: Limits) -> Check:
    """A plan older than the grace is owed a decision by every gate.

    A gate that decided nothing since the oldest undecided plan is silent, however it beats.
    """
    if isinstance(flow, Missing):
        return unseen("permits", flow.why, "qtops audit permits")
    owed = {p: at for p, at in flow.plans.items() if now_ms - at >= limits.answer_grace_ms}
    findings: tuple[Finding, ...] = ()
    figures = [Figure("plans_entries", len(flow.plans))]
    for gate in GATE_SERVICES:
        decided = flow.decisions.get(gate, {})
        waiting = [at for plan, at in owed.items() if plan not in decided]
        newest = max(decided.values(), default=0)
        findings += _silence(_GATES[gate], waiting, newest, now_ms)
        labels = {"gate": GATE_SERVICES[gate].value}
        figures.append(Figure("waiting_plans", len(waiting), labels=labels))
        figures.append(Figure("decisions_entries", len(decided), labels=labels))
    plans = f"{counted(len(flow.plans), 'plan')} in {fmt_span(now_ms - flow.since_ms)}"
    answer = "not every gate answers" if findings else "every gate answers"
    summary = f"{plans}, {answer}" if flow.plans else f"idle, {plans}"
    return Check("permits", summary, findings, tuple(figures))


def _silence(gate: str, waiting: list[int], newest_ms: int, now_ms: int) -> tuple[Finding, ...]:
    if not waiting:
        return ()
    oldest, plans = min(waiting), counted(len(waiting), "plan")
    fix = "qtops audit permits"
    if newest_ms < oldest:
        text = f"{gate} silent for {fmt_span(now_ms - oldest)}, {plans} waiting"
        return (Finding(Status.FAIL, text, fix),)
    text = f"{gate} left {plans} undecided, the oldest for {fmt_span(now_ms - oldest)}"
    return (Finding(Status.WARN, text, fix),)


def counted(number: int, noun: str) -> str:
    """`1 plan`, `2 plans`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def judge_kill(raw: str | Missing | None) -> Check:
    """An operator's stop is a warning; a switch that is absent or unreadable is a failure."""
    fix = "qtops kill status"
    if isinstance(raw, Missing):
        return unseen("kill", raw.why, fix)
    if raw is None:
        finding = Finding(Status.FAIL, "kill switch is not set, which is HALTED", fix)
        return Check("kill", "not set", (finding,))
    try:
        state = parse_kill(raw)
    except DecodeError as error:
        text = f"{error.message}, which is HALTED"
        return Check("kill", "unreadable", (Finding(Status.FAIL, text, fix),))
    status = Status.OK if state is TradingState.ACTIVE else Status.WARN
    return Check("kill", state.value, found(status, f"kill switch is {state.value}", fix))


def judge_snapshots(at_ms: int | Missing, now_ms: int, limits: Limits) -> Check:
    """How old the positions are that the gates decide by."""
    fix = f"qtops run {Service.SNAPSHOTS.value}"
    warn, fail = limits.snapshot_warn_ms, limits.snapshot_fail_ms
    if isinstance(at_ms, Missing):
        if at_ms.why != "absent":
            return unseen("snapshots", at_ms.why, fix)
        figures = (Figure("snapshot_age_ms", None, warn, fail),)
        return Check(
            "snapshots", "absent", (Finding(Status.FAIL, "no position snapshot", fix),), figures
        )
    age_ms = max(0, now_ms - at_ms)
    text = f"positions are {fmt_span(age_ms)} old (limit {fmt_span(fail)})"
    figures = (Figure("snapshot_age_ms", age_ms, warn, fail),)
    return Check("snapshots", text, found(graded(age_ms, warn, fail), text, fix), figures)


def judge_universe(meta: UniverseMeta | Missing, now_ms: int, limits: Limits) -> Check:
    """How old the list of tradable symbols is. Where no universe was ever written, none is owed."""
    fix, fail = "qtops proof universe", limits.universe_fail_ms
    if isinstance(meta, Missing):
        is_unused = meta.why == "absent"
        why = "no universe service; allowlists are settings" if is_unused else meta.why
        return unseen("universe", why, fix, is_expected=is_unused)
    if meta.observed_at_ms is None:
        finding = Finding(Status.FAIL, f"no universe was ever read ({meta.reason})", fix)
        return Check("universe", "no list", (finding,), (Figure("universe_age_ms", None),))
    age_ms = max(0, now_ms - meta.observed_at_ms)
    text = f"{counted(meta.count, 'symbol')}, {fmt_span(age_ms)} old (limit {fmt_span(fail)})"
    status = graded(age_ms, fail // 2, fail)
    if status is Status.OK and meta.stale:
        status = Status.WARN
    figures = (
        Figure("universe_age_ms", age_ms, fail // 2, fail),
        Figure("universe_symbols", meta.count),
    )
    said = f"universe: {text}" + (f", {meta.reason}" if meta.stale else "")
    return Check("universe", text, found(status, said, fix), figures)


def judge_vitals(vitals: RedisVitals, limits: Limits) -> list[Check]:
    """Every check that rests on Redis alone."""
    now_ms = vitals.now_ms
    return [
        judge_redis(vitals.server, limits),
        judge_permits(vitals.flow, now_ms, limits),
        judge_heartbeats(vitals.beats, limits),
        judge_snapshots(vitals.snapshot_at_ms, now_ms, limits),
        judge_universe(vitals.universe, now_ms, limits),
        judge_kill(vitals.kill),
        judge_streams(vitals.groups, limits),
        judge_silence(vitals.newest, now_ms, limits.silence_ms),
    ]
