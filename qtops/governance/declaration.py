"""An operation's declaration: its fields, what is wrong with one, and its JSON schema."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from qtops.contracts.vocabulary import RiskClass
from qtops.errors import UsageError
from qtops.governance.scope import (
    PATH_PATTERN,
    SCOPES,
    SERVICE_PATTERN,
    is_within,
    path_faults,
    service_faults,
)

__all__ = [
    "FIELDS",
    "Declaration",
    "DeclarationError",
    "Field",
    "declaration_from",
    "declaration_schema",
    "is_within",
    "scope_faults",
]


class DeclarationError(UsageError):
    """The declaration does not hold; `faults` has every reason, the message all of them."""

    code = "declaration"

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        text = f"the declaration does not hold: {'; '.join(self.faults)}"
        super().__init__(text, hint="qtops prompt schema")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an operation is, and all that it may touch."""

    operation: str
    objective: str
    risk_class: str
    blast_radius: str
    rollback_strategy: str
    changes_summary: str = ""
    allowed_paths: tuple[str, ...] = ()
    allowed_services: tuple[str, ...] = ()
    requested_by: str = "SELF"
    approved_by: str = "SELF"
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a declaration. `pattern` is each item's, for a list."""

    name: str
    meaning: str
    required: bool = False
    default: str = ""
    pattern: str = ""


FIELDS: Final = (
    Field("operation", "Its name, short.", required=True),
    Field("objective", "What it achieves.", required=True),
    Field("risk_class", "What it may do to the host.", required=True),
    Field("blast_radius", "What can break.", required=True),
    Field("rollback_strategy", "How to get back; every class that writes needs one."),
    Field("changes_summary", "What changes, in one line."),
    Field("allowed_paths", "Absolute paths it may touch, and below.", pattern=PATH_PATTERN),
    Field("allowed_services", "Services it may touch.", pattern=SERVICE_PATTERN),
    Field("requested_by", "Who wants it.", default="SELF"),
    Field("approved_by", "Who approved it.", default="SELF"),
    Field("notes", "Anything else."),
)
RISK_CLASSES: Final = tuple(risk.value for risk in RiskClass)
_BY_NAME: Final = {field.name: field for field in FIELDS}
# line breaks and tabs are text; what moves the cursor, turns the line or is no Unicode is not
_UNREADABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def declaration_from(raw: Mapping[str, Any]) -> Declaration:
    """The declaration in `raw`, and nothing else in it. DeclarationError with every fault."""
    faults = [_unknown(str(name)) for name in raw if name not in _BY_NAME]
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.name in raw:
            value, found = _read(field, raw[field.name])
            faults += found
        else:
            value, found = None, []
        if field.required and not value and not found:
            faults.append(f"{field.name} is {'empty' if field.name in raw else 'missing'}")
        values[field.name] = value or (() if field.pattern else field.default)
    declaration = Declaration(**values)
    faults += scope_faults(declaration)
    if faults:
        raise DeclarationError(faults)
    return declaration


def scope_faults(declaration: Declaration) -> list[str]:
    """What the risk class does not permit, or wants and does not have."""
    if not declaration.risk_class:
        return []
    if declaration.risk_class not in RISK_CLASSES:
        return [f"risk_class {declaration.risk_class!r} is not one of {', '.join(RISK_CLASSES)}"]
    risk = RiskClass(declaration.risk_class)
    faults = [f"{risk} needs {name}" for name in _needed(risk) if not getattr(declaration, name)]
    for path in declaration.allowed_paths:
        faults += path_faults(risk, path)
    for service in declaration.allowed_services:
        faults += service_faults(risk, service)
    return faults


def declaration_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Where a path may lead is beyond it; `scope_faults` says that."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Declaration of an operation",
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in FIELDS if field.required],
        "properties": {field.name: _property(field) for field in FIELDS},
        "allOf": [_condition(risk) for risk in RiskClass if risk.writes],
    }


def _needed(risk: RiskClass) -> tuple[str, ...]:
    return ("rollback_strategy", SCOPES[risk].needs) if risk.writes else ()


def _unknown(name: str) -> str:
    close = get_close_matches(name, _BY_NAME, n=1)
    return f"unknown field {name!r}" + (f", did you mean {close[0]}?" if close else "")


def _read(field: Field, value: Any) -> tuple[Any, list[str]]:
    """The value, and what is wrong with its type or its characters; None then."""
    is_list = bool(field.pattern)
    if is_list and not isinstance(value, list | tuple):
        return None, [f"{field.name} is no list"]
    items = list(value) if is_list else [value]
    if not all(isinstance(item, str) for item in items):
        return None, [f"{field.name} is not text" if not is_list else f"{field.name} holds no text"]
    if any(_UNREADABLE.search(item) for item in items):
        return None, [f"{field.name} has a control character"]
    if not is_list:
        return items[0].strip(), []
    if field.name == "allowed_services":
        items = [part.strip() for item in items for part in item.split(",")]
    return tuple(dict.fromkeys(item for item in items if item)), []


def _property(field: Field) -> dict[str, Any]:
    about: dict[str, Any] = {"description": field.meaning}
    if field.pattern:
        items = {"type": "string", "pattern": f"^{field.pattern}$"}
        return about | {"type": "array", "items": items}
    if field.name == "risk_class":
        return about | {"type": "string", "enum": list(RISK_CLASSES)}
    if field.required:
        return about | {"type": "string", "minLength": 1}
    return about | {"type": "string", "default": field.default}


def _condition(risk: RiskClass) -> dict[str, Any]:
    """What a class that writes must have besides."""
    needed = SCOPES[risk].needs
    return {
        "if": {"properties": {"risk_class": {"const": risk.value}}, "required": ["risk_class"]},
        "then": {
            "required": ["rollback_strategy", needed],
            "properties": {"rollback_strategy": {"minLength": 1}, needed: {"minItems": 1}},
        },
    }
