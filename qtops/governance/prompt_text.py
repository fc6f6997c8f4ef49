"""A prompt as text: its sections, and the declaration that stands in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from qtops.governance.templates import CONTINUED

DECLARATION_SECTIONS: Final = ("OPERATION DECLARATION", "ALLOWLIST")
_LABEL: Final = re.compile(r"([A-Z][A-Z_]*):(?: (.*))?")
_ITEM: Final = "  - "
_NO_ITEMS: Final = "  (none)"


@dataclass(frozen=True, slots=True)
class Section:
    """A `## TITLE` and the numbered lines below it."""

    title: str
    line: int
    body: list[tuple[int, str]]

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.body)


@dataclass(slots=True)
class PromptText:
    """What a prompt says. `places` are the lines of fields and of listed items."""

    sections: list[Section]
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)


def label_of(name: str) -> str:
    """What a field is called in a prompt."""
    return "OPERATION_NAME" if name == "operation" else name.upper()


def name_of(label: str) -> str:
    """The field that a prompt calls so."""
    return "operation" if label == "OPERATION_NAME" else label.lower()


def read_prompt(text: str) -> PromptText:
    """The sections in the order they stand, and the fields of the declaring ones."""
    prompt = PromptText(list(_sections(text)))
    for section in prompt.sections:
        if section.title in DECLARATION_SECTIONS:
            _read_fields(section, prompt)
    return prompt


def _sections(text: str) -> Iterator[Section]:
    section = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("## "):
            if section:
                yield section
            section = Section(line.removeprefix("## ").strip(), number, [])
        elif section:
            section.body.append((number, line))
    if section:
        yield section


def _read_fields(section: Section, prompt: PromptText) -> None:
    """Prose may stand before the first field; after it every line belongs to one."""
    name = ""
    for number, line in section.body:
        if match := _LABEL.fullmatch(line):
            name = name_of(match[1])
            if name in prompt.values:
                prompt.faults.append((number, f"{match[1]} stands twice"))
            is_list = section.title == "ALLOWLIST"
            prompt.values[name] = [] if is_list else (match[2] or "").rstrip()
            prompt.places[name] = number
        elif name and line.strip() and not _continues(prompt, name, line, number):
            prompt.faults.append((number, f"{line.strip()[:60]!r} belongs to no field"))


def _continues(prompt: PromptText, name: str, line: str, number: int) -> bool:
    value = prompt.values[name]
    if isinstance(value, list):
        if line.startswith(_ITEM):
            value.append(line.removeprefix(_ITEM))
            prompt.places.setdefault(value[-1], number)
        return line.startswith(_ITEM) or line == _NO_ITEMS
    if line.startswith(f"{CONTINUED} ") or line == CONTINUED:
        prompt.values[name] = f"{value}\n{line.removeprefix(CONTINUED).removeprefix(' ')}"
        return True
    return False
