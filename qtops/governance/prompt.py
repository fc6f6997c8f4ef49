"""The prompt of an operation: its sections, what it forbids always, and how one is made."""

from typing import Any, Final

from qtops.contracts.registry import Stream
from qtops.errors import ConfigError
from qtops.governance.declaration import FIELDS, Declaration
from qtops.governance.prompt_text import PromptText, label_of, read_prompt
from qtops.governance.templates import Template, fill

PROMPT_TEMPLATE: Final = "ops_prompt_template_v1.txt.j2"
ALLOWLIST_FIELDS: Final = ("allowed_paths", "allowed_services")
SECTIONS: Final = (
    "ROLE",
    "HARD RULES",
    "SCOPE CONTRACT",
    "OPERATION DECLARATION",
    "ALLOWLIST",
    "EXECUTION FORMAT",
    "MANDATORY VERIFICATION GATES",
    "REPORTING CONTRACT",
)
# Filled in by whoever carries the operation out, and only in the sections that describe that.
EXECUTOR_PLACEHOLDERS: Final = (
    "UTC timestamp",
    "exact command",
    "relevant output",
    "command + output",
    "relevant services",
)
EXECUTOR_SECTIONS: Final = SECTIONS[5:]
FORBIDDEN_STREAMS: Final = (
    Stream.APPLY_PLAN.value.name,
    Stream.TRADE_INTENT.value.name,
    "ai.decision",
)
NEVER: Final = (
    "trading logic: strategies, models, sizing, gates and their limits",
    f"writes to the streams {', '.join(FORBIDDEN_STREAMS)}",
    "secrets, neither read out nor changed nor copied into a report",
    "the Grafana database (grafana.db)",
    "the firewall",
    "users, groups, sudo rights and SSH access",
)


def render_prompt(template: Template, declaration: Declaration) -> str:
    """The prompt, read back before it is handed out.

    Raises ConfigError when the template is broken, lacks a section or loses a declared field.
    """
    text = fill(template, template_values(declaration))
    prompt = read_prompt(text)
    if faults := [*structure_faults(prompt), *prompt.faults]:
        raise ConfigError(f"template {template.path} makes no valid prompt: {faults[0][1]}")
    wanted = {name: value for name, value in declared(declaration).items() if value}
    got = {name: value for name, value in prompt.values.items() if value}
    if lost := sorted(name for name in wanted | got if wanted.get(name) != got.get(name)):
        labels = ", ".join(map(label_of, lost))
        raise ConfigError(f"template {template.path} does not carry {labels} as declared")
    return text


def template_values(declaration: Declaration) -> dict[str, Any]:
    """What a template may name: every field, and `declared` with the labels to print."""
    values = declared(declaration)
    texts = [
        (label_of(name), value)
        for name, value in values.items()
        if value and name not in ALLOWLIST_FIELDS
    ]
    return values | {
        "declared": texts,
        "never": NEVER,
        "executor_placeholders": [f"<{name}>" for name in EXECUTOR_PLACEHOLDERS],
    }


def declared(declaration: Declaration) -> dict[str, Any]:
    """The fields by name, in their order; lists as lists."""
    values = {field.name: getattr(declaration, field.name) for field in FIELDS}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}


def structure_faults(prompt: PromptText) -> list[tuple[int, str]]:
    """Lines and faults of the sections: each once, in order, not empty, with the never-list."""
    found = [section for section in prompt.sections if section.title in SECTIONS]
    titles = [section.title for section in found]
    faults = [(0, f"section {title} is missing") for title in SECTIONS if title not in titles]
    for number, section in enumerate(found):
        if section.title in titles[:number]:
            faults.append((section.line, f"section {section.title} stands twice"))
        elif number and SECTIONS.index(section.title) < SECTIONS.index(titles[number - 1]):
            faults.append(
                (section.line, f"section {section.title} stands after {titles[number - 1]}")
            )
        if not any(text.strip() for _, text in section.body):
            faults.append((section.line, f"section {section.title} is empty"))
        if section.title == "SCOPE CONTRACT":
            text = section.text
            faults += [
                (section.line, f"the never-list lacks: {item}")
                for item in NEVER
                if item not in text
            ]
    return faults
