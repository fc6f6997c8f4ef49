"""What a risk class lets an operation touch. Paths are compared as text, links are not followed."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from qtops.contracts.vocabulary import RiskClass

NEVER_PATHS: Final = (
    "/boot",
    "/dev",
    "/etc/firewalld",
    "/etc/group",
    "/etc/gshadow",
    "/etc/iptables",
    "/etc/nftables.conf",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ufw",
    "/proc",
    "/root/.ssh",
    "/sys",
    "/var/lib/grafana/grafana.db",
)
NEVER_NAMES: Final = frozenset({".ssh", ".gnupg", "grafana.db"})
NEVER_SERVICES: Final = frozenset({"firewalld", "ip6tables", "iptables", "nftables", "ufw"})
UNIT_DIRECTORIES: Final = ("/etc/systemd", "/usr/lib/systemd", "/run/systemd")
SYSTEM_DIRECTORIES: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
SERVICE_PATTERN: Final = r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}"
PATH_PATTERN: Final = r"/[^*?\[$`]+"

_SERVICE: Final = re.compile(SERVICE_PATTERN, re.ASCII)
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_EXPANDED: Final = re.compile(r"[*?\[$`]")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a writing class must name, and which directories are beyond it."""

    needs: str
    beyond: tuple[str, ...] = ()


SCOPES: Final = {
    RiskClass.LOW_RISK_CONFIG: Scope("allowed_paths", (*UNIT_DIRECTORIES, *SYSTEM_DIRECTORIES)),
    RiskClass.SERVICE_RESTART: Scope("allowed_services"),
    RiskClass.FILESYSTEM_WRITE: Scope("allowed_paths"),
}


def is_within(path: str, allowed: Iterable[str]) -> bool:
    """Equal to or below an allowed path; a path that is not absolute and normal is within none."""
    return not _abnormal(path) and any(_is_below(path, root) for root in allowed)


def shape_faults(path: str) -> list[str]:
    """Why this is no path that a scope can be made of; empty when it is one."""
    reason = _abnormal(path)
    if not reason and path == "/":
        reason = "is the whole host"
    if not reason and _EXPANDED.search(path):
        reason = "is a pattern, name the directory"
    return [f"path {path!r} {reason}"] if reason else []


def _abnormal(path: str) -> str:
    if _UNPRINTABLE.search(path):
        return "has a control character"
    if not path.startswith("/"):
        return "is not absolute"
    if ".." in path.split("/"):
        return "leads upwards with '..'"
    normal = "/" + posixpath.normpath(path).strip("/ ")
    return "" if path == normal else f"is not in normal form, write {normal!r}"


def forbidden(path: str) -> str:
    """Why no operation may change this path, whatever it declared; empty when it may."""
    if name := next((part for part in path.split("/") if part in NEVER_NAMES), ""):
        return f"{name} is never touched"
    if root := next((root for root in NEVER_PATHS if _is_below(path, root)), ""):
        return f"{root} is never touched"
    if root := next((root for root in NEVER_PATHS if _is_below(root, path)), ""):
        return f"it contains {root}, which is never touched"
    return ""


def path_faults(risk: RiskClass, path: str) -> list[str]:
    """Why this class may not have this path; an operation that only reads may name any."""
    faults = shape_faults(path)
    if faults or not risk.writes:
        return faults
    if reason := forbidden(path):
        return [f"path {path!r}: {reason}"]
    beyond = SCOPES[risk].beyond
    if root := next((r for r in beyond if _is_below(path, r) or _is_below(r, path)), ""):
        wanted = "SERVICE_RESTART or FILESYSTEM_WRITE"
        return [f"path {path!r}: {root} is beyond {risk}, it needs {wanted}"]
    return []


def service_faults(risk: RiskClass, service: str) -> list[str]:
    """Why this is no service that the class may touch."""
    if not _SERVICE.fullmatch(service):
        return [f"service {service!r} is no systemd unit name"]
    if risk.writes and service.removesuffix(".service") in NEVER_SERVICES:
        return [f"service {service!r}: the firewall is never touched"]
    return []


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
