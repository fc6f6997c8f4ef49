"""A dashboard file as it is on the disk, and the parts of it that lint and fix look at."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
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
    templating = dashboard.get("templating")
    rows = _dicts(templating, "list") if isinstance(templating, dict) else iter(())
    return {str(row.get("name")) for row in rows}


def _dicts(parent: Mapping[str, Any], key: str) -> Iterator[Json]:
    found = parent.get(key)
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())
