"""Entries as YAML that every parser reads back as it went in.

A text stands without quotes only where YAML 1.1 and 1.2 agree that it is text.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from qtops.ledger.entry import INTEGERS, TIMES, Entry, ordered

_PLAIN: Final = re.compile(
    r"(?=.*[A-Za-z])[A-Za-z/][^\x00-\x1f\x7f-\xa0\ufeff\u2028\u2029\ud800-\udfff]*"
)
_WORDS: Final = frozenset(
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"]
)
_BLOCK: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?\n|(?<=\n)\n)*[!-~](?:[ -~]*[!-~])?\n")
_TIME_VALUE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class _Time(str):
    """A UTC time; stands unquoted, as in the operators' own entries."""

    __slots__ = ()


class _Dumper(yaml.CSafeDumper):
    """Chooses the style of each text by itself."""


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    if "\n" in value and _BLOCK.fullmatch(value):
        style = "|"
    elif _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        style = ""
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style or None)


def _time(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", str(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Time, _time)


def dump(entry: Mapping[str, Any]) -> str:
    """One entry, its fields in the view's order, without the leading `---`."""
    text: str = yaml.dump(
        _timed(ordered(entry)),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10**9,
        default_flow_style=False,
    )
    return text


def bodies_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Each entry as `dump` has it, by its id, in the order of the log."""
    return {str(entry["operation_id"]): dump(entry) for entry in entries}


def _timed(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _timed(item, str(key)) for key, item in value.items()}
    if name in TIMES and isinstance(value, str) and _TIME_VALUE.fullmatch(value):
        return _Time(value)
    return value


def load(text: str) -> Entry:
    """One entry; every value is text as written, but for the few fields that are numbers.

    Raises yaml.YAMLError, or ValueError when it is no mapping.
    """
    value = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506  the base loader builds only texts, lists and mappings
    if not isinstance(value, dict):
        raise ValueError("is no mapping of fields")  # noqa: TRY004  the same kind of fault as a bad value
    entry: Entry = _numbered(value)
    return entry


def _numbered(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _numbered(item, str(key)) for key, item in value.items()}
    if name in INTEGERS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value
