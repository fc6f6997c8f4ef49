"""A gate's limits as text and back, whichever gate they belong to."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final, TypeVar, get_type_hints

from qtops.contracts.codec import Fields, fmt_bool, parse_bool, parse_int, parse_word
from qtops.contracts.values import parse_decimal
from qtops.contracts.vocabulary import GateMode
from qtops.errors import DecodeError

L = TypeVar("L")

_READERS: Final[Mapping[Any, Any]] = {
    int: parse_int,
    Decimal: parse_decimal,
    bool: parse_bool,
    GateMode: lambda raw, name: parse_word(GateMode, raw, name),
}


def limits_text(limits: Any) -> dict[str, str]:
    """Every limit by its name."""
    return {field.name: _word(getattr(limits, field.name)) for field in fields(limits)}


def read_limits(kind: type[L], words: Mapping[str, str]) -> L:
    """The limits that `words` spell. DecodeError unless they name exactly those of `kind`."""
    wanted, raw = get_type_hints(kind), Fields(words)
    limits = {name: _READERS[hint](raw.need(name), name) for name, hint in wanted.items()}
    if unknown := sorted(raw.rest()):
        raise DecodeError("unknown_limit", unknown[0], f"{unknown[0]}: no such limit")
    return kind(**limits)


def _word(value: Any) -> str:
    return fmt_bool(value) if isinstance(value, bool) else str(value)
