"""Settings files: TOML, with `[profile.NAME]` tables. An unknown key is an error, not a shrug.

Keys may be flat (`gov_permit_ttl_seconds`) or in tables (`[gov] permit_ttl_seconds`).
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from qtops.errors import ConfigError
from qtops.settings.catalogue import BY_NAME, BY_TOML_KEY
from qtops.settings.model import Kind, closest_hint


@dataclass(frozen=True, slots=True)
class Written:
    """A value as somebody wrote it, and where."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One file: what holds always, and what holds under each profile."""

    path: Path
    base: Mapping[str, Written]
    profiles: Mapping[str, Mapping[str, Written]]

    def exposes_secret(self) -> bool:
        """A secret is written here and others than the owner may read the file."""
        groups = (self.base, *self.profiles.values())
        has_secret = any(BY_NAME[name].kind is Kind.SECRET for group in groups for name in group)
        return has_secret and bool(self.path.stat().st_mode & 0o077)


def read_file(path: Path) -> SettingsFile:
    """The settings in `path`; ConfigError names the file and the key that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    profiles = document.pop("profile", {})
    if not _is_table_of_tables(profiles):
        raise ConfigError(f"{path}: profile must be a table, as in [profile.testnet]")
    return SettingsFile(
        path,
        _named(document, str(path)),
        {name: _named(table, f"{path} [profile.{name}]") for name, table in profiles.items()},
    )


def _is_table_of_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(table, dict) for table in value.values())


def _named(document: Mapping[str, Any], origin: str) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for key, value in _flat(document):
        name = _name_of(key, origin)
        if name in found:
            raise ConfigError(f"{origin}: {name} is given twice")
        found[name] = Written(_as_written(key, value, origin), origin)
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}_")
        else:
            yield f"{prefix}{key}", value


def _name_of(key: str, origin: str) -> str:
    if key in BY_NAME:
        return key
    setting = BY_TOML_KEY.get(key.lower().removeprefix("qtops_"))
    if setting is None:
        raise ConfigError(
            f"{origin}: unknown key {key}",
            hint=closest_hint(key.lower(), BY_TOML_KEY),
        )
    return setting.name


def _as_written(key: str, value: Any, origin: str) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case list() if all(isinstance(item, str) for item in value):
            return ",".join(value)
        case _:
            raise ConfigError(f"{origin}: {key} must be a text, number, yes/no or list of texts")
