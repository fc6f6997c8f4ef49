"""From what an operator wrote to a typed value. What is not clearly one thing is refused.

The message names the variable, where it was written and what is accepted; never a secret's value.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from qtops.errors import ConfigError
from qtops.settings.model import Kind, Secret, Setting, Value, without_password

_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_COMMENT: Final = re.compile(r"\s#")
_MAX_PORT: Final = 65535
_SHOWN_CHARACTERS: Final = 60


def parse(setting: Setting, raw: str, origin: str) -> Value:
    """The typed value of `raw`; ConfigError says what is wrong with it."""
    text = raw.strip()
    if setting.kind is Kind.SECRET:
        return Secret(text)
    if _COMMENT.search(text):
        raise ConfigError(
            f"{setting.name} ({origin}) has a comment inside its value: {_shown(setting, text)}",
            hint="put the comment on a line of its own; systemd does not strip it",
        )
    value = _PARSERS[setting.kind](setting, text, origin)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        _check_range(setting, value, origin)
    return value


def _text(_setting: Setting, text: str, _origin: str) -> str:
    return text


def _integer(setting: Setting, text: str, origin: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _refusal(setting, text, origin, "is no whole number", "a whole number such as 10")
    return int(text)


def _decimal(setting: Setting, text: str, origin: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise _refusal(setting, text, origin, "is no number", "a decimal number such as 0.5")
    return Decimal(text)


def _boolean(setting: Setting, text: str, origin: str) -> bool:
    word = text.lower()
    if word in _YES or word in _NO:
        return word in _YES
    accepted = "true, yes, on, 1 or false, no, off, 0"
    raise _refusal(setting, text, origin, "is neither yes nor no", accepted)


def _names(setting: Setting, text: str, origin: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text else []
    if "" in names:
        accepted = "names with one comma between them"
        raise _refusal(setting, text, origin, "has an empty name in its list", accepted)
    if spaced := [name for name in names if len(name.split()) > 1]:
        accepted = "names with one comma between them"
        raise _refusal(setting, spaced[0], origin, "has a space inside a name", accepted)
    return tuple(dict.fromkeys(names))


def _choice(setting: Setting, text: str, origin: str) -> str:
    if text.lower() not in setting.choices:
        accepted = " or ".join(setting.choices)
        raise _refusal(setting, text, origin, "is not one of the words it may be", accepted)
    return text.lower()


def _url(setting: Setting, text: str, origin: str) -> str:
    accepted = " or ".join(f"{scheme}://…" for scheme in setting.choices)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _refusal(setting, text, origin, "is no URL", accepted) from None
    if parts.scheme not in setting.choices or not (parts.netloc or parts.path):
        raise _refusal(setting, text, origin, "is no URL of a known kind", accepted)
    return text


_PARSERS: Final[dict[Kind, Callable[[Setting, str, str], Value]]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.MILLISECONDS: _integer,
    Kind.PORT: _integer,
    Kind.DECIMAL: _decimal,
    Kind.SECONDS: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.NAMES: _names,
    Kind.CHOICE: _choice,
    Kind.URL: _url,
}


def _check_range(setting: Setting, value: int | Decimal, origin: str) -> None:
    maximum = Decimal(_MAX_PORT) if setting.kind is Kind.PORT else setting.maximum
    if setting.minimum is not None and value < setting.minimum:
        accepted = f"{setting.minimum} or more"
        raise _refusal(setting, str(value), origin, "is too small", accepted)
    if maximum is not None and value > maximum:
        raise _refusal(setting, str(value), origin, "is too large", f"{maximum} or less")


def _refusal(setting: Setting, text: str, origin: str, why: str, accepted: str) -> ConfigError:
    said = f"{setting.name}={_shown(setting, text)}" if text else setting.name
    why = why if text else "is empty"
    if text[:1] in {'"', "'"}:
        accepted += ", without quotes"
    return ConfigError(f"{said} ({origin}) {why}", hint=f"give {accepted}")


def _shown(setting: Setting, text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return repr(without_password(cut) if setting.kind is Kind.URL else cut)
