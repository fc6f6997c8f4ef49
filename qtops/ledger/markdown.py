"""`docs/OPS_CHANGELOG.md`: entry blocks under month headings, newest first, and the text between.

The text that people wrote is never touched: rebuilding takes the entry blocks out and puts them
back in, and what is left is the same.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from qtops.ledger.entry import Entry, day_of
from qtops.ledger.yamltext import dump

EMPTY: Final = "# Operations changelog\n"
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_HEADING: Final = re.compile(r"^## (\d{4}-\d{2})[ \t\r]*$", re.MULTILINE)
_ID: Final = re.compile(r"""^operation_id:[ \t]*["']?([^\s"']+)""", re.MULTILINE)
_HASH: Final = re.compile(r"^entry_hash:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fenced:
    """A fenced block of the file: where it stands and what is in it."""

    start: int
    end: int
    line: int
    info: str
    body: str

    @property
    def operation_id(self) -> str:
        """As written, valid or not; empty when the block is no entry."""
        match = _ID.search(self.body)
        return match[1] if match and self.info.startswith(("yaml", "yml")) else ""


def block(entry: Entry) -> str:
    """One entry as it stands in the page."""
    return _fenced_body(dump(entry))


def _fenced_body(body: str) -> str:
    """A fence longer than any run of backticks inside, so that no value can close it."""
    longest = max(map(len, re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n---\n{body}{fence}\n"


def fenced(text: str) -> Iterator[Fenced]:
    """Every fenced block. One that is never closed ends with the file."""
    position, line, counted = 0, 1, 0
    while opened := _FENCE.search(text, position):
        mark = opened[1]
        closing = re.compile(
            rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t\r]*$", re.MULTILINE
        )
        body_start = min(opened.end() + 1, len(text))
        closed = closing.search(text, body_start)
        body_end = closed.start() if closed else len(text)
        end = min(closed.end() + 1, len(text)) if closed else len(text)
        line += text.count("\n", counted, opened.start())
        counted = opened.start()
        info = opened[2].strip().lower()
        yield Fenced(opened.start(), end, line, info, text[body_start:body_end])
        position = end


def entry_blocks(text: str) -> list[Fenced]:
    """The blocks that hold an entry, whole or broken."""
    return [found for found in fenced(text) if found.operation_id]


def stripped(text: str, known: Collection[str]) -> str:
    """Without the blocks that belong to the log: those with a hash, or an id that it knows."""
    parts, position = [], 0
    for found in entry_blocks(text):
        if found.operation_id in known or _HASH.search(found.body):
            start = found.start - (text[found.start - 1 : found.start] == "\n")
            parts.append(text[position : max(start, position)])
            position = found.end
    parts.append(text[position:])
    return "".join(parts)


def rebuilt(text: str, bodies: Mapping[str, str]) -> str:
    """The file with exactly these entries in it: their YAML by id, oldest first."""
    text = stripped(text, bodies.keys()) or EMPTY
    months: dict[str, list[str]] = {}
    for operation_id, body in bodies.items():
        months.setdefault(month_of(operation_id), []).append("\n" + _fenced_body(body))
    for month, blocks in months.items():
        text = placed(text, month, "".join(reversed(blocks)))
    return text


def month_of(operation_id: str) -> str:
    """`2026-01` of an id."""
    return day_of(operation_id)[:7]


@dataclass(frozen=True, slots=True)
class Gap:
    """Where the newest block of a month goes, and what stands around it there."""

    position: int
    before: str
    after: str


def gap_for(text: str, month: str) -> Gap:
    """At the top of the month's section; the section is made where it belongs."""
    for heading in headings(text):
        if heading[1] == month:
            end = heading.end() + 1
            return Gap(min(end, len(text)), "" if text[heading.end() : end] else "\n", "")
        if heading[1] < month:
            return Gap(heading.start(), f"## {month}\n", "\n")
    lead = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return Gap(len(text), f"{lead}## {month}\n", "")


def placed(text: str, month: str, addition: str) -> str:
    """`text` with `addition` in the gap for the month."""
    gap = gap_for(text, month)
    inserted = f"{gap.before}{addition}{gap.after}"
    return text[: gap.position] + inserted + text[gap.position :]


def placed_bytes(page: bytes, month: str, addition: str) -> tuple[memoryview, bytes, memoryview]:
    """The same for a page of any size: its bytes are moved, not decoded or copied here.

    Headings and fences are ASCII, so Latin-1, in which a character is a byte, finds the place.
    """
    gap = gap_for(page.decode("latin-1"), month)
    inserted = f"{gap.before}{addition}{gap.after}".encode("utf-8", "surrogateescape")
    whole = memoryview(page)
    return whole[: gap.position], inserted, whole[gap.position :]


def headings(text: str) -> Iterator[re.Match[str]]:
    """Month headings outside fenced blocks, from the top."""
    blocks = fenced(text)
    inside = next(blocks, None)
    for heading in _HEADING.finditer(text):
        while inside and inside.end <= heading.start():
            inside = next(blocks, None)
        if inside is None or heading.start() < inside.start:
            yield heading
