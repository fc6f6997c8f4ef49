"""Why a service does not run, from the last lines it logged. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qtops.contracts.check import Severity

RECENT: Final = 30  # lines; what is older belongs to another life


@dataclass(frozen=True, slots=True)
class Cause:
    """`line` is the evidence; `fix` follows the words `{unit}` and `{file}`."""

    what: str
    line: str
    severity: Severity
    fix: str


_STATUS: Final = "systemctl status {unit}"
_RULES: Final = (
    (
        r"<<<<<<<|>>>>>>>",
        "merge-conflict markers in its code",
        Severity.P0,
        "git -C {directory} diff --name-only --diff-filter=U",
    ),
    (
        r"\b(?:Syntax|Indentation|Tab)Error\b",
        "its code does not parse",
        Severity.P0,
        "python3 -m py_compile {file}",
    ),
    (
        r"\b(?:ModuleNotFound|Import)Error\b",
        "a Python module is missing",
        Severity.P1,
        _STATUS,
    ),
    (r"(?i)address already in use|errno 98\b", "its port is taken", Severity.P1, "ss -lntp"),
    (
        r"\b(?:NOAUTH|WRONGPASS|NOPERM)\b|(?i:invalid api-key|api-key format invalid)",
        "it is not let in: credentials",
        Severity.P1,
        "qtops audit env",
    ),
    (
        r"(?i)permission denied|errno 13\b",
        "it may not read or write a file",
        Severity.P1,
        "systemctl show -p User -p EnvironmentFiles {unit}",
    ),
    (r"(?i)no space left on device", "the disk is full", Severity.P0, "df -h"),
    (r"(?i)out of memory|\bMemoryError\b|oom-kill", "it ran out of memory", Severity.P1, "free -h"),
    (r"(?i)connection refused|errno 111\b", "what it connects to is away", Severity.P1, _STATUS),
)
_FAIL_OPEN: Final = re.compile(r"(?i)fail[-_ ]?open")


def cause_of(log: Sequence[str]) -> Cause | None:
    """The most specific cause that the last lines name; None when they name none."""
    for pattern, what, severity, fix in _RULES:
        for line in reversed(log[-RECENT:]):
            if re.search(pattern, line):
                return Cause(what, line.strip(), severity, fix)
    return None


def fails_open(log: Sequence[str]) -> Sequence[str]:
    """Lines in which a service says that it lets everything pass."""
    return [line.strip() for line in log if _FAIL_OPEN.search(line)]


def last_error(log: Sequence[str]) -> str:
    """The last line that looks like an error, else the last one."""
    for line in reversed(log[-RECENT:]):
        if re.search(r"(?i)\b\w*error\b|exception|fatal|failed", line):
            return line.strip()
    return log[-1].strip() if log else ""
