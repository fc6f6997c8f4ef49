"""Templates: one environment for HTML and one for Markdown, both safe by default.

Every expression passes `finalize`, so a template cannot forget to escape. A name that is not there
is a fault (StrictUndefined), and characters that draw nothing are spelled out in both.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from qtops.errors import DecodeError
from qtops.reports import markdown

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "qtops.reports"
MAX_DEPTH = 40


def render_html(template: str, values: Mapping[str, Any]) -> str:
    """Raises DecodeError naming what the payload lacks."""
    return _render(_html(), template, values)


def render_markdown(template: str, values: Mapping[str, Any]) -> str:
    """Raises DecodeError naming what the payload lacks."""
    return _render(_markdown(), template, values)


def plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's types without floats: numbers with a point become strings."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {str(name): plain(item, depth + 1) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item, depth + 1) for item in value]
    return str(value)


def or_dash(value: object) -> object:
    """A dash for what is not there. False and 0 are there."""
    return markdown.DASH if value is None or value == "" else value


def upper_first(value: object) -> str:
    """A sentence's first letter; the rest, names included, as it is."""
    text = str(value)
    return text[:1].upper() + text[1:]


def tenths(value: object) -> str:
    """Milliseconds to one place, as tables show them; a dash for none."""
    return markdown.DASH if value is None else f"{Decimal(str(value)):.1f}"


def _render(environment: "Environment", template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import UndefinedError

    try:
        return environment.get_template(template).render(values)
    except UndefinedError as error:
        message = f"the payload is incomplete: {error}"
        raise DecodeError("missing_field", "payload", message) from error


@cache
def _html() -> "Environment":
    def finalize(value: object) -> object:
        return value if hasattr(value, "__html__") else markdown.visible(value)

    return _environment(finalize, {})


@cache
def _markdown() -> "Environment":
    filters = {"code": markdown.code, "block": markdown.block, "bar": markdown.bar}
    return _environment(markdown.inline, filters)


def _environment(
    finalize: Callable[[object], object], filters: Mapping[str, Callable[..., object]]
) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"dash": or_dash, "upper_first": upper_first, "tenths": tenths}
    environment.filters |= filters
    return environment
