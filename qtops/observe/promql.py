"""Which metrics a PromQL expression reads. A scanner, not a parser: it never judges syntax."""

import re
from collections.abc import Iterator
from typing import Final

_TOKENS: Final = re.compile(
    r"""
      (?P<skip>\s+|\#[^\n]*)
    | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    | (?P<name>(?:\$\{[^}]*\}|\[\[\w+\]\]|[A-Za-z_:$])(?:\$\{[^}]*\}|\[\[\w+\]\]|[A-Za-z0-9_:$])*)
    | (?P<range>\[[^\]]*\])
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:[a-z]+\d*)*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LABEL_LISTS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = _LABEL_LISTS | {"and", "or", "unless", "offset", "bool", "atan2", "inf", "nan"}
_AGGREGATORS: Final = frozenset({"sum", "min", "max", "avg", "group", "stddev", "stdvar"}) | {
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
}
_Token = tuple[str, str]


def metric_names(expression: str) -> set[str]:
    """Every metric that is named, `{__name__="x"}` included.

    A name with a variable of the dashboard in it (`$metric`, `${metric}_total`) cannot be known and
    is left out.
    """
    tokens = list(_tokens(expression))
    names: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if text == "{":
            end = _closing(tokens, at, "}")
            names |= _named_in(tokens[at:end])
            at = end
        elif kind == "name" and text.lower() in _LABEL_LISTS and following == "(":
            at = _closing(tokens, at + 1, ")")
        elif kind == "name" and _is_metric(text, following):
            names.add(text)
        at += 1
    return names


def has_pipe(expression: str) -> bool:
    """A bare `|`, which PromQL does not know and the languages of logs do."""
    return any(token == ("other", "|") for token in _tokens(expression))


def _tokens(expression: str) -> Iterator[_Token]:
    for found in _TOKENS.finditer(expression):
        if found.lastgroup not in {"skip", "range"}:
            yield found.lastgroup or "", found.group()


def _closing(tokens: list[_Token], at: int, bracket: str) -> int:
    """Where the bracket that was opened at `at` closes; the end when it never does."""
    return next((n for n in range(at, len(tokens)) if tokens[n][1] == bracket), len(tokens))


def _named_in(selector: list[_Token]) -> set[str]:
    """The value of `__name__="…"`."""
    triples = zip(selector, selector[1:], selector[2:], strict=False)
    return {
        text[1:-1]
        for (_, label), (_, sign), (kind, text) in triples
        if label == "__name__" and sign == "=" and kind == "text" and "$" not in text
    }


def _is_metric(text: str, following: str) -> bool:
    """Not a function, an operator, an aggregation before `by`, or a name that is put together."""
    if following == "(" or "$" in text or "[[" in text or text.lower() in _WORDS:
        return False
    return not (text.lower() in _AGGREGATORS and following.lower() in {"by", "without"})
