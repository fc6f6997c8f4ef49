"""What is wrong with dashboards before Grafana reads them. Pure: files in, results out."""

import re
import shlex
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.observe.document import (
    VARIABLE,
    Document,
    Json,
    is_promql,
    panels,
    plugins_of,
    source_of,
    targets,
    uid_of,
    variables,
)
from qtops.observe.exported import BUILT_IN, EXPORTED, OURS
from qtops.observe.promql import metric_names

_FIX: Final = ("qtops", "observe", "dashboards", "fix")
# Panels that show something without asking anybody.
_SILENT: Final = frozenset(
    {"text", "row", "dashlist", "news", "alertlist", "welcome", "gettingstarted", "canvas"}
)
_MINE: Final = frozenset({"-- Mixed --", "-- Dashboard --", "-- Grafana --", "grafana"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What a fault of this kind is called and costs."""

    check: str
    severity: Severity
    is_mended: bool = True


READABLE: Final = Rule("dashboards.readable", Severity.P1, is_mended=False)
WRAPPED: Final = Rule("dashboards.unwrapped", Severity.P1)
UID: Final = Rule("dashboards.uid", Severity.P1)
ID: Final = Rule("dashboards.id", Severity.P2)
HEAD: Final = Rule("dashboards.head", Severity.P2, is_mended=False)
SOURCE: Final = Rule("dashboards.datasource", Severity.P2)
OTHER_SOURCE: Final = Rule("dashboards.datasource", Severity.P2, is_mended=False)
QUERY: Final = Rule("dashboards.queries", Severity.P2, is_mended=False)
METRIC: Final = Rule("dashboards.metrics", Severity.P1, is_mended=False)


def lint(documents: Sequence[Document], live: AbstractSet[str] | None = None) -> list[CheckResult]:
    """Every fault of every file, and one pass for a file without any.

    `live` are the names a Prometheus knows; without them only metrics with a prefix of ours can be
    said to be exported by nobody.
    """
    results = []
    twins = _twins(documents)
    for document in documents:
        faults = list(_faults(document, twins, live))
        results += faults or [_fine(document)]
    return results


def _fine(document: Document) -> CheckResult:
    name = "dashboards.fine"
    return CheckResult(name, document.name, Verdict.PASS, Severity.P2, "nothing to say")


def _result(
    document: Document, rule: Rule, title: str, meaning: str = "", others: Sequence[str] = ()
) -> CheckResult:
    fix = shlex.join([*_FIX, document.name, *others, "--dry-run"]) if rule.is_mended else ""
    return CheckResult(
        rule.check, document.name, Verdict.FAIL, rule.severity, title, meaning=meaning, fix=fix
    )


def _faults(
    document: Document, twins: dict[str, list[str]], live: AbstractSet[str] | None
) -> Iterator[CheckResult]:
    if document.fault:
        yield _result(document, READABLE, document.fault)
        return
    board = document.dashboard
    if document.is_wrapped:
        meaning = "Grafana's provisioning skips it or shows a dashboard without a title"
        yield _result(document, WRAPPED, "wrapped as Grafana's API does", meaning)
    for title, rule in _head(board):
        yield _result(document, rule, title)
    if others := [name for name in twins.get(uid_of(board), []) if name != document.name]:
        meaning = "one overwrites the other at every pass, and provisioning stops writing at all"
        title = f"uid {uid_of(board)!r} is also that of {', '.join(others)}"
        yield _result(document, UID, title, meaning, others)
    for panel in panels(board):
        for title, rule in _panel(panel, board, live):
            yield _result(document, rule, f"{_label(panel)}: {title}")


def _twins(documents: Sequence[Document]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for document in documents:
        if not document.fault and uid_of(document.dashboard):
            found.setdefault(uid_of(document.dashboard), []).append(document.name)
    return found


def _head(board: Json) -> Iterator[tuple[str, Rule]]:
    if not uid_of(board):
        yield "no uid: Grafana makes one up, links and alerts lose it", UID
    elif not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid_of(board)):
        yield "uid must be 40 letters, digits, - or _ at most", UID
    if board.get("id") is not None:
        yield "id is not null: it belongs to the Grafana that it was taken from", ID
    if not board.get("title"):
        yield "no title: Grafana refuses it", HEAD
    if not isinstance(board.get("schemaVersion"), int):
        yield "no schemaVersion: Grafana migrates it from version 0", HEAD


def _label(panel: Json) -> str:
    return f"panel {panel.get('title') or panel.get('id') or 'without a title'!r}"


def _panel(panel: Json, board: Json, live: AbstractSet[str] | None) -> Iterator[tuple[str, Rule]]:
    asked = targets(panel)
    if not asked and str(panel.get("type")) not in _SILENT and "libraryPanel" not in panel:
        yield "it asks nothing (no targets)", QUERY
    known, plugins = variables(board), plugins_of(board)
    ours = [target for target in asked if is_promql(panel, target, plugins)]
    faults: dict[str, Rule] = {}
    for target in asked:
        source, is_ours = source_of(panel, target), target in ours
        fault = source_fault(source, known)
        if source is None and is_ours:
            fault = "no datasource: it asks whatever happens to be the default"
        if fault:
            faults.setdefault(fault, SOURCE if is_ours else OTHER_SOURCE)
    yield from faults.items()
    named = {name for target in ours for name in metric_names(target["expr"])}
    for name in sorted(named):
        if is_exported_by_nobody(name, live):
            yield f"nobody exports {name}", METRIC


def source_fault(source: Any, known: AbstractSet[str]) -> str:
    """Empty when a datasource is written as it should be: an object with a uid that resolves."""
    is_name = isinstance(source, str)
    uid = source if is_name else source.get("uid") if isinstance(source, dict) else ""
    if not isinstance(uid, str) or uid in _MINE or source is None:
        return ""
    variable = VARIABLE.fullmatch(uid)
    if variable and variable[1] not in known:
        return f"datasource {uid} does not resolve: the dashboard has no such variable"
    if is_name and not variable:
        return f"datasource {uid!r} is a name; since Grafana 8.3 it is an object with a uid"
    return "" if uid else "datasource without a uid"


def is_exported_by_nobody(name: str, live: AbstractSet[str] | None) -> bool:
    """Only where it can be known: the name is ours, or there is a Prometheus to ask."""
    if name in EXPORTED or name in BUILT_IN or (live is not None and name in live):
        return False
    return live is not None or name.startswith(OURS)
