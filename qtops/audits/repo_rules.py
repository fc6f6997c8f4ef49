"""What may be wrong with one git root, and between two of them. Pure."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import PurePath
from typing import Final

from qtops.audits.health import counted
from qtops.contracts.check import CheckResult, Severity, Verdict

LITTER: Final = ("*.bak", "*.bak[._-]*", "*.backup*", "*.orig", "*.rej", "*.patch", "*~", "*.old")
_SHOWN: Final = 20
_SHORT: Final = 8


@dataclass(frozen=True, slots=True)
class Repo:
    """A working tree. `ahead` and `behind` are of the last fetch; None without an upstream."""

    root: str
    head: str
    branch: str
    upstream: str = ""
    ahead: int | None = None
    behind: int | None = None
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    unmerged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.head[:_SHORT] or "no commit"


@dataclass(frozen=True, slots=True)
class Divergence:
    """Commits that only one side has; None where the histories have nothing in common."""

    left: Repo
    right: Repo
    only_left: int | None
    only_right: int | None
    base: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, and the paths that say where its code lies."""

    name: str
    paths: tuple[str, ...]


def judge_repo(name: str, repo: Repo) -> CheckResult:
    """One of the checks below, by the name it has in the report."""
    return RULES[name](repo)


def conflicts(repo: Repo) -> CheckResult:
    """A Python file with conflict markers does not start; git knows of unmerged files only."""
    files = tuple(dict.fromkeys((*repo.conflicts, *repo.unmerged)))
    made = _made("repos.conflicts", repo, Severity.P0, files)
    if not files:
        return made(Verdict.PASS, "no conflict markers in tracked files")
    return made(
        Verdict.FAIL,
        f"conflict markers in {counted(len(files), 'tracked file')}: {files[0]}",
        meaning="what imports such a file ends with a SyntaxError at its first line",
        fix=f"git -C {shlex.quote(repo.root)} diff --check",
    )


def dirty(repo: Repo) -> CheckResult:
    """What runs is then not what any commit says."""
    made = _made("repos.dirty", repo, Severity.P2, repo.changed)
    if not repo.changed:
        return made(Verdict.PASS, f"{repo.branch} at {repo.short}, no tracked file is changed")
    return made(
        Verdict.WARN,
        f"{counted(len(repo.changed), 'tracked file')} changed and not committed",
        meaning="the code that runs is in no commit",
        fix=f"git -C {shlex.quote(repo.root)} status",
    )


def litter(repo: Repo) -> CheckResult:
    """Backup files that git does not track."""
    files = tuple(
        path
        for path in repo.untracked
        if any(fnmatchcase(PurePath(path).name, pattern) for pattern in LITTER)
    )
    made = _made("repos.litter", repo, Severity.P3, files)
    if not files:
        return made(Verdict.PASS, "no untracked backup or patch files")
    command = f"git -C {shlex.quote(repo.root)} ls-files --others --exclude-standard"
    what = f"{counted(len(files), 'untracked backup or patch file')}"
    return made(Verdict.WARN, what, fix=command)


def upstream(repo: Repo) -> CheckResult:
    """Against what was last fetched; nothing is fetched here."""
    made = _made("repos.upstream", repo, Severity.P2, ())
    if repo.ahead is None or repo.behind is None:
        title = f"{repo.branch} has no upstream to compare with"
        return made(Verdict.UNKNOWN, title, fix=f"git -C {shlex.quote(repo.root)} branch -vv")
    if not repo.ahead and not repo.behind:
        return made(Verdict.PASS, f"level with {repo.upstream}, as of the last fetch")
    title = f"{repo.ahead} ahead of and {repo.behind} behind {repo.upstream}, as of the last fetch"
    fix = f"git -C {shlex.quote(repo.root)} log --oneline --left-right HEAD...@{{upstream}}"
    return made(Verdict.WARN, title, fix=fix)


RULES: Final = {
    "repos.conflicts": conflicts,
    "repos.dirty": dirty,
    "repos.upstream": upstream,
    "repos.litter": litter,
}


def _made(
    check: str, repo: Repo, severity: Severity, files: Sequence[str]
) -> Callable[..., CheckResult]:
    shown = tuple(files[:_SHOWN])
    if len(files) > _SHOWN:
        shown += (f"and {len(files) - _SHOWN} more",)
    return partial(_result, check, repo.root, severity, shown)


def _result(  # noqa: PLR0913  the parts of a result
    check: str,
    subject: str,
    severity: Severity,
    evidence: tuple[str, ...],
    verdict: Verdict,
    title: str,
    *,
    meaning: str = "",
    fix: str = "",
) -> CheckResult:
    return CheckResult(
        check, subject, verdict, severity, title, evidence=evidence, meaning=meaning, fix=fix
    )


def judge_pair(found: Divergence) -> CheckResult:
    """Two roots of one system are at one commit, or a fix in the one is missing in the other."""
    left, right = found.left, found.right
    subject = f"{left.root} {right.root}"
    made = partial(_result, "repos.divergence", subject, Severity.P1)
    heads = (f"{left.root} {left.branch} {left.head}", f"{right.root} {right.branch} {right.head}")
    if left.head == right.head:
        return made((), Verdict.PASS, f"both at {left.short}")
    if found.only_left is None or found.only_right is None:
        return made(heads, Verdict.FAIL, "two unrelated histories")
    base = f"merge base {found.base}"
    counts = f"{found.only_left} commits only in {left.root}, {found.only_right} in {right.root}"
    meaning = "a fix made in one root does not run in the other"
    verdict = Verdict.FAIL if found.only_left and found.only_right else Verdict.WARN
    return made((*heads, base), verdict, counts, meaning=meaning)


def judge_units(units: Sequence[Unit], repos: Sequence[Repo]) -> list[CheckResult]:
    """Which root each unit runs from; a unit in two roots runs half of each."""
    results = [_unit(unit, repos) for unit in units]
    used = {root for unit in units for root in _roots(unit, repos)}
    return results + [
        CheckResult(
            "repos.units",
            repo.root,
            Verdict.WARN,
            Severity.P3,
            "no unit runs from this root",
            meaning="what is changed here changes nothing that runs",
        )
        for repo in repos
        if repo.root not in used
    ]


def _unit(unit: Unit, repos: Sequence[Repo]) -> CheckResult:
    roots = _roots(unit, repos)
    made = partial(_result, "repos.units", unit.name, Severity.P1, unit.paths)
    if len(roots) > 1:
        fix = f"systemctl cat {shlex.quote(unit.name)}"
        return made(Verdict.FAIL, f"runs from {len(roots)} roots: {', '.join(roots)}", fix=fix)
    if not roots:
        return made(Verdict.PASS, "runs from none of the roots")
    heads = {repo.root: repo for repo in repos}
    return made(Verdict.PASS, f"runs from {roots[0]} at {heads[roots[0]].short}")


def _roots(unit: Unit, repos: Sequence[Repo]) -> list[str]:
    """The innermost root of each path."""
    by_length = sorted((repo.root for repo in repos), key=len, reverse=True)
    found = [
        next((root for root in by_length if PurePath(path).is_relative_to(root)), "")
        for path in unit.paths
    ]
    return [root for root in dict.fromkeys(found) if root]
