"""What keeps a finished prompt from being handed to whoever executes it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from qtops.governance.declaration import FIELDS, Declaration, DeclarationError, declaration_from
from qtops.governance.prompt import (
    EXECUTOR_PLACEHOLDERS,
    EXECUTOR_SECTIONS,
    SECTIONS,
    structure_faults,
)
from qtops.governance.prompt_text import DECLARATION_SECTIONS, PromptText, label_of, read_prompt

_TEMPLATE_CODE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_ANGLED: Final = re.compile(r"<([A-Za-z][^<>]*)>")
_WHOLE_PLACEHOLDER: Final = re.compile(r"\{\{.*\}\}|\{%.*%\}|<[^<>]+>")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault and its line; 0 when the fault is that a line is not there."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class LintReport:
    """The declaration is None when what stands there is none."""

    declaration: Declaration | None
    findings: tuple[Finding, ...]


def lint(text: str) -> LintReport:
    """Sections, declaration, scope, and fields that nobody filled."""
    prompt = read_prompt(text)
    faults = [*structure_faults(prompt), *prompt.faults]
    faults += _unfilled_fields(prompt)
    faults += _unfilled_text(prompt)
    declaration = None
    try:
        if any(section.title in DECLARATION_SECTIONS for section in prompt.sections):
            declaration = declaration_from(prompt.values)
    except DeclarationError as error:
        faults += [(_place(fault, prompt), fault) for fault in error.faults]
    findings = (Finding(line, message) for line, message in dict.fromkeys(faults))
    return LintReport(declaration, tuple(sorted(findings, key=lambda finding: finding.line)))


def _unfilled_fields(prompt: PromptText) -> Iterator[tuple[int, str]]:
    """A value that is nothing but a placeholder, or the name of a field."""
    labels = {label_of(field.name) for field in FIELDS}
    for name, value in prompt.values.items():
        for item in value if isinstance(value, list) else [value]:
            if item in labels or _WHOLE_PLACEHOLDER.fullmatch(item):
                yield prompt.places[name], f"{label_of(name)} is not filled: {item}"


def _unfilled_text(prompt: PromptText) -> Iterator[tuple[int, str]]:
    """Placeholders outside the declaration that are not the executor's."""
    for section in prompt.sections:
        if section.title not in SECTIONS or section.title in DECLARATION_SECTIONS:
            continue
        known = EXECUTOR_PLACEHOLDERS if section.title in EXECUTOR_SECTIONS else ()
        for number, line in section.body:
            for match in _TEMPLATE_CODE.finditer(line):
                yield number, f"{match[0]} is not filled"
            for match in _ANGLED.finditer(line):
                if match[1] not in known:
                    yield number, f"<{match[1]}> is not filled, and it is not the executor's"


def _place(fault: str, prompt: PromptText) -> int:
    """The line of the field or the listed item that a fault is about, else of its section."""
    words = set(re.findall(r"\w+", fault))
    named = (line for name, line in prompt.places.items() if name in words or f"{name!r}" in fault)
    declaring = (s.line for s in prompt.sections if s.title in DECLARATION_SECTIONS)
    return next(named, next(declaring, 0))
