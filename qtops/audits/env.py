"""`audit env`: what only shows across files, and the checks over all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from qtops.audits.checks import Check
from qtops.audits.env_files import Catalogue, EnvFile, User, read_env_files
from qtops.audits.env_rules import RULES, finding, is_secret, judge
from qtops.contracts.check import CheckResult, Severity, Verdict

# What each unit has a value of its own for.
PER_SERVICE: Final = (
    "*PORT*",
    "*LOG_*",
    "*SERVICE_NAME",
    "*CONSUMER*",
    "*GROUP*",
    "*_DIR",
    "*_PATH",
    "PYTHONPATH",
    "*_ENABLED",
    "*_INTERVAL*",
)


@dataclass(frozen=True)
class EnvAudit:
    """The files of one directory, read once, and what is looked at."""

    directory: Path
    names: Catalogue
    user: User | None = None

    @cached_property
    def files(self) -> Sequence[EnvFile]:
        """HostError when the directory cannot be listed."""
        return read_env_files(self.directory, self.user)

    def checks(self) -> list[Check]:
        """In the order of the report."""
        looks = {name: partial(self._each, name) for name in RULES}
        found = [Check(name, look) for name, look in looks.items()]
        found.append(Check("env.owner", self._owners))
        found.append(Check("env.contradictions", self._contradictions))
        found.append(Check("env.copies", self._copies))
        if self.user is not None:
            found.append(Check("env.readable", self._readable))
        return found

    async def _each(self, name: str) -> list[CheckResult]:
        return judge(name, RULES[name], self.files, self.names)

    async def _owners(self) -> list[CheckResult]:
        return owners(self.files, self.user.name if self.user else "")

    async def _contradictions(self) -> list[CheckResult]:
        return contradictions(self.files, self.names)

    async def _copies(self) -> list[CheckResult]:
        return copies(self.files, self.names)

    async def _readable(self) -> list[CheckResult]:
        return readable(self.files, self.user.name if self.user else "")


def owners(files: Iterable[EnvFile], user: str) -> list[CheckResult]:
    """Root or the units' own user."""
    results = []
    for file in files:
        is_fine = file.owner in {"root", user}
        made = finding("env.owner", file, Severity.P2, f"it belongs to {file.owner}")
        verdict = Verdict.PASS if is_fine else Verdict.WARN
        expected = f"root or {user}" if user else "root (or --user)"
        results.append(made(verdict, expected=expected, actual=file.owner))
    return results


def readable(files: Iterable[EnvFile], user: str) -> list[CheckResult]:
    """A unit gets the file from root; what its user starts by hand, or reads itself, does not."""
    results = []
    for file in files:
        if not file.is_live:
            continue
        word = "can" if file.user_can_read else "cannot"
        made = finding("env.readable", file, Severity.P2, f"{user} {word} read it")
        if file.user_can_read:
            results.append(made(Verdict.PASS))
        else:
            meaning = "a unit gets it all the same; what the user starts itself runs on defaults"
            actual = f"{file.mode:04o} {file.owner}:{file.group}"
            results.append(made(Verdict.WARN, actual=actual, meaning=meaning))
    return results


def contradictions(files: Sequence[EnvFile], names: Catalogue) -> list[CheckResult]:
    """One name with different values in several files, but for what each unit has of its own."""
    live = [file for file in files if file.is_live]
    results = [
        _contradiction(name, holders, names)
        for name, holders in _holders(live).items()
        if len({value for _, value in holders}) > 1 and not _is_per_service(name)
    ]
    return results or _pass("env.contradictions", live, "no name has two values")


def copies(files: Sequence[EnvFile], names: Catalogue) -> list[CheckResult]:
    """One secret in several files: each is a place to leak from and one to forget on rotation."""
    live = [file for file in files if file.is_live]
    results = []
    for name, holders in _holders(live).items():
        paths = [f.path for f, value in holders if is_secret(name, value, names)]
        if len(paths) > 1:
            results.append(
                CheckResult(
                    "env.copies",
                    name,
                    Verdict.WARN,
                    Severity.P3,
                    f"{name} is in {len(paths)} files",
                    evidence=tuple(paths),
                    meaning="each copy is one to leak from, and one to forget when keys change",
                )
            )
    return results or _pass("env.copies", live, "no secret is in two files")


def _pass(check: str, files: Sequence[EnvFile], title: str) -> list[CheckResult]:
    """A pass only of what was read: unread files leave the question open."""
    if not files:
        return []
    unread = [file.path for file in files if file.text is None]
    verdict = Verdict.UNKNOWN if unread else Verdict.PASS
    title = f"{title}, of the files that could be read" if unread else title
    return [CheckResult(check, "-", verdict, Severity.P2, title, evidence=tuple(unread))]


def _holders(files: Iterable[EnvFile]) -> dict[str, list[tuple[EnvFile, str]]]:
    found: dict[str, list[tuple[EnvFile, str]]] = {}
    for file in files:
        for name, value in file.values.items():
            found.setdefault(name, []).append((file, value))
    return found


def _is_per_service(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PER_SERVICE)


def _contradiction(
    name: str, holders: Sequence[tuple[EnvFile, str]], names: Catalogue
) -> CheckResult:
    groups: dict[str, list[str]] = {}
    for file, value in holders:
        groups.setdefault(value, []).append(Path(file.path).name)
    is_known = name in names.known
    evidence = [
        f"{_shown(name, value, names)}: {', '.join(paths)}" for value, paths in groups.items()
    ]
    return CheckResult(
        "env.contradictions",
        name,
        Verdict.WARN,
        Severity.P1 if is_known else Severity.P2,
        f"{name} has {len(groups)} values in {len(holders)} files",
        evidence=tuple(evidence),
        meaning="units that should agree do not",
        fix="qtops config show" if is_known else "",
    )


def _shown(name: str, value: str, names: Catalogue) -> str:
    """Only what is known to be no secret is shown."""
    if name in names.known and not is_secret(name, value, names):
        return value or "empty"
    return f"{len(value)} characters"
