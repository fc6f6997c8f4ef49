"""Foreign text in Markdown: it shows as the characters it is made of and starts nothing."""

import re
from typing import Final

DASH: Final = "\N{EN DASH}"

# What Markdown or one of its dialects may read as markup. Words such as no_position stay readable.
_MARKUP = re.compile(
    r"""[^\w ,;()+=%'"/?.:→·…█\N{EN DASH}✓✗!-]     # all punctuation but this
    | (?<![^\W_])_ | _(?![^\W_])                   # emphasis, not the inside of a word
    | (?<=:)// | (?<=www)\. | !(?=\[)              # bare addresses, images
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FENCEABLE = re.compile(r"[^`|\\<>&]+")


class Ready(str):
    """Markdown as it is; every other string is escaped on its way out."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def visible(value: object) -> str:
    r"""Text of which every character can be seen: a newline reads \n, a direction mark \u202e."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def inline(value: object) -> Ready:
    """One line of text, inside a table or outside."""
    if isinstance(value, Ready):
        return value
    if hasattr(value, "__html__"):  # what a macro made has passed here already
        return Ready(value)
    escaped = _MARKUP.sub(lambda hit: "".join(f"&#{ord(c)};" for c in hit[0]), visible(value))
    return Ready(escaped)


def code(value: object) -> Ready:
    """A code span where the text allows one, else the escaped text. Empty is a dash."""
    text = visible(value)
    if not text:
        return Ready(DASH)
    fits = _FENCEABLE.fullmatch(text) and text == text.strip()
    return Ready(f"`{text}`") if fits else inline(text)


def block(value: object) -> Ready:
    """One line of a fenced block; no text can end the fence."""
    return Ready(visible(value).replace("```", r"\x60\x60\x60"))


def bar(value: str) -> Ready:
    """A bar of characters, whose spaces count; nothing for an empty one."""
    return Ready(f"`{value}`" if value.strip() else "")
