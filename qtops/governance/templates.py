"""Templates of prompts and runbooks: where one is found, and how it is filled.

A value goes in as data: it is never read as a template, and its further lines are marked, so that
it cannot pass for a section of the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import qtops
from qtops.errors import ConfigError

CONTINUED: Final = "  |"
_PACKAGE: Final = Path(qtops.__file__).parent


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the file it came from."""

    path: Path
    text: str


def find_template(name: str, directories: Sequence[Path]) -> Template:
    """The first `name` in the directories, else the one that came with qtops. ConfigError."""
    # beside the package in a checkout, inside it where it was installed
    places = [*directories, _PACKAGE / "templates", _PACKAGE.parent / "templates"]
    for path in (place / name for place in places):
        if path.is_file():
            try:
                return Template(path, path.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise ConfigError(f"template {path} is not UTF-8") from error
    raise ConfigError(f"there is no template {name} in {', '.join(map(str, places))}")


def fill(template: Template, values: Mapping[str, Any]) -> str:
    """The document. ConfigError when the template is broken or asks for what there is not."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=continued,
        autoescape=False,  # plain text; `continued` is what keeps a value in its place
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.from_string(template.text).render(values)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{template.path}:{line}" if line else str(template.path)
        raise ConfigError(f"template {place}: {error}") from error


def continued(value: object) -> object:
    """A text whose further lines start with a bar and so start nothing else."""
    if not isinstance(value, str):
        return value
    first, *others = value.split("\n")
    return "\n".join([first, *(f"{CONTINUED} {line}" if line else CONTINUED for line in others)])
