"""Environment files of the units as they lie on disk: who may read them, and what they assign."""

import grp
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qtops.contracts.envfile import Assignment, assignments
from qtops.errors import HostError, UsageError

_PART_OF_NAME: Final = ".env"


@dataclass(frozen=True, slots=True)
class EnvFile:
    """One file. `text` is None where it could not be read; `unread` says why then.

    `is_live` is False for a copy, such as x.env.bak, that no unit reads.
    """

    path: str
    mode: int
    owner: str
    group: str
    text: str | None
    unread: str = ""
    is_live: bool = True
    user_can_read: bool | None = None
    assigned: Sequence[Assignment] = field(default=())

    @property
    def values(self) -> dict[str, str]:
        """What a unit gets: of several assignments the last."""
        return {one.name: one.value for one in self.assigned}

    @property
    def stem(self) -> str:
        """`governor` of /etc/quantum/governor.env."""
        return Path(self.path).name.partition(_PART_OF_NAME)[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the settings know of names. Handed in: audits know no settings.

    Args:
        known: every name that something reads.
        families: prefixes that say that a name is one of ours.
        is_secret: whether a known name holds a secret.
        problem: what is wrong with a known name's value, without the value of a secret; or empty.
        is_needless: whether the unit of this file's stem surely does not read this name.

    """

    known: frozenset[str]
    families: tuple[str, ...]
    is_secret: Callable[[str], bool]
    problem: Callable[[str, str], str]
    is_needless: Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class User:
    """Who a unit runs as."""

    name: str
    uid: int
    groups: frozenset[int]

    def can(self, path: Path, right: int) -> bool:
        """By mode bits alone: `right` is 4 to read, 1 to pass a directory."""
        if not self.uid:
            return True
        there = path.stat()
        shift = 6 if there.st_uid == self.uid else 3 if there.st_gid in self.groups else 0
        return bool(there.st_mode >> shift & right)

    def can_read(self, path: Path) -> bool:
        """The file, through every directory above it."""
        return self.can(path, 4) and all(self.can(parent, 1) for parent in path.parents)


def user_named(name: str) -> User:
    """Raises UsageError for a name that this host does not know."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"--user: there is no user {name!r} here") from None
    return User(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))


def read_env_files(directory: Path, user: User | None = None) -> list[EnvFile]:
    """Every regular file of the directory with `.env` in its name, copies too.

    HostError when the directory cannot be listed.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if _PART_OF_NAME in path.name)
        return [_read(path, user) for path in paths if path.is_file()]
    except OSError as error:
        raise HostError(f"{directory}: {error.strerror}", hint="--dir, or run as root") from None


def _read(path: Path, user: User | None) -> EnvFile:
    there = path.stat()
    text, unread = None, ""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        unread = error.strerror or "not readable"
    except UnicodeDecodeError:
        unread = "it is not UTF-8"
    return EnvFile(
        path=str(path),
        mode=there.st_mode & 0o7777,
        owner=_name_of_user(there.st_uid),
        group=_name_of_group(there.st_gid),
        text=text,
        unread=unread,
        is_live=path.name.endswith(_PART_OF_NAME),
        user_can_read=None if user is None else user.can_read(path),
        assigned=tuple(assignments(text or "")),
    )


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name_of_group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
