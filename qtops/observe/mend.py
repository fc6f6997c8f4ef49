"""Mends what can be mended without guessing: wrapper, uid, id, datasource. The rest is kept."""

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from qtops.observe.document import (
    Document,
    Json,
    is_promql,
    panels,
    plugins_of,
    targets,
    uid_of,
    variables,
)
from qtops.observe.lint import source_fault

VARIABLE_NAME: Final = "datasource"
_LONGEST_UID: Final = 40


def mend(documents: Sequence[Document], source_uid: str = "") -> dict[str, str]:
    """New text by name, of the files that change. The same input gives the same output.

    Of files that share a uid the first keeps it. `source_uid` is the datasource to write; without
    one a variable of the dashboard lets the reader choose.
    """
    changed = {}
    taken = {uid_of(d.dashboard) for d in documents if not d.fault}
    seen: set[str] = set()
    for document in documents:
        if document.fault:
            continue
        board = copy.deepcopy(document.dashboard)
        uid = uid_of(board)
        if uid in seen or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid):
            board["uid"] = uid = _fresh_uid(document.name, uid, taken)
            taken.add(uid)
        seen.add(uid)
        if board.get("id") is not None:
            board["id"] = None
        _mend_sources(board, source_uid)
        if board != document.content:
            changed[document.name] = _written(board, document.text)
    return changed


def _fresh_uid(name: str, uid: str, taken: AbstractSet[str]) -> str:
    """From the file's name, so that the next run, and the next machine, give the same."""
    file_name = name.rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", uid or file_name.removesuffix(".json"))
    for turn in range(len(taken) + 1):
        digest = hashlib.sha256(f"{file_name}\n{turn}".encode()).hexdigest()[:8]
        fresh = f"{stem[: _LONGEST_UID - 9]}-{digest}"
        if fresh not in taken:
            return fresh
    raise AssertionError("more uids taken than there are")


def _mend_sources(board: Json, source_uid: str) -> None:
    """Only of queries in PromQL: another datasource cannot be guessed."""
    known = variables(board)
    holders = list(_holders(board, known))
    for holder in holders:
        uid = source_uid or f"${{{VARIABLE_NAME}}}"
        holder["datasource"] = {"type": "prometheus", "uid": uid}
    if holders and not source_uid and VARIABLE_NAME not in known:
        _add_variable(board)


def _holders(board: Json, known: AbstractSet[str]) -> Iterator[Json]:
    """Panels and queries whose datasource has to be written."""
    plugins = plugins_of(board)
    for panel in panels(board):
        asked = targets(panel)
        ours = [target for target in asked if is_promql(panel, target, plugins)]
        if not ours:
            continue
        own, bare = panel.get("datasource"), any(t.get("datasource") is None for t in ours)
        # The panel's own is of all its queries; one query of another kind, and it is left alone.
        is_whole = len(ours) == len(asked) and bool(
            bare if own is None else source_fault(own, known)
        )
        if is_whole:
            yield panel
        for target in ours:
            found = target.get("datasource")
            if source_fault(found, known) or (found is None and own is None and not is_whole):
                yield target


def _add_variable(board: Json) -> None:
    found = board.get("templating")
    templating = found if isinstance(found, dict) else {}
    rows = templating.get("list")
    templating["list"] = [datasource_variable(), *(rows if isinstance(rows, list) else [])]
    board["templating"] = templating


def datasource_variable() -> Json:
    """Lets the reader choose among the Prometheus datasources; the default one at first."""
    return {
        "name": VARIABLE_NAME,
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
    }


def _written(board: Json, before: str) -> str:
    """As the file was written: its indent, its escapes, its last line end."""
    indent = re.search(r"\n([ \t]+)\S", before)
    step: Any = indent[1] if indent else None
    compact = None if step or '": ' in before else (",", ":")
    text = json.dumps(board, indent=step, ensure_ascii=before.isascii(), separators=compact)
    return text + ("\n" if before.endswith("\n") else "")
