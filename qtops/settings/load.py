"""Settings from all sources. Weakest first: defaults, files, profile, environment, options.

The files are /etc/quantum/qtops.toml, ~/.config/qtops/config.toml and ./qtops.toml; --config (or
QTOPS_CONFIG) replaces all three. A profile (--profile or QTOPS_PROFILE) is stronger than every
file's plain part.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from qtops.errors import ConfigError
from qtops.settings.catalogue import (
    BY_ALIAS,
    BY_NAME,
    FAMILIES,
    ORDERED,
    SELECTORS,
    SETTINGS,
)
from qtops.settings.derived import derived_entries
from qtops.settings.files import SettingsFile, Written, read_file
from qtops.settings.model import (
    DEFAULT_ORIGIN,
    Entry,
    Kind,
    Setting,
    Settings,
    closest_hint,
    contradiction,
    decimal_of,
)
from qtops.settings.parsing import parse


def load_settings(  # noqa: PLR0913  each source is named
    environ: Mapping[str, str],
    *,
    cwd: Path,
    home: Path,
    profile: str | None = None,
    config_path: str | None = None,
    overrides: Mapping[str, tuple[str, str]] | None = None,
    etc_dir: Path = Path("/etc/quantum"),
) -> Settings:
    """Effective settings. `overrides` maps a name to (value, origin), stronger than all else."""
    chosen_config = config_path or environ.get("QTOPS_CONFIG")
    places = [etc_dir / "qtops.toml", home / ".config/qtops/config.toml", cwd / "qtops.toml"]
    if chosen_config:
        places = [cwd / chosen_config]
        if not places[0].is_file():
            raise ConfigError(f"there is no settings file {places[0]}")
    files = [read_file(place) for place in places if place.is_file()]
    layers = [
        *(file.base for file in files),
        *_profile_layers(files, profile or environ.get("QTOPS_PROFILE") or ""),
        _from_environment(environ),
        {name: Written(text, origin) for name, (text, origin) in (overrides or {}).items()},
    ]
    entries = _entries(layers)
    for first, second in ORDERED:
        if decimal_of(entries[first]) >= decimal_of(entries[second]):
            raise contradiction(entries[first], entries[second])
    return Settings(
        entries,
        warnings=(*_unknown(environ), *_exposed(files)),
        unread=tuple(sorted(name for name in environ if _is_unread(name))),
        files=tuple((str(place), place.is_file()) for place in places),
    )


def _profile_layers(
    files: Iterable[SettingsFile],
    profile: str,
) -> list[Mapping[str, Written]]:
    if not profile:
        return []
    layers = [file.profiles[profile] for file in files if profile in file.profiles]
    if not layers:
        known = sorted({name for file in files for name in file.profiles})
        raise ConfigError(
            f"no settings file has a profile {profile}",
            hint=f"one of {', '.join(known)}" if known else "qtops config path",
        )
    return layers


def _from_environment(environ: Mapping[str, str]) -> dict[str, Written]:
    """Declared variables that are set. An alias that disagrees with the name is refused."""
    found = {name: Written(environ[name], f"env {name}") for name in BY_NAME if name in environ}
    for alias, setting in BY_ALIAS.items():
        if alias not in environ:
            continue
        given = found.setdefault(setting.name, Written(environ[alias], f"env {alias}"))
        if given.text.strip() != environ[alias].strip():
            raise ConfigError(
                f"{setting.name} and its old name {alias} are both set and differ",
                hint=f"unset {alias}",
            )
    return found


def _entries(layers: list[Mapping[str, Written]]) -> dict[str, Entry]:
    """Each setting's strongest value, parsed; then what follows from other settings."""
    written: dict[str, Written] = {}
    for layer in layers:
        written |= layer
    entries = {setting.name: _entry(setting, written.get(setting.name)) for setting in SETTINGS}
    return entries | derived_entries(entries)


def _entry(setting: Setting, written: Written | None) -> Entry:
    if written is not None:
        return Entry(setting, parse(setting, written.text, written.origin), written.origin)
    is_derived = setting.kind is Kind.URL and not setting.default
    value = "" if is_derived else parse(setting, setting.default, DEFAULT_ORIGIN)
    return Entry(setting, value, DEFAULT_ORIGIN)


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """QTOPS_* variables nobody reads are most likely misspelled."""
    known = dict.fromkeys((*BY_NAME, *SELECTORS))
    for name in sorted(environ):
        if name.startswith("QTOPS_") and name not in known:
            yield f"{name} is set but is no setting; {closest_hint(name, known)}"


def _exposed(files: Iterable[SettingsFile]) -> Iterator[str]:
    for file in files:
        if file.exposes_secret():
            yield f"{file.path} holds a secret and others may read it; chmod 600 {file.path}"


def _is_unread(name: str) -> bool:
    return name.startswith(FAMILIES) and name not in BY_NAME and name not in BY_ALIAS
