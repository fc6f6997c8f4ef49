"""A health as a monitoring plugin's line and as Prometheus text. Nothing is judged here."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from qtops.contracts.health import Figure, Health, Status
from qtops.reports.exposition import Families, seconds

WORDS: Final = {
    Status.OK: "OK",
    Status.WARN: "WARNING",
    Status.FAIL: "CRITICAL",
    Status.UNKNOWN: "UNKNOWN",
}
_LOW_IS_BAD: Final = frozenset({"disk_free_ratio", "decisions_entries"})
_SIGNED: Final = frozenset({"clock_skew_ms"})
_HELP: Final = {
    "redis_latency_ms": "One round trip to Redis.",
    "redis_memory_ratio": "Used memory of what Redis may use.",
    "beat_age_ms": "Age of a service's heartbeat.",
    "snapshot_age_ms": "Age of the positions snapshot.",
    "plans_entries": "Plans that asked for an order in the window.",
    "waiting_plans": "Plans without a decision of this gate.",
    "decisions_entries": "Plans this gate decided in the window.",
    "lag_entries": "Entries a consumer group was not given yet.",
    "pending_entries": "Entries given and not settled.",
    "oldest_pending_age_ms": "Age of the oldest entry given and not settled.",
    "clock_skew_ms": "The clock of the exchange minus ours.",
    "disk_free_ratio": "Free share of a file system, of bytes or inodes, whichever is scarcer.",
    "failed_units": "Failed systemd units of ours.",
    "open_operations": "Operations begun and not ended.",
}


def nagios_lines(health: Health, news: str = "") -> list[str]:
    """`CRITICAL - words | figures`, then each finding with the command that leads on.

    `news` says what changed since the pass before.
    """
    words = f"{health.headline} ({news})" if news else health.headline
    head = f"{WORDS[health.status]} - {_inline(words)}"
    figures = " ".join(_perfdata(figures) for figures in _by_name(health.figures))
    lines = [f"{head} | {figures}" if figures else head]
    for _, finding in health.findings:
        words = f"{WORDS[finding.status]}: {finding.what}"
        lines.append(_inline(f"{words}; next: {finding.fix}" if finding.fix else words))
    return lines


def _by_name(figures: Iterable[Figure]) -> Iterable[list[Figure]]:
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.name, []).append(figure)
    return groups.values()


def _inline(text: str) -> str:
    """The bar separates figures, so the words may not have one."""
    return " ".join(text.replace("|", "/").split())


def _perfdata(figures: list[Figure]) -> str:
    """`label=value;warn;crit`: of one name the worst value, for the line must stay short.

    U where one of them could not be had.
    """
    first = figures[0]
    known = [figure.value for figure in figures if figure.value is not None]
    gravest = min if first.name in _LOW_IS_BAD else max
    worst = gravest(known) if len(known) == len(figures) else "U"
    if first.warn is None:
        return f"{first.name}={worst}"
    return f"{first.name}={worst};{_range(first.name, first.warn)};{_range(first.name, first.fail)}"


def _range(name: str, limit: int | Decimal | None) -> str:
    """Where the plugin guidelines' ranges do not alarm; a bare number means 0 to it."""
    if name in _LOW_IS_BAD:
        return f"{limit}:"
    return f"-{limit}:{limit}" if name in _SIGNED else f"{limit}"


def prometheus_text(health: Health, *, now_ms: int, took_ms: int) -> str:
    """The exposition format, without time stamps on samples: the collector drops such files."""
    families = Families()
    for check in health.checks:
        text = "How one check stands: 0 ok, 1 warning, 2 critical, 3 unknown."
        families.add("qtops_check_status", text, check.status.number, {"check": check.name})
    text = "The worst check that counts: 0 ok, 1 warning, 2 critical, 3 unknown."
    families.add("qtops_health_status", text, health.status.number, {})
    coverage = round(Decimal(health.seen) / max(1, len(health.checks)), 3)
    families.add("qtops_health_coverage_ratio", "Checks that could look.", coverage, {})
    for figure in health.figures:
        name, value = _in_seconds(figure)
        if value is not None:
            families.add(f"qtops_health_{name}", _HELP[figure.name], value, figure.labels)
    families.add_run("health", now_ms, took_ms)
    return families.text()


def _in_seconds(figure: Figure) -> tuple[str, int | Decimal | None]:
    """Prometheus wants seconds."""
    if not figure.name.endswith("_ms"):
        return figure.name, figure.value
    name = figure.name.removesuffix("_ms") + "_seconds"
    return name, None if figure.value is None else seconds(figure.value)
