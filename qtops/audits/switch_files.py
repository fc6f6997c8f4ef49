"""Stop switches of the original that lie in files of this host. Nothing here honours them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qtops.contracts.control import LEGACY_FLAG, LEGACY_VARIABLES


@dataclass(frozen=True, slots=True)
class FoundSwitch:
    """A switch in a file: `name` says which file."""

    name: str
    value: str
    once_read_by: str


@dataclass(frozen=True, slots=True)
class SwitchFiles:
    """What was found, and the places that could not be looked at, with the reason."""

    found: tuple[FoundSwitch, ...] = ()
    unread: tuple[str, ...] = ()


def read_switch_files(etc_dir: Path, flag: Path | None) -> SwitchFiles:
    """The original's variables in `etc_dir/*.env`, and its flag file, there or at `flag`."""
    found: list[FoundSwitch] = []
    unread: list[str] = []
    places = [etc_dir / LEGACY_FLAG.name, *([flag] if flag else [])]
    looks: list[tuple[Path, Callable[[Path], Iterable[Path | FoundSwitch]]]]
    looks = [(etc_dir, _env_files), *((place, _flag_at) for place in dict.fromkeys(places))]
    while looks:
        place, look = looks.pop(0)
        try:
            seen = list(look(place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unread.append(f"{place} ({error.strerror})")
            continue
        found += [item for item in seen if isinstance(item, FoundSwitch)]
        looks += [(item, _switches_in) for item in seen if isinstance(item, Path)]
    return SwitchFiles(tuple(found), tuple(unread))


def _env_files(etc_dir: Path) -> Iterator[Path]:
    yield from sorted(path for path in etc_dir.iterdir() if path.name.endswith(".env"))


def _flag_at(place: Path) -> Iterator[FoundSwitch]:
    place.lstat()
    yield FoundSwitch(str(place), "present", LEGACY_FLAG.once_read_by)


def _switches_in(path: Path) -> Iterator[FoundSwitch]:
    """As systemd and shells read it: the last assignment counts, quotes are not part of it."""
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    for switch in LEGACY_VARIABLES:
        if switch.name in values:
            yield FoundSwitch(
                f"{switch.name} ({path.name})", values[switch.name], switch.once_read_by
            )
