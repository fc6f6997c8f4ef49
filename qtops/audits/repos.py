"""`audit repos`: what git and systemd say of the roots that are given."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Final, Protocol

from qtops.audits.checks import Check
from qtops.audits.repo_rules import (
    RULES,
    Divergence,
    Repo,
    Unit,
    judge_pair,
    judge_repo,
    judge_units,
)
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.errors import HostError

_STATUS: Final = ("status", "--porcelain=v2", "--branch", "-z", "--ignore-submodules=all")
_GREP: Final = ("grep", "-I", "-l", "-z", "-E")
# Field of a record of `status --porcelain=v2` that the path begins at.
_PATH_AT: Final = {"1": 8, "2": 9, "u": 10}
_LIMIT_S: Final = 30.0


class Git(Protocol):
    """git on a repository that may be somebody else's. HostError when it says no."""

    def __call__(
        self,
        root: Path,
        *argv: str,
        also: Mapping[str, str] | None = None,
        fine: Sequence[int] = (0,),
    ) -> Awaitable[str]: ...


class Units(Protocol):
    """Id, WorkingDirectory and ExecStart by unit, as systemd says. HostError without systemd."""

    def __call__(self) -> Awaitable[Sequence[Mapping[str, str]]]: ...


@dataclass(frozen=True)
class RepoAudit:
    """The roots, and how they are read."""

    roots: Sequence[Path]
    git: Git
    units: Units

    def checks(self) -> list[Check]:
        """In the order of the report."""
        looks = {name: partial(self._each, name) for name in RULES}
        severities = {"repos.conflicts": Severity.P0}
        found = [
            Check(name, look, severities.get(name, Severity.P2), _LIMIT_S)
            for name, look in looks.items()
        ]
        if len(self.roots) > 1:
            found.append(Check("repos.divergence", self._pairs, Severity.P1, _LIMIT_S))
        found.append(Check("repos.units", self._units, Severity.P1, _LIMIT_S))
        return found

    async def _each(self, name: str) -> list[CheckResult]:
        answers = await asyncio.gather(*(self._one(name, root) for root in self.roots))
        return list(answers)

    async def _one(self, name: str, root: Path) -> CheckResult:
        try:
            return judge_repo(name, await read_repo(self.git, root))
        except HostError as error:
            title = f"could not be read: {error.message}"
            return CheckResult(name, str(root), Verdict.UNKNOWN, Severity.P1, title)

    async def _pairs(self) -> list[CheckResult]:
        repos = [await read_repo(self.git, root) for root in self.roots]
        pairs = combinations(repos, 2)
        return [judge_pair(await compare(self.git, left, right)) for left, right in pairs]

    async def _units(self) -> list[CheckResult]:
        units = [unit_of(shown) for shown in await self.units()]
        repos = [await read_repo(self.git, root) for root in self.roots]
        return judge_units(units, repos)


def unit_of(shown: Mapping[str, str]) -> Unit:
    """The paths that a unit's code lies under: its directory, and what its command names.

    A relative word of the command lies below the directory anyway.
    """
    directory = shown.get("WorkingDirectory", "").lstrip("!-")
    argv = re.findall(r"argv\[\]=(.*?) ; ", shown.get("ExecStart", ""))
    words = [word for text in argv for word in text.split()]
    paths = [word for word in words if word.startswith("/")]
    places = [directory, *paths] if directory else paths
    return Unit(shown.get("Id", "?"), tuple(dict.fromkeys(places)))


def top_of(path: Path) -> Path:
    """The working tree that a path lies in. HostError outside of one."""
    there = path.expanduser().resolve()
    for place in (there, *there.parents):
        if (place / ".git").exists():
            return place
    raise HostError(f"{path} is in no git repository", hint="give its root")


async def read_repo(git: Git, path: Path) -> Repo:
    """HEAD, branch, upstream, what is changed, and conflict markers in tracked files."""
    root = top_of(path)
    status = await git(root, *_STATUS, "--untracked-files=all")
    begins, ends = await asyncio.gather(
        git(root, *_GREP, "-e", "^<{7}( |$)", fine=(0, 1)),
        git(root, *_GREP, "-e", "^>{7}( |$)", fine=(0, 1)),
    )
    marked = set(begins.split("\0")) & set(ends.split("\0")) - {""}
    return parse_status(str(root), status, tuple(sorted(marked)))


def parse_status(root: str, text: str, conflicts: tuple[str, ...] = ()) -> Repo:
    """The answer of `git status --porcelain=v2 --branch -z`."""
    head: dict[str, str] = {}
    files: dict[str, list[str]] = {"changed": [], "untracked": [], "unmerged": []}
    records = iter(text.split("\0"))
    for record in records:
        kind = record[:1]
        if kind == "#":
            name, _, value = record[2:].partition(" ")
            head[name] = value
        elif kind == "?":
            files["untracked"].append(record[2:])
        elif kind in _PATH_AT:
            path = record.split(" ", _PATH_AT[kind])[-1]
            files["unmerged" if kind == "u" else "changed"].append(path)
            if kind == "2":
                next(records, None)  # where it was renamed from
    ahead, behind = _counts(head.get("branch.ab", ""))
    oid = head.get("branch.oid", "")
    return Repo(
        root=root,
        head="" if oid == "(initial)" else oid,
        branch=head.get("branch.head", "(detached)"),
        upstream=head.get("branch.upstream", ""),
        ahead=ahead,
        behind=behind,
        changed=tuple(files["changed"]),
        untracked=tuple(files["untracked"]),
        unmerged=tuple(files["unmerged"]),
        conflicts=conflicts,
    )


def _counts(text: str) -> tuple[int | None, int | None]:
    """`+3 -1`."""
    ahead, _, behind = text.partition(" ")
    return (int(ahead), -int(behind)) if behind else (None, None)


async def compare(git: Git, left: Repo, right: Repo) -> Divergence:
    """Commits that only one side has. The other's objects are read where they lie: no fetch."""
    if left.head == right.head or not (left.head and right.head):
        both = 0 if left.head == right.head else None
        return Divergence(left, right, both, both)
    place = ("rev-parse", "--path-format=absolute", "--git-path", "objects")
    objects = (await git(Path(right.root), *place)).strip()
    root, also = Path(left.root), {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{_escaped(objects)}"'}
    base = await git(root, "merge-base", left.head, right.head, also=also, fine=(0, 1))
    if not base.strip():
        return Divergence(left, right, None, None)
    between = f"{left.head}...{right.head}"
    counts = await git(root, "rev-list", "--left-right", "--count", between, also=also)
    only_left, only_right = map(int, counts.split())
    return Divergence(left, right, only_left, only_right, base.split()[0])


def _escaped(path: str) -> str:
    """As git reads a path in quotes, which may hold a colon."""
    return path.replace("\\", "\\\\").replace('"', '\\"')
