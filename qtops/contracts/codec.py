"""Strict codecs between Redis strings and values. A safety field has no default.

A message on the wire is a flat mapping of strings. `Fields` reads it by name, remembers what was
taken, and hands back the rest, so that nothing a producer sent is dropped.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from qtops.contracts.values import parse_decimal, plain_number
from qtops.errors import DecodeError

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_SECONDS_LIMIT = 100_000_000_000  # an epoch below this is in seconds (year 5138), above in ms
_LAST_MS = 253_402_300_799_999  # the end of year 9999
_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

E = TypeVar("E", bound=StrEnum)


def parse_bool(raw: str, field: str) -> bool:
    """true/false/1/0/yes/no in any case, or JSON. Anything else raises: it is never "truthy"."""
    word = raw.strip().strip('"').lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise DecodeError("bad_bool", field, f"{field}: {raw[:40]!r} is neither true nor false")


def fmt_bool(value: bool) -> str:  # noqa: FBT001  a codec takes its value by position
    """The one spelling that we write."""
    return "true" if value else "false"


def parse_instant_ms(raw: str, field: str = "timestamp") -> int:
    """UTC milliseconds from epoch seconds, epoch milliseconds or RFC 3339."""
    text = raw.strip()
    try:
        number = Decimal(text)
    except ArithmeticError:
        return _parse_rfc3339_ms(text, field)
    if not number.is_finite() or not 0 <= number <= _LAST_MS:
        raise DecodeError("bad_time", field, f"{field}: {raw[:40]!r} is not a time")
    return int(number * 1000) if number < _SECONDS_LIMIT else int(number)


def _parse_rfc3339_ms(text: str, field: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{field}: {text[:40]!r} is not a time"
        raise DecodeError("bad_time", field, message) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if ms < 0:
        raise DecodeError("bad_time", field, f"{field}: {text[:40]!r} lies before 1970")
    return ms


def fmt_instant(ms: int) -> str:
    """UTC, RFC 3339 with milliseconds, for people and logs."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def fmt_span(ms: int) -> str:
    """A duration or an age, in the largest unit that keeps it exact enough to act on."""
    ms = max(0, ms)
    if ms < _SECOND_MS:
        return f"{ms} ms"
    if ms < 2 * _MINUTE_MS:
        return f"{ms // _SECOND_MS} s"
    if ms < 2 * _HOUR_MS:
        return f"{ms // _MINUTE_MS} min"
    return f"{ms // _HOUR_MS} h" if ms < 2 * _DAY_MS else f"{ms // _DAY_MS} d"


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no spaces. Values are strings, ints, bools only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_json_object(raw: str, field: str) -> dict[str, Any]:
    """A JSON object; numbers with a point become Decimal, so that no float enters."""
    try:
        value = json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant)
        if "\\u" in raw:  # half a surrogate pair cannot be written anywhere
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise DecodeError("bad_json", field, f"{field}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DecodeError("bad_json", field, f"{field}: not a JSON object")
    return value


def _refuse_constant(word: str) -> None:
    message = f"{word} is not JSON"
    raise ValueError(message)


def text_of(value: object) -> str:
    """The wire spelling of a JSON scalar (objects and lists stay JSON)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return fmt_bool(value)
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return str(value)


def decode_fields(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Redis' bytes as text. Bytes that are not UTF-8 raise DecodeError."""
    try:
        return {key.decode(): value.decode() for key, value in raw.items()}
    except UnicodeDecodeError as error:
        raise DecodeError("bad_utf8", "", f"not UTF-8: {error}") from error


class Fields:
    """A reader over one flat message that keeps account of what it gave out."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self._raw = raw
        self._taken: set[str] = set()

    def take(self, *names: str) -> str | None:
        """The value under the first present, non-empty spelling; differing spellings raise."""
        self._taken.update(names)
        present = [(name, self._raw[name]) for name in names if self._raw.get(name, "") != ""]
        if not present:
            return None
        if len({value.strip().lower() for _, value in present}) > 1:
            spellings = ", ".join(f"{name}={value[:20]!r}" for name, value in present)
            raise DecodeError("contradictory", names[0], f"{names[0]}: {spellings} disagree")
        return present[0][1]

    def need(self, *names: str) -> str:
        value = self.take(*names)
        if value is None:
            raise DecodeError(f"missing_{names[0]}", names[0], f"{names[0]} is missing")
        return value

    def need_bool(self, *names: str) -> bool:
        return parse_bool(self.need(*names), names[0])

    def need_decimal(self, *names: str) -> Decimal:
        return parse_decimal(self.need(*names), names[0])

    def optional_decimal(self, *names: str) -> Decimal | None:
        """None when absent; what is there and is no number raises."""
        raw = self.take(*names)
        return None if raw is None else parse_decimal(raw, names[0])

    def need_int(self, *names: str) -> int:
        return parse_int(self.need(*names), names[0])

    def need_word(self, kind: type[E], *names: str) -> E:
        return parse_word(kind, self.need(*names), names[0])

    def rest(self) -> dict[str, str]:
        """Every field nobody asked for, as it came."""
        return {name: value for name, value in self._raw.items() if name not in self._taken}


def parse_int(raw: str, field: str) -> int:
    """A whole number in decimal digits."""
    try:
        return int(plain_number(raw))
    except ValueError as error:
        raise DecodeError("bad_integer", field, f"{field}: {raw[:40]!r} is no integer") from error


def parse_word(kind: type[E], raw: str, field: str) -> E:
    """A member of a closed word set, in any case."""
    wanted = raw.strip().lower()
    for member in kind:
        if member.value.lower() == wanted:
            return member
    known = ", ".join(member.value for member in kind)
    raise DecodeError(f"bad_{field}", field, f"{field}: {raw[:40]!r} is none of {known}")
