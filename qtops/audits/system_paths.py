"""The paths A to D, hop by hop, and where each breaks first. Pure.

A hop is broken by a unit that is down, by a group that loses or strands what it reads, by a service
that says it fails open, and by input that comes while nothing goes out. Silence without input is
idle, not broken. A hop of which there is no sign is passed over and said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from qtops.audits.log_causes import cause_of, fails_open
from qtops.audits.system_units import is_down
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.codec import fmt_span
from qtops.contracts.facts import Missing
from qtops.contracts.path_report import HopReport, HopState, PathReport
from qtops.contracts.registry.paths import ROUTES, Hop
from qtops.contracts.system_reading import UnitReading

Judged = tuple[HopState, str] | tuple[HopState, str, str]  # with the command that leads on

WINDOW_MS: Final = 900_000
GRACE_MS: Final = 60_000
_SEVERITY: Final = {"A": Severity.P0, "B": Severity.P0, "C": Severity.P1, "D": Severity.P2}


@dataclass(frozen=True, slots=True)
class Signs:
    """What hops are judged by. Streams by short name.

    `newest`: stream → UTC ms of its newest entry; `faults`: (stream, group, what) of what is lost
    or stuck; `beating`: services with a live heartbeat.
    """

    now_ms: int
    units: Sequence[UnitReading] | Missing
    newest: Mapping[str, int]
    faults: Sequence[tuple[str, str, str]] = ()
    beating: frozenset[str] = field(default_factory=frozenset)


def trace_paths(signs: Signs) -> list[PathReport]:
    """Each route, judged."""
    return [
        PathReport(
            route.letter,
            route.title,
            route.to_exchange,
            tuple(_hop(hop, signs) for hop in route.hops),
        )
        for route in ROUTES
    ]


def _hop(hop: Hop, signs: Signs) -> HopReport:
    state, why, *fix = next(_judgements(hop, signs))
    reads, writes = (
        tuple(name for name in names if name in signs.newest) for names in (hop.reads, hop.writes)
    )
    return HopReport(hop.name, state, why, reads, writes, *fix)


def _judgements(hop: Hop, signs: Signs) -> Iterator[Judged]:
    """The first that holds counts."""
    units = _units(hop, signs)
    yield from _down(units)
    yield from _stuck(hop, signs)
    yield from _open(units)
    yield from _flow(hop, signs)
    active = [unit.state.name for unit in units if unit.state.active == "active"]
    beating = [name for name in hop.services if name in signs.beating]
    if beating:
        yield HopState.WORKING, f"{', '.join(beating)} beats"
    if active:
        yield HopState.UNKNOWN, f"{', '.join(active)} is active; nothing shows that it works"
    if units:
        yield HopState.IDLE, f"{units[0].state.name} is {units[0].state.active}"
    yield HopState.ABSENT, "no unit, heartbeat or stream of it is here"


def _units(hop: Hop, signs: Signs) -> Sequence[UnitReading]:
    if isinstance(signs.units, Missing):
        return ()
    return [unit for unit in signs.units if unit.state.service in hop.services]


def _down(units: Sequence[UnitReading]) -> Iterator[Judged]:
    for unit in units:
        if is_down(unit):
            log = () if isinstance(unit.log, Missing) else unit.log
            cause = cause_of(log)
            if unit.code.conflict_line is not None:
                what = ": merge-conflict markers in its code"
            else:
                what = f": {cause.what}" if cause else ""
            name = unit.state.name
            yield HopState.BROKEN, f"{name} has failed{what}", _journal(unit)


def _journal(unit: UnitReading) -> str:
    return f"journalctl -u {unit.state.name} -n 50"


def _stuck(hop: Hop, signs: Signs) -> Iterator[Judged]:
    for stream, group, what in signs.faults:
        if stream in hop.reads and any(word in group for word in hop.groups):
            yield HopState.BROKEN, f"{group} on {stream}: {what}", "qtops audit streams"


def _open(units: Sequence[UnitReading]) -> Iterator[Judged]:
    for unit in units:
        if not isinstance(unit.log, Missing) and (said := fails_open(unit.log)):
            text = f"{unit.state.name} lets everything pass: {said[-1][:80]}"
            yield HopState.BROKEN, text, _journal(unit)


def _flow(hop: Hop, signs: Signs) -> Iterator[Judged]:
    """By what came in and what went out."""
    outs = [signs.newest[name] for name in hop.writes if name in signs.newest]
    last = max(outs, default=0)
    if last and signs.now_ms - last < WINDOW_MS:
        yield HopState.WORKING, f"wrote {_ago(last, signs)} ago"
    written = f"nothing for {_ago(last, signs)}" if last else "nothing"
    owed = max((signs.newest.get(name, 0) for name in hop.answers), default=0)
    is_late = owed - last > GRACE_MS and signs.now_ms - owed > GRACE_MS
    if is_late and signs.now_ms - owed < WINDOW_MS and _is_here(hop, signs):
        yield (
            HopState.BROKEN,
            f"asked {_ago(owed, signs)} ago, {written} went out",
            "qtops trace --why-no-trade",
        )
    if last:
        yield HopState.IDLE, f"{written} went out"


def _is_here(hop: Hop, signs: Signs) -> bool:
    """There is a unit, a heartbeat or an output of it, now or once."""
    is_known = any(name in signs.beating for name in hop.services)
    return is_known or bool(_units(hop, signs)) or any(n in signs.newest for n in hop.writes)


def _ago(at_ms: int, signs: Signs) -> str:
    return fmt_span(signs.now_ms - at_ms)


def judge_paths(paths: Sequence[PathReport]) -> list[CheckResult]:
    """One result a path: its first broken hop, or that it holds."""
    return [_judge(path) for path in paths]


def _judge(path: PathReport) -> CheckResult:
    verdict, title = _verdict(path)
    return CheckResult(
        f"paths.{path.letter}",
        f"path {path.letter}, {path.title}",
        verdict,
        Severity.P3 if verdict is Verdict.UNKNOWN else _SEVERITY[path.letter],
        title,
        expected="every hop that is here works or is idle",
        actual=title,
        evidence=tuple(f"{hop.name}: {hop.state.value}, {hop.why}" for hop in path.hops),
        fix=path.first_broken.fix if path.first_broken else "",
    )


def _verdict(path: PathReport) -> tuple[Verdict, str]:
    broken, states = path.first_broken, {hop.state for hop in path.hops}
    if broken:
        return Verdict.FAIL, f"breaks first at {broken.name} ({broken.why})"
    if states == {HopState.ABSENT}:
        return Verdict.UNKNOWN, "no part of it is here"
    if HopState.UNKNOWN in states:
        names = ", ".join(hop.name for hop in path.hops if hop.state is HopState.UNKNOWN)
        return Verdict.UNKNOWN, f"nothing is broken, and nothing shows that {names} works"
    if HopState.WORKING in states:
        return Verdict.PASS, "every hop that is here works or is idle"
    return Verdict.PASS, "idle"
