"""Is what lies outside Redis healthy: the exchange, the disks, the units, what is owed."""

from collections.abc import Sequence
from typing import Final

from qtops.audits.health import Limits, counted, found, graded
from qtops.contracts.codec import fmt_span
from qtops.contracts.health import Check, Figure, Finding, Status, unseen
from qtops.contracts.vitals import DiskVitals, OpenOperation

_GIB: Final = 1 << 30


def judge_exchange(offset_ms: int, limits: Limits) -> Check:
    """It answered; `offset_ms` is its clock minus ours."""
    status = graded(abs(offset_ms), limits.skew_warn_ms, limits.skew_fail_ms)
    word = "ahead of" if offset_ms >= 0 else "behind"
    text = f"the exchange's clock is {abs(offset_ms)} ms {word} ours"
    figure = Figure("clock_skew_ms", offset_ms, limits.skew_warn_ms, limits.skew_fail_ms)
    return Check("exchange", text, found(status, text, "timedatectl status"), (figure,))


def exchange_away(message: str) -> Check:
    """It did not answer, or not as an exchange does."""
    finding = Finding(Status.FAIL, f"exchange: {message}", "qtops config show")
    return Check("exchange", "no answer", (finding,), (Figure("clock_skew_ms", None),))


def judge_disk(disks: Sequence[DiskVitals], limits: Limits) -> Check:
    """The scarcer of bytes and inodes decides. Below a limit is beyond it."""
    findings: tuple[Finding, ...] = ()
    figures: list[Figure] = []
    for disk in disks:
        inodes = disk.inodes_free_ratio
        is_bytes = inodes is None or disk.free_ratio <= inodes
        free = disk.free_ratio if inodes is None else min(disk.free_ratio, inodes)
        what = "space" if is_bytes else "inodes"
        used = graded(1 - free, 1 - limits.disk_warn_ratio, 1 - limits.disk_fail_ratio)
        text = f"{disk.mount} has {free:.1%} of its {what} free"
        findings += found(used, text, f"df -hi {disk.mount}")
        labels = {"mount": disk.mount}
        warn, fail = limits.disk_warn_ratio, limits.disk_fail_ratio
        figures.append(Figure("disk_free_ratio", free, warn, fail, labels))
    summary = ", ".join(f"{d.mount} {d.free_bytes / _GIB:.1f} GiB free" for d in disks)
    return Check("disk", summary, findings, tuple(figures))


def judge_units(failed: Sequence[str]) -> Check:
    """The names of failed units of ours."""
    findings = tuple(
        Finding(Status.FAIL, f"unit {unit} has failed", f"journalctl -u {unit} -n 50")
        for unit in failed
    )
    summary = f"{counted(len(failed), 'unit')} failed" if failed else "no unit has failed"
    return Check("units", summary, findings, (Figure("failed_units", len(failed)),))


def no_systemd() -> Check:
    """A container or another init: there are no units to look at, and none to fail."""
    return unseen("units", "systemd is not the init here", is_expected=True)


def judge_obligations(operations: Sequence[OpenOperation], now_ms: int) -> Check:
    """Somebody owes an end to each of them."""
    findings = tuple(
        Finding(
            Status.WARN,
            f"operation {one.operation_id} is open{_since(one, now_ms)}: {one.what}",
            one.command,
        )
        for one in operations
    )
    number = len(operations)
    summary = f"{counted(number, 'operation')} open" if number else "no operation is open"
    return Check("obligations", summary, findings, (Figure("open_operations", number),))


def _since(operation: OpenOperation, now_ms: int) -> str:
    """Nothing for a file that does not say when."""
    return f" for {fmt_span(now_ms - operation.opened_at_ms)}" if operation.opened_at_ms else ""
