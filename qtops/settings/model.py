"""What a setting is, and the values of all of them with where each came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from qtops.errors import ConfigError, UsageError

MASK: Final = "***"
DEFAULT_ORIGIN: Final = "default"


class Kind(StrEnum):
    """How a setting is written and what it becomes."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "yes/no"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    NAMES = "list"
    CHOICE = "choice"
    URL = "url"
    PORT = "port"
    SECRET = "secret"  # noqa: S105  the name of a kind


class Secret:
    """A value whose text form is masked; `reveal()` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __str__(self) -> str:
        return MASK if self._value else ""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"


Value = str | int | Decimal | bool | tuple[str, ...] | Secret
V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `name` is the operators' environment variable, `default` is written as there."""

    name: str
    kind: Kind
    default: str
    help: str
    readers: tuple[str, ...]
    minimum: Decimal | None = Decimal(0)
    maximum: Decimal | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """`GOV`, `P26`, …: what stands before the first underscore."""
        return self.name.partition("_")[0]

    @property
    def toml_key(self) -> str:
        """`GOV_PERMIT_TTL_SECONDS` is `gov_permit_ttl_seconds`; `QTOPS_NAMESPACE`, `namespace`."""
        return self.name.removeprefix("QTOPS_").lower()


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting's effective value and where it came from."""

    setting: Setting
    value: Value
    origin: str

    @property
    def is_default(self) -> bool:
        return self.origin == DEFAULT_ORIGIN

    @property
    def shown(self) -> str:
        """The value as an operator would write it, secrets masked."""
        match self.value:
            case bool():
                return "true" if self.value else "false"
            case tuple():
                return ",".join(self.value)
            case str() if self.setting.kind is Kind.URL:
                return without_password(self.value)
            case _:
                return str(self.value)


class Settings:
    """Every setting's effective value. Reading one that is not declared is an error."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        warnings: tuple[str, ...] = (),
        unread: tuple[str, ...] = (),
        files: tuple[tuple[str, bool], ...] = (),
    ) -> None:
        self._entries = dict(entries)
        self.warnings = warnings
        self.unread = unread
        self.files = files

    def __getitem__(self, name: str) -> Value:
        return self.entry(name).value

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def entry(self, name: str) -> Entry:
        """One setting with its origin; UsageError with the closest name for an unknown one."""
        try:
            return self._entries[name]
        except KeyError:
            hint = closest_hint(name, self._entries)
            raise UsageError(f"there is no setting {name}", hint=hint) from None

    def items(self) -> Iterator[Entry]:
        """Every entry, in the catalogue's order."""
        return iter(self._entries.values())

    def origin(self, name: str) -> str:
        """`default`, `/path/qtops.toml [profile.x]`, `env GOV_X` or `option --redis`."""
        return self.entry(name).origin

    def text(self, name: str) -> str:
        return self._typed(name, str)

    def integer(self, name: str) -> int:
        return self._typed(name, int)

    def decimal(self, name: str) -> Decimal:
        return self._typed(name, Decimal)

    def boolean(self, name: str) -> bool:
        return self._typed(name, bool)

    def names(self, name: str) -> tuple[str, ...]:
        return self._typed(name, tuple)

    def secret(self, name: str) -> Secret:
        return self._typed(name, Secret)

    def milliseconds(self, name: str) -> int:
        """A duration, whichever unit its setting is written in."""
        entry = self.entry(name)
        match entry.setting.kind, entry.value:
            case Kind.SECONDS, Decimal():
                return int(entry.value * 1000)
            case Kind.MILLISECONDS, int():
                return entry.value
            case _:
                raise TypeError(f"{name} is no duration")

    def secret_values(self) -> set[str]:
        """Every secret in force, for masking; passwords inside URLs too."""
        found = set()
        for entry in self._entries.values():
            if isinstance(entry.value, Secret):
                found.add(entry.value.reveal())
            elif entry.setting.kind is Kind.URL and isinstance(entry.value, str):
                password = urlsplit(entry.value).password or ""
                found |= {password, unquote(password)}
        return found - {""}

    def _typed(self, name: str, kind: type[V]) -> V:
        value = self.entry(name).value
        if type(value) is not kind:
            raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
        return value


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    head, at, tail = url.rpartition("@")
    scheme, separator, account = head.partition("://")
    if not at or ":" not in account:
        return url
    return f"{scheme}{separator}{account.partition(':')[0]}:{MASK}@{tail}"


def closest_hint(name: str, known: Mapping[str, object]) -> str:
    """`did you mean X?`, or where to look."""
    from difflib import get_close_matches

    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]}?" if matches else "qtops config show"


def decimal_of(entry: Entry) -> Decimal:
    """A numeric entry's value."""
    if not isinstance(entry.value, (int, Decimal)):
        raise TypeError(f"{entry.setting.name} is no number")
    return Decimal(entry.value)


def contradiction(first: Entry, second: Entry) -> ConfigError:
    """Two settings that cannot both hold."""
    return ConfigError(
        f"{first.setting.name}={first.shown} ({first.origin}) must be below "
        f"{second.setting.name}={second.shown} ({second.origin})",
        hint=f"qtops config show {first.setting.name} {second.setting.name}",
    )
