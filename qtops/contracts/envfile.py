"""The text of an environment file as systemd reads it: what is assigned, and one value changed.

Lines that are not changed stay as they are, byte for byte. Of several assignments the last wins.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from qtops.errors import DecodeError

_ASSIGNMENT: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*(.*)", re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_,.:/@%+-]*")
_ESCAPABLE: Final = '"\\`$'


@dataclass(frozen=True, slots=True)
class Assignment:
    """One variable; `first` and `last` are the indexes of its lines.

    `raw` is what stands behind the `=`; `is_open` is a quote or a backslash that nothing ends.
    """

    name: str
    value: str
    first: int
    last: int
    raw: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """The text with one value changed. `shadowed` are earlier lines (from 1) that set it too."""

    text: str
    removed: tuple[str, ...]
    added: str
    shadowed: tuple[int, ...]


def assignments(text: str) -> Iterator[Assignment]:
    """Every assignment, in order. A quote that is not closed goes to the end, as in systemd."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    index = 0
    while index < len(lines):
        first, match = index, _ASSIGNMENT.match(lines[index])
        index += 1
        if lines[first].lstrip()[:1] in {"#", ";"} or match is None:
            continue
        raw = match[2]
        value, is_open = _scan(raw)
        while is_open and index < len(lines):
            raw += f"\n{lines[index]}"
            index += 1
            value, is_open = _scan(raw)
        yield Assignment(match[1], value, first, index - 1, raw, is_open)


def effective(text: str, name: str) -> str | None:
    """The value that a service gets."""
    values = [found.value for found in assignments(text) if found.name == name]
    return values[-1] if values else None


def with_value(text: str, name: str, value: str) -> Edit:
    """`text` in which `name` is `value`: the effective line is replaced, else one is appended.

    Raises DecodeError when the file cannot be changed so, as behind a quote that is not closed.
    """
    lines = text.split("\n")
    found = [one for one in assignments(text) if one.name == name]
    shadowed = tuple(one.first + 1 for one in found[:-1])
    if found:
        first, last = found[-1].first, found[-1].last + 1
        ending = "\r" if lines[first].endswith("\r") else ""
        line = f"{name}={_quoted(value, lines[first])}{ending}"
    else:
        is_ended = lines[-1] == ""
        first = last = len(lines) - 1 if is_ended else len(lines)
        line = f"{name}={_quoted(value, '')}" + ("\r" if lines[0].endswith("\r") else "")
        if not is_ended and lines[0].endswith("\r"):
            lines[-1], line = f"{lines[-1]}\r", line.removesuffix("\r")
    changed = "\n".join([*lines[:first], line, *lines[last:]])
    if effective(changed, name) != value:
        raise DecodeError("env_file", name, f"{name} cannot be set: the file has an open quote")
    return Edit(changed, tuple(lines[first:last]), line, shadowed)


def _quoted(value: str, old_line: str) -> str:
    """In the quotes that were there; without any where none are needed."""
    _, _, old = old_line.partition("=")
    quote = old.lstrip()[:1]
    if quote == "'" and "'" not in value:
        return f"'{value}'"
    if quote != '"' and _PLAIN.fullmatch(value):
        return value
    escaped = "".join(f"\\{c}" if c in _ESCAPABLE else c for c in value)
    return f'"{escaped}"'


def _scan(raw: str) -> tuple[str, bool]:
    """The value of what stands behind `=`, and whether the next line belongs to it."""
    value: list[str] = []
    quote, may_quote, kept = "", True, 0
    characters = iter(raw)
    for character in characters:
        if character == "\\" and quote != "'":
            following = next(characters, None)
            if following is None:
                return "".join(value), True
            value += _unescaped(following, quote)
            may_quote, kept = False, len(value)
        elif quote:
            if character == quote:
                quote, may_quote = "", True
            else:
                value.append(character)
            kept = len(value)
        elif may_quote and character in {'"', "'"}:
            quote = character
        else:
            value.append(character)
            may_quote = may_quote and character.isspace()
            kept = kept if character.isspace() else len(value)
    return "".join(value[:kept]), bool(quote)


def _unescaped(following: str, quote: str) -> str:
    if following == "\n":
        return ""
    return f"\\{following}" if quote and following not in _ESCAPABLE else following
