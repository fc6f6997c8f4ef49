"""Ledgers that were written by hand or by the original tool: what is whole, what is broken and why.

Nothing is repaired by itself. `mended` reads a broken block line by line and says what it changed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from qtops.ledger.entry import CHAIN, OPERATION_ID, REQUIRED, Entry, content_key, hash_of
from qtops.ledger.markdown import entry_blocks
from qtops.ledger.yamltext import load

_FIELD: Final = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*):(.*)$")
_PLACEHOLDER: Final = re.compile(r"OPS-[A-Z-]*[A-Z]|OPS-\d{4}-\d\d-\d\d-N+|<.*")
_WRITTEN_ID: Final = re.compile(r"^operation_id:[ \t]*[\"']?([^\s\"']+)", re.MULTILINE)
_SPLIT: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(slots=True)
class Block:
    """One entry of a source. `reason` says why it cannot be taken; `changes` what was mended.

    A template, whose id is a placeholder, is no entry and not broken either.
    """

    line: int
    operation_id: str
    is_template: bool = False
    entry: Entry = field(default_factory=dict)
    reason: str = ""
    changes: list[str] = field(default_factory=list)


def read_source(text: str, *, fix: bool) -> list[Block]:
    """Every entry of a Markdown page or of a YAML stream."""
    seen: set[str] = set()
    blocks = []
    for line, body in _bodies(text):
        block = _read(line, body, fix=fix)
        if not block.reason and not block.is_template and block.operation_id in seen:
            block.reason = "its id was seen before in this file"
        seen.add(block.operation_id)
        blocks.append(block)
    return blocks


def _bodies(text: str) -> Iterator[tuple[int, str]]:
    if found := entry_blocks(text):
        yield from ((block.line, block.body) for block in found)
        return
    starts = [0, *(match.end() for match in _SPLIT.finditer(text))]
    ends = [*(match.start() for match in _SPLIT.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        if "operation_id:" in text[start:end]:
            yield text.count("\n", 0, start) + 1, text[start:end]


def _read(line: int, body: str, *, fix: bool) -> Block:
    body = _SPLIT.sub("", body.replace("\r\n", "\n"))
    written = _WRITTEN_ID.search(body)
    block = Block(line, written[1] if written else "?")
    if _PLACEHOLDER.fullmatch(block.operation_id):
        block.is_template = True
        return block
    try:
        block.entry = load(body)
    except (yaml.YAMLError, ValueError) as error:
        block.reason = f"is no YAML: {_one_line(error)}"
        if fix:
            block.entry, block.changes = mended(body)
            block.reason = ""
    block.reason = block.reason or _incomplete(block.entry)
    return block


def _one_line(error: Exception) -> str:
    """With the line inside the block, where YAML knows it."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem}, line {mark.line + 1} of the block" if mark else " ".join(problem.split())


def _incomplete(entry: Entry) -> str:
    if not OPERATION_ID.fullmatch(str(entry.get("operation_id", ""))):
        return f"its id {str(entry.get('operation_id'))[:40]!r} is not OPS-YYYY-MM-DD-NNN"
    missing = [name for name in REQUIRED if not entry.get(name)]
    return f"lacks {', '.join(missing)}" if missing else ""


def mended(body: str) -> tuple[Entry, list[str]]:
    """Field by field: what YAML cannot read is taken as the text that stands there."""
    entry: Entry = {}
    changes = []
    for name, lines in _fields(body):
        try:
            entry |= load("\n".join(lines) + "\n")
        except (yaml.YAMLError, ValueError):
            entry[name] = _as_it_stands(lines)
            changes.append(f"{name}: taken as plain text, it was no YAML")
    return entry, changes


def _as_it_stands(lines: list[str]) -> str | list[str]:
    """A list stays a list, of texts; all else is one text."""
    first = lines[0].partition(":")[2].strip()
    rest = [line.strip() for line in lines[1:]]
    items = [line for line in rest if line]
    if not first and items and all(line.startswith("- ") for line in items):
        return [line[2:].strip() for line in items]
    return "\n".join([first, *rest] if first not in {"", "|", ">"} else rest).strip()


def _fields(body: str) -> Iterator[tuple[str, list[str]]]:
    name = ""
    lines: list[str] = []
    for line in body.split("\n"):
        match = _FIELD.match(line)
        if match:
            if name:
                yield name, lines
            name, lines = match[1], [line]
        elif line.strip() or name:
            lines.append(line)
    if name:
        yield name, lines


def importable(block: Block, source: str) -> Entry:
    """The entry for the log. One whose hash holds comes back as it was; others say whence."""
    entry = block.entry
    is_ours = "entry_hash" in entry and hash_of(_unsigned(entry)) == entry["entry_hash"]
    kept = {name: value for name, value in entry.items() if name not in {*CHAIN, "signatures"}}
    if not is_ours:
        kept["imported_from"] = f"{source}, line {block.line}"
        if block.changes:
            kept["import_changes"] = block.changes
    return kept | {"content_key": content_key(kept)}


def _unsigned(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != "signatures"}


def order_of(block: Block) -> tuple[int, str, int, str]:
    """Oldest first: by number in a log, else by day and number of the id."""
    match = OPERATION_ID.fullmatch(block.operation_id)
    day, number = (match[1], int(match[2])) if match else ("", 0)
    return int(block.entry.get("seq", 0)), day, number, block.operation_id
