"""The runbook of an operation: the declaration, and the commands that carry it through."""

import json
import shlex
from typing import Final

from qtops.errors import ConfigError
from qtops.governance.declaration import Declaration
from qtops.governance.prompt import declared, template_values
from qtops.governance.prompt_text import read_prompt
from qtops.governance.templates import Template, fill

RUNBOOK_TEMPLATE: Final = "runbook_template_v1.md.j2"
RUNBOOK_SECTIONS: Final = (
    "0 Declaration",
    "1 Scope",
    "2 Plan",
    "3 Evidence and gates",
    "4 Rollback",
    "5 Final report",
    "6 Sign-off and ledger",
)


def render_runbook(template: Template, declaration: Declaration, day: str) -> str:
    """The runbook of `day` (YYYY-MM-DD). ConfigError when the template is broken."""
    values = template_values(declaration) | {
        "day": day,
        "declaration_lines": declaration_lines(declaration),
        "append_lines": append_lines(declaration),
        "service_words": [shell_word(name) for name in declaration.allowed_services],
    }
    text = fill(template, values)
    titles = tuple(section.title for section in read_prompt(text).sections)
    if titles != RUNBOOK_SECTIONS:
        wanted = ", ".join(RUNBOOK_SECTIONS)
        raise ConfigError(f"template {template.path} has not exactly the sections {wanted}")
    return text


def declaration_lines(declaration: Declaration) -> list[str]:
    """The declaration as `--from` reads it: JSON, which is YAML, so no text can end its block."""
    given = {name: value for name, value in declared(declaration).items() if value}
    return json.dumps(given, indent=2, ensure_ascii=False).split("\n")


def append_lines(declaration: Declaration) -> list[str]:
    """The lines of the command that records it; what only the end can tell is left to fill in."""
    options = {
        "--operation": [declaration.operation],
        "--objective": [declaration.objective],
        "--risk-class": [declaration.risk_class],
        "--blast-radius": [declaration.blast_radius],
        "--changes-summary": [declaration.changes_summary],
        "--allowed-paths": declaration.allowed_paths,
        "--allowed-services": declaration.allowed_services,
        "--requested-by": [declaration.requested_by],
        "--approved-by": [declaration.approved_by],
        "--rollback-ref": [declaration.rollback_strategy],
        "--notes": [declaration.notes],
    }
    must = ("--changes-summary",)  # stays, empty: the ledger refuses the command until it is said
    return [
        f"{option} {' '.join(map(shell_word, values))}"
        for option, values in options.items()
        if any(values) or option in must
    ]


def shell_word(text: str) -> str:
    """One word of a bash command, on one line whatever the text has."""
    if "\n" not in text and "\t" not in text:
        return shlex.quote(text)
    spelled = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + spelled.replace("\n", "\\n").replace("\t", "\\t") + "'"
