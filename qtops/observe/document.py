"""A dashboard file as it is on the disk, and the parts of it that lint and fix look at."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qtops.observe.promql import has_pipe, metric_names

Json = dict[str, Any]
Plugins = Mapping[str, str]
VARIABLE: Final = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
# What Grafana's API puts around a dashboard, and what its import asks for beside one.
WRAPPERS: Final = frozenset(
    {"dashboard", "meta", "folderId", "folderUid", "overwrite", "message", "inputs"}
)


@dataclass(frozen=True, slots=True)
class Document:
    """One file; `name` is its path below what was named, `fault` why it is no dashboard."""

    name: str
    text: str
    content: Json
    fault: str = ""

    @property
    def is_wrapped(self) -> bool:
        """`{"dashboard": …}` with nothing beside it that we do not know."""
        return isinstance(self.content.get("dashboard"), dict) and self.content.keys() <= WRAPPERS

    @property
    def dashboard(self) -> Json:
        """The dashboard, without its wrapper."""
        return self.content["dashboard"] if self.is_wrapped else self.content


def read_document(name: str, text: str) -> Document:
    """Never raises: a file that cannot be read as one JSON object says so in `fault`."""
    try:
        content = json.loads(text, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        return Document(name, text, {}, f"no JSON that can be trusted: {error}")
    if not isinstance(content, dict):
        return Document(name, text, {}, "not one JSON object")
    found = Document(name, text, content)
    if not isinstance(found.dashboard.get("panels", found.dashboard.get("rows")), list):
        return Document(name, text, content, "no dashboard: it has no list of panels")
    return found


def _no_twins(pairs: Sequence[tuple[str, Any]]) -> Json:
    """Of two equal keys JSON readers keep one, each its own."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twins = sorted({key for key, _ in pairs if sum(key == k for k, _ in pairs) > 1})
        raise ValueError(f"key {twins[0]!r} stands twice in one object")
    return found


def uid_of(dashboard: Mapping[str, Any]) -> str:
    """The dashboard's own name for links; empty when it is missing or no text."""
    uid = dashboard.get("uid")
    return uid if isinstance(uid, str) else ""


def panels(dashboard: Mapping[str, Any]) -> Iterator[Json]:
    """Every panel that shows something; those inside rows too, old rows included."""
    for one in [*_dicts(dashboard, "panels"), *_dicts(dashboard, "rows")]:
        if one.get("type") == "row" or ("panels" in one and "type" not in one):
            yield from panels(one)
        else:
            yield one


def targets(panel: Mapping[str, Any]) -> list[Json]:
    """The queries of a panel."""
    return list(_dicts(panel, "targets"))


def variables(dashboard: Mapping[str, Any]) -> set[str]:
    """Names of the dashboard's own variables."""
    return {str(row.get("name")) for row in _variables(dashboard)}


def _variables(dashboard: Mapping[str, Any]) -> Iterator[Json]:
    templating = dashboard.get("templating")
    return _dicts(templating, "list") if isinstance(templating, dict) else iter(())


def source_of(panel: Mapping[str, Any], target: Mapping[str, Any]) -> Any:
    """Whom a query asks: its own datasource, else the panel's; None is Grafana's default."""
    own = target.get("datasource")
    return panel.get("datasource") if own is None else own


def is_promql(panel: Mapping[str, Any], target: Mapping[str, Any], plugins: Plugins) -> bool:
    """Whether a query can be taken for PromQL: Loki's, for one, have an `expr` too."""
    expression, source = target.get("expr"), source_of(panel, target)
    if not isinstance(expression, str) or has_pipe(expression):
        return False
    return bool(metric_names(expression)) if source is None else _is_prometheus(source, plugins)


def _is_prometheus(source: Any, plugins: Plugins) -> bool:
    if isinstance(source, dict):
        if "type" in source:
            return bool(source["type"] == "prometheus")
        source = source.get("uid")
    if not isinstance(source, str):
        return False
    variable = VARIABLE.fullmatch(source)
    if variable and variable[1] in plugins:
        return plugins[variable[1]] == "prometheus"
    return "prom" in source.lower()


def plugins_of(dashboard: Mapping[str, Any]) -> Plugins:
    """What kind of datasource a variable of the dashboard, or of its import, stands for."""
    inputs = {str(i.get("name")): str(i.get("pluginId")) for i in _dicts(dashboard, "__inputs")}
    chosen = {
        str(row.get("name")): str(row.get("query"))
        for row in _variables(dashboard)
        if row.get("type") == "datasource"
    }
    return inputs | chosen


def _dicts(parent: Mapping[str, Any], key: str) -> Iterator[Json]:
    found = parent.get(key)
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())
