"""What ssh says when it fails, as what the operator is to do. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from qtops.errors import HostError

SSH_FAILED: Final = 255


@dataclass(frozen=True, slots=True)
class _Cause:
    """One way to fail: how ssh words it, what it means, what to do. `{host}` is filled in."""

    code: str
    pattern: re.Pattern[str]
    message: str
    hint: str


def _cause(code: str, pattern: str, message: str, hint: str) -> _Cause:
    return _Cause(code, re.compile(pattern, re.IGNORECASE), message, hint)


# The first that fits counts: a changed key is also a failed verification.
_CAUSES: Final = (
    _cause(
        "ssh_host_key_changed",
        r"host identification has changed|host key .* has changed|revoked host key",
        "HOST KEY CHANGED: what answers as {host} is not the machine that was known; someone may"
        " stand in between",
        "go on only when the host's console shows the new fingerprint; then ssh-keygen -R {host}",
    ),
    _cause(
        "ssh_host_key_unknown",
        r"host key verification failed|no \S+ host key is known",
        "the host key of {host} is not known here",
        "compare `ssh-keyscan {host} | ssh-keygen -lf -` with the host's console, then add it to"
        " known_hosts",
    ),
    _cause(
        "ssh_key_unprotected",
        r"unprotected private key|bad permissions",
        "ssh ignores the private key for {host}, others can read it",
        "chmod 600 the key file",
    ),
    _cause(
        "ssh_permission_denied",
        r"permission denied|too many authentication failures",
        "{host} accepts none of our keys (passwords are never asked for)",
        "load the key into the agent (ssh-add), or name it: --key PATH",
    ),
    _cause(
        "ssh_unresolved",
        r"could not resolve hostname",
        "no address is known for {host}",
        "look at the name, or add it to ~/.ssh/config",
    ),
    _cause(
        "ssh_refused",
        r"connection refused",
        "{host} refused the connection, no ssh server listens there",
        "look at --port, and at sshd on the host",
    ),
    _cause(
        "ssh_timeout",
        r"timed out|timeout, server",
        "{host} did not answer in time",
        "look at the host and the firewall; QTOPS_REMOTE_CONNECT_SECONDS",
    ),
    _cause(
        "ssh_unreachable",
        r"no route to host|network is unreachable|connection (closed|reset)",
        "{host} cannot be reached, or hung up",
        "ssh -v {host}",
    ),
)


def ssh_fault(host: str, stderr: str) -> HostError:
    """The fault behind exit code 255, told by what ssh wrote."""
    for cause in _CAUSES:
        if cause.pattern.search(stderr):
            message = cause.message.format(host=host)
            return HostError(message, hint=cause.hint.format(host=host), code=cause.code)
    said = stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return HostError(f"ssh to {host} failed: {said[0]}", hint=f"ssh -v {host}", code="ssh")
