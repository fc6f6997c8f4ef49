"""Is the machine fit: disk, memory, load, logs, clocks. Pure."""

from decimal import Decimal
from typing import Final

from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.system_reading import HostReading
from qtops.contracts.vitals import DiskVitals

CLOCK: Final = "host.clock"
_GIB: Final = 1 << 30
_FREE_WARN, _FREE_FAIL = Decimal("0.10"), Decimal("0.05")
_SKEW_WARN_MS, _SKEW_FAIL_MS = 250, 1000
_LOGS_WARN: Final = Decimal("0.10")


def judge_host(host: HostReading) -> list[CheckResult]:
    """One result a disk, then memory, load, logs."""
    return [*map(_disk, host.disks), _memory(host), _load(host), _logs(host)]


def _graded(free: Decimal) -> Verdict:
    if free < _FREE_FAIL:
        return Verdict.FAIL
    return Verdict.WARN if free < _FREE_WARN else Verdict.PASS


def _disk(disk: DiskVitals) -> CheckResult:
    inodes = disk.inodes_free_ratio
    free = disk.free_ratio if inodes is None else min(disk.free_ratio, inodes)
    shown = f"{disk.free_ratio:.1%} free ({disk.free_bytes / _GIB:.1f} GiB)"
    if inodes is not None:
        shown += f", {inodes:.1%} of the inodes"
    return CheckResult(
        "host.disk",
        disk.mount,
        _graded(free),
        Severity.P1,
        shown,
        expected="at least 10 %",
        actual=shown,
        fix=f"df -hi {disk.mount}",
    )


def _memory(host: HostReading) -> CheckResult:
    if not host.memory_total or host.memory_available is None:
        return _unseen("host.memory", "memory", Severity.P2, "meminfo cannot be read")
    free = Decimal(host.memory_available) / host.memory_total
    return CheckResult(
        "host.memory",
        "memory",
        _graded(free),
        Severity.P2,
        f"{free:.0%} of {host.memory_total / _GIB:.1f} GiB memory available",
        expected="at least 10 %",
        actual=f"{free:.0%}",
        fix="ps aux --sort=-rss | head",
    )


def _load(host: HostReading) -> CheckResult:
    if host.load is None:
        return _unseen("host.load", "load", Severity.P2, "loadavg cannot be read")
    is_high = host.load > 2 * host.processors
    return CheckResult(
        "host.load",
        "load",
        Verdict.WARN if is_high else Verdict.PASS,
        Severity.P2,
        f"load {host.load} on {host.processors} processors (5 min)",
        expected=f"at most {2 * host.processors}",
        actual=str(host.load),
        fix="top -b -n 1 | head -20",
    )


def _logs(host: HostReading) -> CheckResult:
    if host.log_bytes is None or not host.log_filesystem_bytes:
        return _unseen("host.logs", "logs", Severity.P3, "the logs cannot be measured")
    share = Decimal(host.log_bytes) / host.log_filesystem_bytes
    return CheckResult(
        "host.logs",
        "logs",
        Verdict.WARN if share > _LOGS_WARN else Verdict.PASS,
        Severity.P3,
        f"logs take {host.log_bytes / _GIB:.2f} GiB, {share:.1%} of their disk",
        expected="at most 10 %",
        actual=f"{share:.1%}",
        fix="journalctl --disk-usage; du -xh /var/log | sort -h | tail",
    )


def judge_clock(other: str, offset_ms: int | Missing) -> CheckResult:
    """`offset_ms` is our clock minus the other's."""
    if isinstance(offset_ms, Missing):
        return _unseen(CLOCK, other, Severity.P2, offset_ms.why)
    away = abs(offset_ms)
    verdict = Verdict.WARN if away >= _SKEW_WARN_MS else Verdict.PASS
    return CheckResult(
        CLOCK,
        other,
        Verdict.FAIL if away >= _SKEW_FAIL_MS else verdict,
        Severity.P2,
        f"our clock is {away} ms {'ahead of' if offset_ms >= 0 else 'behind'} {other}'s",
        expected=f"less than {_SKEW_WARN_MS} ms",
        actual=f"{offset_ms} ms",
        fix="timedatectl status",
    )


def _unseen(check: str, subject: str, severity: Severity, why: str) -> CheckResult:
    return CheckResult(check, subject, Verdict.UNKNOWN, severity, why)
