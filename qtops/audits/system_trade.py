"""Stop switches, permits, streams, heartbeats of the trading core as check results. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from qtops.audits.permits import PermitAudit
from qtops.audits.stop_switches import Board, SwitchRow
from qtops.audits.streams import StreamAudit
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.vocabulary import TradingState

SWITCHES: Final = "control.switches"
PERMITS: Final = "permits.sources"
_VERDICTS: Final = {
    Severity.P0: Verdict.FAIL,
    Severity.P1: Verdict.FAIL,
    Severity.P2: Verdict.WARN,
    Severity.P3: Verdict.WARN,
}


def judge_switches(board: Board) -> list[CheckResult]:
    """The state, then everything about the switches that an operator must know."""
    is_fault = board.why != ""
    is_active = board.state is TradingState.ACTIVE
    said = f" by {board.by}: {board.reason}" if board.by else ""
    results = [
        CheckResult(
            SWITCHES,
            "trading state",
            Verdict.FAIL if is_fault else Verdict.PASS if is_active else Verdict.WARN,
            Severity.P1 if is_fault else Severity.P2,
            f"{board.state.value}{f' ({board.why})' if board.why else said}",
            expected="ACTIVE, or stopped on purpose",
            actual=board.state.value,
            fix="" if is_active else "qtops kill status",
        )
    ]
    for remark in board.remarks:
        is_unknown = remark.text.startswith("UNKNOWN")
        word = remark.text.partition(" ")[0].rstrip(":")
        results.append(
            CheckResult(
                SWITCHES,
                word if any(mark in word for mark in ":_") else "switches",
                Verdict.UNKNOWN if is_unknown else Verdict.FAIL,
                Severity.P1,
                remark.text,
                fix=remark.next_command or "qtops kill status",
            )
        )
    flagged = {result.subject for result in results}
    return [*results, *(_row(row) for row in board.rows[1:] if row.switch not in flagged)]


def _row(row: SwitchRow) -> CheckResult:
    """A switch that is not pulled; one that would stop nothing if it were is a trap."""
    if row.honoured_by:
        return CheckResult(SWITCHES, row.switch, Verdict.PASS, Severity.P2, row.value)
    return CheckResult(
        SWITCHES,
        row.switch,
        Verdict.WARN,
        Severity.P2,
        f"{row.value}, and nobody here honours it",
        expected="one switch that the gates and the executor honour",
        actual=row.value,
        meaning=f"pulled in an emergency it would stop nothing; {row.does_not_cover}",
        fix="qtops kill status",
    )


def judge_permits(audit: PermitAudit) -> list[CheckResult]:
    """A gate that says nothing while plans wait is a fault; one that is idle and beats is not."""
    results = []
    for source in audit.sources.values():
        name = source.gate.value
        if source.is_active:
            figures = f"{source.count} live permits, {source.decisions} decisions"
            verdict, text = Verdict.PASS, figures
        elif source.is_alive and not audit.plans:
            verdict, text = Verdict.PASS, "idle, no plan asked it"
        elif not source.is_alive and not audit.plans:
            verdict, text = Verdict.WARN, "no heartbeat, and no plan to decide"
        else:
            verdict, text = Verdict.FAIL, f"{audit.plans} plans and no answer"
        results.append(
            CheckResult(
                PERMITS,
                name,
                verdict,
                Severity.P1,
                text,
                expected="a permit or decision for each plan, else a heartbeat",
                actual=f"{source.decisions} decisions",
                fix="" if verdict is Verdict.PASS else "qtops audit permits",
            )
        )
        for keys, what in ((source.no_expiry, "never expire"), (source.unreadable, "unreadable")):
            if keys:
                title = f"{len(keys)} permits {what}"
                evidence = tuple(keys[:5])
                results.append(
                    CheckResult(
                        PERMITS, f"{name} keys", Verdict.FAIL, Severity.P1, title, evidence=evidence
                    )
                )
    return results


def judge_streams(audit: StreamAudit) -> list[CheckResult]:
    """Every finding of the streams doctor, and a pass for each group without one."""
    results = [*_stream_findings(audit)]
    wrong = {(finding.stream, finding.group) for finding in audit.findings}
    for state in audit.streams:
        for group in state.groups:
            if (group.stream.name, group.group.name) not in wrong:
                text = "keeps up"
                subject = _where(group.stream.name, group.group.name)
                results.append(
                    CheckResult("streams.group", subject, Verdict.PASS, Severity.P1, text)
                )
    if not results:
        text = f"{len(audit.streams)} streams, no group yet"
        results.append(CheckResult("streams.group", "all", Verdict.PASS, Severity.P3, text))
    if audit.partial:
        text = f"not everything was looked at: {', '.join(audit.partial[:3])}"
        results.append(CheckResult("streams.read", "all", Verdict.UNKNOWN, Severity.P3, text))
    return results


def _stream_findings(audit: StreamAudit) -> Iterator[CheckResult]:
    for finding in audit.findings:
        is_unknown = finding.code == "loss_unknown"
        where = _where(finding.stream, finding.group)
        yield CheckResult(
            f"streams.{finding.code}",
            where,
            Verdict.UNKNOWN if is_unknown else _VERDICTS[finding.severity],
            finding.severity,
            finding.what,
            meaning=finding.meaning,
            fix=finding.next_command,
        )


def _where(stream: str, group: str) -> str:
    return " ← ".join(part for part in (stream, group) if part) or "streams"


def stream_faults(audit: StreamAudit) -> Sequence[tuple[str, str, str]]:
    """(stream, group, what) of what is lost or stuck: what breaks a path."""
    return [
        (finding.stream, finding.group, finding.what)
        for finding in audit.findings
        if finding.severity in {Severity.P0, Severity.P1}
    ]
