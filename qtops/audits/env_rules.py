"""What may be wrong with one environment file. Pure; a value of a secret is never part of a result.

The syntax is that of systemd's EnvironmentFile (`contracts.envfile`), not a shell's.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from qtops.audits.env_files import Catalogue, EnvFile
from qtops.audits.health import counted
from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.edit_distance import closest

_QUOTED: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'", re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|\s)#")
_EXPANSION: Final = re.compile(r"\$\{?[A-Za-z_]")
_SECRET_NAME: Final = re.compile(
    r"(?i)(?:.*_)?(?:(?:api|private|access|hmac|permit|signing)_?key|.*secret.*|.*token|"
    r"passw(?:or)?d|passphrase|pass|credentials?|webhook(?:_url)?)"
)
_URL_PASSWORD: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@")

Rule = Callable[[EnvFile, Catalogue], Iterator[CheckResult]]


def judge(name: str, rule: Rule, files: Sequence[EnvFile], names: Catalogue) -> list[CheckResult]:
    """The rule over every file: its findings, a pass where there is none, unknown where unread."""
    results: list[CheckResult] = []
    for file in files:
        if file.text is None and name not in {"env.permissions", "env.owner"}:
            unknown = finding(name, file, Severity.P2, f"not read: {file.unread}")
            results.append(unknown(Verdict.UNKNOWN, fix="run as root"))
            continue
        found = list(rule(file, names))
        results += found or [finding(name, file, Severity.P2, "nothing found")(Verdict.PASS)]
    return results


def finding(
    check: str, file: EnvFile, severity: Severity, title: str, key: str = ""
) -> Callable[..., CheckResult]:
    """A result about the file, or a key of it, that lacks its verdict."""
    subject = f"{file.path}#{key}" if key else file.path
    return partial(CheckResult, check, subject, severity=severity, title=title)


def is_secret(name: str, value: str, names: Catalogue) -> bool:
    """By the settings, by its name, or as a URL with a password. Nothing is no secret."""
    if not value or value.lower() in {"true", "false"}:
        return False
    return (
        names.is_secret(name)
        or bool(_SECRET_NAME.fullmatch(name) and not value.isdigit())
        or bool(_URL_PASSWORD.search(value))
    )


def secrets_of(file: EnvFile, names: Catalogue) -> list[str]:
    """`NAME (64 characters)` for each."""
    return [
        f"{name} ({len(value)} characters)"
        for name, value in file.values.items()
        if is_secret(name, value, names)
    ]


def permissions(file: EnvFile, _: Catalogue) -> Iterator[CheckResult]:
    """Who may write the file decides what a unit does."""
    for mask, who, severity in ((0o002, "everybody", Severity.P0), (0o020, "group", Severity.P2)):
        if file.mode & mask and not (who == "group" and file.group in {"root", file.owner}):
            name = f"group {file.group}" if who == "group" else who
            found = finding("env.permissions", file, severity, f"{name} may write it")
            yield found(
                Verdict.FAIL,
                expected="written by its owner only",
                actual=f"{file.mode:04o} {file.owner}:{file.group}",
                meaning="who can write it decides what the unit does and where its keys go",
                fix=f"chmod go-w {shlex.quote(file.path)}",
            )


def syntax(file: EnvFile, _: Catalogue) -> Iterator[CheckResult]:
    """Lines that do not mean what they look like."""
    found = partial(finding, "env.syntax", file)
    lines = (file.text or "").split("\n")
    if crlf := sum(line.endswith("\r") for line in lines):
        yield found(Severity.P2, f"CR LF ends {counted(crlf, 'line')}")(
            Verdict.WARN,
            meaning="systemd drops the CR, a shell and dotenv keep it in the value",
            fix=f"sed -i 's/\\r$//' {shlex.quote(file.path)}",
        )
    taken = {n for one in file.assigned for n in range(one.first, one.last + 1)}
    for number, line in enumerate(lines):
        if number not in taken and (why := _ignored(line.strip())):
            yield found(Severity.P1, f"line {number + 1} {why[0]}")(
                Verdict.FAIL if why[1] else Verdict.WARN, meaning=why[2]
            )
    for one in file.assigned:
        for title, meaning in _odd(one.raw, is_open=one.is_open):
            yield found(Severity.P1, f"{one.name} (line {one.first + 1}) {title}", one.name)(
                Verdict.FAIL, meaning=meaning, fix=f"vi +{one.first + 1} {_quoted(file)}"
            )


def _quoted(file: EnvFile) -> str:
    return shlex.quote(file.path)


def _ignored(line: str) -> tuple[str, bool, str] | None:
    """(what, whether it is a fault, what follows) of a line that assigns nothing."""
    if line.startswith(("#", ";")):
        meaning = "systemd before 254 takes the next line into the comment"
        what = "is a comment that ends in a backslash"
        return (what, False, meaning) if line.endswith("\\") else None
    if line.startswith("export "):
        return "starts with export", True, "systemd ignores the line; a shell does not"
    return ("assigns nothing", True, "systemd ignores the line") if line else None


def _odd(raw: str, *, is_open: bool) -> Iterator[tuple[str, str]]:
    if is_open:
        yield "has a quote that is not closed", "all that follows is part of the value"
        return
    bare = _QUOTED.sub("", raw)
    if _COMMENT.search(bare):
        yield "has a comment inside its value", "systemd strips no comment behind a value"
    if _EXPANSION.search(bare) or _EXPANSION.search("".join(re.findall(r'"[^"]*"', raw))):
        yield "refers to another variable", "systemd expands nothing in an EnvironmentFile"


def duplicates(file: EnvFile, _: Catalogue) -> Iterator[CheckResult]:
    """The last assignment wins; who edits the first changes nothing."""
    lines: dict[str, list[int]] = {}
    for one in file.assigned:
        lines.setdefault(one.name, []).append(one.first + 1)
    for name, numbers in lines.items():
        if len(numbers) > 1:
            values = {one.value for one in file.assigned if one.name == name}
            differ = len(values) > 1
            severity = Severity.P1 if differ else Severity.P3
            how = ", to different values" if differ else ""
            title = f"{name} is set {len(numbers)} times{how}"
            yield finding("env.duplicates", file, severity, title, name)(
                Verdict.WARN,
                evidence=(f"lines {', '.join(map(str, numbers))}; line {numbers[-1]} counts",),
                fix=f"grep -n ^{name}= {_quoted(file)} | cut -d= -f1",
            )


def keys(file: EnvFile, names: Catalogue) -> Iterator[CheckResult]:
    """Names that look like ours and are not read, and near misses of those that are."""
    if not file.is_live:
        return
    for name in file.values:
        if name in names.known:
            continue
        near = closest(name, names.known)
        is_ours = name.startswith(names.families)
        if not (near or is_ours):
            continue
        hint = f"; meant {near}?" if near else ""
        severity = Severity.P1 if near and is_ours else Severity.P2
        yield finding("env.keys", file, severity, f"{name} is read by nothing here{hint}", name)(
            Verdict.FAIL if near and is_ours else Verdict.WARN,
            expected=near,
            actual=name,
            meaning="the setting it was meant for keeps its default",
            fix="qtops config show" if is_ours else "",
        )


def values(file: EnvFile, names: Catalogue) -> Iterator[CheckResult]:
    """Values that the setting of that name refuses."""
    if not file.is_live:
        return
    odd = {one.name for one in file.assigned if any(_odd(one.raw, is_open=one.is_open))}
    for name, value in file.values.items():
        if name in odd or not value:
            continue  # env.syntax says it better
        if problem := names.problem(name, value):
            yield finding("env.values", file, Severity.P1, problem, name)(
                Verdict.FAIL, meaning="a service that reads it does not start"
            )


def secrets(file: EnvFile, names: Catalogue) -> Iterator[CheckResult]:
    """Who else may read the secrets, and whether the unit needs them."""
    held = secrets_of(file, names)
    if not held:
        return
    found = partial(finding, "env.secrets", file)
    is_own_group = file.group in {"root", file.owner}
    who = "everybody" if file.mode & 0o004 else f"group {file.group}"
    if file.mode & 0o004 or (file.mode & 0o040 and not is_own_group):
        is_all = bool(file.mode & 0o004)
        yield found(Severity.P1 if is_all else Severity.P2, f"{who} may read its secrets")(
            Verdict.FAIL if is_all else Verdict.WARN,
            expected="0600",
            actual=f"{file.mode:04o} {file.owner}:{file.group}",
            evidence=tuple(held),
            fix=f"chmod 600 {_quoted(file)}",
        )
    if not file.is_live:
        yield found(Severity.P2, "a copy of an environment file holds secrets")(
            Verdict.WARN, evidence=tuple(held), fix=f"shred -u {_quoted(file)}"
        )
    for name, value in file.values.items():
        if is_secret(name, value, names) and names.is_needless(file.stem, name):
            title = f"{name} is not needed by {file.stem}"
            yield found(Severity.P2, title, name)(
                Verdict.WARN, meaning="one unit more that can trade or leak when it is broken into"
            )


RULES: Final[dict[str, Rule]] = {
    "env.permissions": permissions,
    "env.syntax": syntax,
    "env.duplicates": duplicates,
    "env.keys": keys,
    "env.values": values,
    "env.secrets": secrets,
}
